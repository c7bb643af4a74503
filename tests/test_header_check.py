"""What a header is worth depends on what it stands on: a chain of proofs of work, whose check looks at the past."""

from collections.abc import Sequence
from hashlib import sha256
from statistics import median

import attrs
import pytest

from syncfsm.blocks import Header, Past
from syncfsm.chain import Chain
from syncfsm.errors import Fault, LocalError, Penalty
from syncfsm.events import Finalised, Produced
from syncfsm.limits import Limits
from syncfsm.outputs import Misbehaviour, SendBlocks
from syncfsm.peer.messages import Parting
from syncfsm.sync.messages import Blocks, Hello
from tests.building import connected, hear, hello_of, joined, node, parted, partings

# A chain with proofs of work --------------------------------------------------------------------------------------

SCORE_BYTES = 16
SPAN = 5
"""Blocks from one change of the difficulty to the next."""
PACE = 10
"""Seconds that a block should take."""
WINDOW = 11
"""Blocks of whose times the median is taken."""


def seal(height: int, parent: bytes, score: bytes, bits: int, time: int) -> Header:
    """Look for a nonce with which the id begins with ``bits`` zeros."""
    nonce = 0
    while True:
        proof = bytes((bits,)) + time.to_bytes(8) + nonce.to_bytes(8)
        id = hashed(height, parent, score, proof)
        if zeros(id) >= bits:
            return Header(height, id, parent, score, 0, proof)
        nonce += 1


def hashed(height: int, parent: bytes, score: bytes, proof: bytes) -> bytes:
    return sha256(height.to_bytes(8) + parent + score + proof).digest()


def zeros(id: bytes) -> int:
    return 8 * len(id) - int.from_bytes(id).bit_length()


def bits_of(header: Header) -> int:
    return header.proof[0]


def time_of(header: Header) -> int:
    return int.from_bytes(header.proof[1:9])


def total(header: Header) -> int:
    return int.from_bytes(header.score)


GENESIS = seal(0, b"", bytes(SCORE_BYTES), 2, 1000)


def mined(parent: Header, bits: int = 2, after: int = PACE, work: int | None = None) -> Header:
    """A block on ``parent``, so many seconds after it, that claims so much work in all (what it is, unless told)."""
    score = total(parent) + 2**bits if work is None else work
    return seal(parent.height + 1, parent.id, score.to_bytes(SCORE_BYTES), bits, time_of(parent) + after)


def grown(parent: Header, length: int, bits: int = 2, after: int = PACE) -> list[Header]:
    found = [parent]
    for _ in range(length):
        found.append(mined(found[-1], bits, after))
    return found[1:]


class Shown:
    """What a header shows by itself: that it was worked for. The claim of how much is in all of them is believed."""

    def run(self, headers: Sequence[Header], past: Past) -> Fault | None:
        for header in headers:
            worked = header.id == hashed(header.height, header.parent, header.score, header.proof)
            if not worked or zeros(header.id) < bits_of(header):
                return Fault("bad-work", f"{header.point} was not worked for", header.id)
        return None

    def body(self, header: Header, body: bytes) -> Fault | None:
        return None


class Summed(Shown):
    """The score is the parent's and the block's own work, live or in a run."""

    def run(self, headers: Sequence[Header], past: Past) -> Fault | None:
        parent = past.parent
        for header in headers:
            if total(header) != total(parent) + 2 ** bits_of(header):
                return Fault("bad-score", f"{header.point} claims work that nobody did", header.score)
            parent = header
        return super().run(headers, past)


class Adjusted(Summed):
    """Every ``SPAN`` blocks the difficulty follows the pace; no block is older than the median of those before it."""

    def run(self, headers: Sequence[Header], past: Past) -> Fault | None:
        for at, header in enumerate(headers):
            bits = expected(header.height, headers[:at], past)
            if bits is not None and bits_of(header) != bits:
                return Fault("bad-difficulty", f"{header.point} was too easy", header.proof)
            before = [*past.back(WINDOW), *headers[:at]][-WINDOW:]
            if time_of(header) <= median(map(time_of, before)):
                return Fault("bad-time", f"{header.point} is older than what it stands on", header.proof)
        return super().run(headers, past)


def expected(height: int, run: Sequence[Header], past: Past) -> int | None:
    """The difficulty at ``height``; ``None`` if less is held than it follows from: then it is to be believed."""
    last = run[-1] if run else past.parent
    if height % SPAN:
        return bits_of(last)
    start = height - SPAN
    if start < past.oldest:
        return None
    first = past.at(start) if start <= past.parent.height else run[start - past.parent.height - 1]
    assert first is not None, "from the oldest up, all are held"
    took = time_of(last) - time_of(first)
    return bits_of(last) + (took < PACE * (SPAN - 1)) - (took > PACE * (SPAN - 1))


# An attack --------------------------------------------------------------------------------------------------------

HONEST = grown(GENESIS, 50)
CHEAP = mined(GENESIS, bits=8, work=2**100)
"""One block on genesis, for 256 tries, that claims more work than was ever done."""


def test_a_claim_that_is_not_compared_with_the_parent_takes_over() -> None:
    """So it must be compared: this is what a check that looks at headers alone lets through."""
    made, _ = hear(connected(node(HONEST, check=Shown(), root=GENESIS), "p")[0], "p", hello_at(CHEAP), Blocks((CHEAP,)))
    assert made.chain.head == CHEAP


def hello_at(head: Header) -> Hello:
    return hello_of(head, GENESIS, final=GENESIS, base=GENESIS)


@pytest.mark.parametrize("check", [Summed(), Adjusted()], ids=lambda check: type(check).__name__)
def test_a_cheap_live_block_that_claims_to_be_worth_more_is_refused(check: Summed) -> None:
    honest = node(HONEST, check=check, root=GENESIS)
    made, _ = connected(honest, "liar", "honest")
    made, _ = hear(made, "honest", hello_at(HONEST[-1]))
    made, _ = hear(made, "liar", hello_at(CHEAP))
    after, outputs = hear(made, "liar", Blocks((CHEAP,)))
    ending = [said for said in outputs if getattr(said, "peer", "liar") == "liar"]
    assert parted(ending, Parting.FAULT, blame=Penalty.GRAVE)
    (fault,) = (said.fault for said in outputs if isinstance(said, Misbehaviour))
    assert fault.rule in ("bad-score", "bad-difficulty")
    assert after.chain == honest.chain
    assert after.chain.head == HONEST[-1]
    assert set(after.links) == {"honest"}
    assert not [said for said in outputs if isinstance(said, SendBlocks)], "nothing of it is passed on"


def test_of_a_run_that_ends_in_a_lie_nothing_is_taken() -> None:
    run = grown(HONEST[-1], 3)
    lie = mined(run[-1], work=2**100)
    made, _ = connected(node(HONEST, check=Summed(), root=GENESIS), "p")
    made, _ = hear(made, "p", hello_at(lie))
    after, outputs = hear(made, "p", Blocks((*run, lie)))
    assert [said.fault.rule for said in outputs if isinstance(said, Misbehaviour)] == ["bad-score"]
    assert after.chain.head == HONEST[-1]


def test_a_node_does_not_believe_itself_either() -> None:
    with pytest.raises(LocalError, match=r"not accepted \(bad-score\): 1:.* claims work that nobody did"):
        node(HONEST, check=Summed(), root=GENESIS).step(Produced((CHEAP,), 0.0))


def test_two_honest_nodes_agree_on_the_chain_with_more_work() -> None:
    """Which is the shorter one here."""
    heavy = grown(HONEST[9], 12, bits=5)
    assert total(heavy[-1]) > total(HONEST[-1])
    pair = joined(node(HONEST, check=Summed(), root=GENESIS), node(HONEST[:10], heavy, check=Summed(), root=GENESIS))
    assert [made.chain.head for made in pair.nodes] == [heavy[-1]] * 2
    assert not partings(pair.outputs[0])


# Difficulty and time ----------------------------------------------------------------------------------------------


def adjusted(length: int, paces: Sequence[int]) -> list[Header]:
    """A chain as ``Adjusted`` wants it, each block as many seconds after its parent as its turn in ``paces`` says."""
    found: list[Header] = []
    past = Chain.start(GENESIS).past(GENESIS.id)
    for at in range(length):
        bits = expected(at + 1, found, past)
        assert bits is not None
        found.append(mined(found[-1] if found else GENESIS, bits, paces[at % len(paces)]))
    return found


CHAIN = adjusted(34, [PACE - 4, PACE - 4, PACE - 3, PACE + 9, PACE - 4, PACE - 2, PACE + 8])


def cut(chain: Chain, blocks: Sequence[Header], size: int) -> Fault | None:
    """What ``Adjusted`` says of ``blocks``, given to it in runs of this size."""
    for start in range(0, len(blocks), size):
        run = blocks[start : start + size]
        fault = Adjusted().run(run, chain.past(run[0].parent))
        if fault is not None:
            return fault
        chain, _ = chain.extend(run)
    return None


@pytest.mark.parametrize("size", [1, 2, 3, SPAN, 7, WINDOW, 34])
def test_a_verdict_does_not_depend_on_how_a_chain_is_cut_into_runs(size: int) -> None:
    assert len({bits_of(header) for header in CHAIN}) > 1, "the difficulty changes"
    chain = Chain.start(GENESIS)
    assert cut(chain, CHAIN, size) is None
    for at in (4, 5, 9, 10, 17, 24, 33):
        parent, bits = CHAIN[at - 1], bits_of(CHAIN[at])
        easy = cut(chain, [*CHAIN[:at], mined(parent, bits - 1)], size)
        late = cut(chain, [*CHAIN[:at], mined(parent, bits, after=-200)], size)
        assert easy is not None
        assert late is not None
        assert (easy.rule, late.rule) == ("bad-difficulty", "bad-time")


@pytest.mark.parametrize("size", [1, 3, 34])
@pytest.mark.parametrize("start", range(1, 2 * SPAN + 2))
def test_near_the_oldest_block_that_is_held_what_cannot_be_known_is_not_asked(start: int, size: int) -> None:
    """A node that begins with a snapshot takes the same chain."""
    assert cut(Chain.start(CHAIN[start]), CHAIN[start + 1 :], size) is None


def test_a_node_that_pruned_judges_by_what_it_holds() -> None:
    made = node(CHAIN[:20], check=Adjusted(), root=GENESIS, limits=Limits(retention=3))
    made, _ = made.step(Finalised(CHAIN[18].point, 0.0))
    assert made.chain.base == CHAIN[15]
    made, _ = hear(connected(made, "p")[0], "p", hello_of(CHAIN[-1], base=CHAIN[15], final=CHAIN[15]))
    for block in CHAIN[20:24]:
        made, _ = hear(made, "p", Blocks((block,)))
    assert made.chain.head == CHAIN[23]
    made, outputs = hear(made, "p", Blocks((CHAIN[24], mined(CHAIN[24], bits_of(CHAIN[25]) - 1))))
    assert [said.fault.rule for said in outputs if isinstance(said, Misbehaviour)] == ["bad-difficulty"]
    assert made.chain.head == CHAIN[23]


@attrs.frozen
class Asked:
    """A check that keeps what it was shown."""

    shown: list[tuple[list[Header], Header, int, list[Header]]] = attrs.field(factory=list)

    def run(self, headers: Sequence[Header], past: Past) -> Fault | None:
        self.shown.append((list(headers), past.parent, past.oldest, list(past.back(2))))
        return None

    def body(self, header: Header, body: bytes) -> Fault | None:
        return None


def test_a_check_is_shown_what_is_new_and_what_it_stands_on() -> None:
    """On a branch it is that branch's past; what is held already is not judged again."""
    check = Asked()
    made = node(HONEST[:6], check=check, root=GENESIS)
    beside = grown(HONEST[2], 2, bits=1)
    made, _ = hear(connected(made, "p")[0], "p", hello_at(HONEST[-1]))
    check.shown.clear()
    hear(
        made,
        "p",
        Blocks((*HONEST[4:6], *HONEST[6:8])),
        Blocks((HONEST[8],)),
        Blocks(tuple(beside)),
        Blocks((HONEST[8],)),
    )
    assert check.shown == [
        (HONEST[6:8], HONEST[5], 0, HONEST[4:6]),
        ([HONEST[8]], HONEST[7], 0, HONEST[6:8]),
        (beside, HONEST[2], 0, HONEST[1:3]),
    ]


# The past ---------------------------------------------------------------------------------------------------------


def test_a_past_has_the_ancestors_of_one_block_and_no_others() -> None:
    chain, _ = Chain.start(GENESIS).extend(HONEST)
    side = grown(HONEST[19], 5, bits=1)
    chain, _ = chain.extend(side)
    for branch in ([GENESIS, *HONEST], [GENESIS, *HONEST[:20], *side]):
        for block in branch:
            past = chain.past(block.id)
            assert (past.parent, past.oldest) == (block, 0)
            assert [past.at(height) for height in range(block.height + 1)] == branch[: block.height + 1]
            assert past.at(block.height + 1) is None
            assert past.at(-1) is None
            for count in (0, 1, 2, 11, block.height, block.height + 1, 1000):
                assert list(past.back(count)) == branch[max(0, block.height + 1 - count) : block.height + 1]


def test_a_past_ends_where_the_chain_was_pruned() -> None:
    limits = Limits(retention=4)
    chain, _ = Chain.start(GENESIS, limits).extend(HONEST)
    chain, dropped = chain.finalise(HONEST[29].point).pruned()
    past = chain.past(HONEST[-1].id)
    assert (past.oldest, past.at(26), past.at(25)) == (26, HONEST[25], None)
    assert list(past.back(1000)) == HONEST[25:]
    assert dropped[-1] == HONEST[24]


def test_there_is_no_past_of_a_block_that_is_not_held() -> None:
    with pytest.raises(LocalError, match="is not held"):
        Chain.start(GENESIS).past(HONEST[0].id)
