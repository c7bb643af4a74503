"""How a node follows a layer: what the layer has that peers have not, and the other way round."""

from syncfsm.chain import Chain
from syncfsm.protocol import Stage, Standing
from syncfsm.truth import follow
from syncfsm.truth.answers import Place
from syncfsm.truth.messages import Cover
from syncfsm.truth.reader.types import Kept, Mark, Settled
from tests.truth.chain import GENESIS, grow

ONE, TWO = (entry.header for entry in grow(GENESIS, [b"one", b"two"]))
(OTHER,) = (entry.header for entry in grow(GENESIS, [b"other"]))
COVER = Cover(1, 2, GENESIS.id, TWO.id)


def standing(stage: Stage, better: bool = False) -> Standing:
    return Standing(
        state="", stage=stage, head=None, has=None, lacks=None, ahead=0, better=better, waits_for="", since=0.0
    )


def test_what_the_layer_has_and_peers_in_step_have_not_is_withheld() -> None:
    start = Chain.start(GENESIS)
    behind, ahead = start.extend([ONE])[0], start.extend([ONE, TWO])[0]
    in_step, searching = standing(Stage.IN_STEP), standing(Stage.SEARCHING)
    assert follow.withheld([searching, in_step], behind, COVER)
    assert not follow.withheld([searching], behind, COVER)
    assert not follow.withheld([], behind, COVER)
    assert not follow.withheld([in_step], ahead, COVER)
    for stage in (Stage.FETCHING, Stage.SEARCHING):
        assert not follow.withheld([in_step, standing(stage, better=True)], behind, COVER), "it has told of it"


def test_where_the_layer_leaves_the_best_chain() -> None:
    before = Chain.start(GENESIS).extend([ONE, TWO, OTHER])[0]
    assert follow.contradicted(before, before.confirm(ONE.point)) is None
    assert follow.contradicted(before, before.confirm(OTHER.point)) == 1


def test_a_mark_is_reached_once_its_block_is_held_on_whatever_branch() -> None:
    start = Chain.start(GENESIS)
    at_two, at_other = (Kept(Mark(Place(5, b"five", b"four"), header.point)) for header in (TWO, OTHER))
    assert follow.is_reached(start, Kept(Mark(Place(0, b"", b""), GENESIS.point)))
    assert not follow.is_reached(start, at_two)
    assert not follow.is_reached(start.extend([ONE])[0], at_two)
    chain = start.extend([ONE, TWO, OTHER])[0]
    assert follow.is_reached(chain, at_two)
    assert follow.is_reached(chain, at_other)
    assert follow.trusted(chain, at_two.final) == Settled(TWO.point)
    pruned = Chain.start(TWO)  # what is older was final, and is forgotten
    below = Kept(Mark(Place(5, b"five", b"four"), ONE.point))
    assert follow.is_reached(pruned, below)
    assert follow.trusted(pruned, below.final) is None
