"""Where a block stands in its chain."""

from syncfsm.chain import Chain
from syncfsm.truth.stands import Stand, stand
from tests.truth.chain import GENESIS, grow

ONE, TWO, THREE = (entry.header for entry in grow(GENESIS, [b"one", b"two", b"three"]))
(OTHER,) = (entry.header for entry in grow(ONE, [b"other"]))


def stands(chain: Chain) -> list[Stand]:
    return [stand(chain, header) for header in (GENESIS, ONE, TWO, THREE, OTHER)]


def test_a_block_is_soft_then_confirmed_then_final_and_what_is_beside_is_told_apart() -> None:
    final, confirmed, soft, branch, banned = Stand.FINAL, Stand.CONFIRMED, Stand.SOFT, Stand.BRANCH, Stand.BANNED
    chain = Chain.start(GENESIS).extend([ONE, TWO, THREE, OTHER])[0]
    assert stands(chain) == [final, soft, soft, soft, branch]
    chain = chain.confirm(TWO.point)
    assert stands(chain) == [final, confirmed, confirmed, soft, branch]
    assert stands(chain.ban(THREE.id)) == [final, confirmed, confirmed, banned, branch]
    assert stands(chain.confirm(ONE.point)) == [final, confirmed, soft, soft, branch], "the layer took it back"
    chain = chain.finalise(ONE.point)
    assert stands(chain) == [final, final, confirmed, soft, branch]
    assert stands(chain.confirm(OTHER.point)) == [final, final, branch, branch, confirmed]
