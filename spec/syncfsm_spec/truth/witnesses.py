"""The worlds of evidence: two nodes, each with a witness beside it, and blocks of one height that both bear the chain's
signature. Whoever finds a pair keeps it, and tells its peers."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import attrs
import msgspec
from msgspec.structs import replace

from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.check import Choice, Moment, Move, NodeComponent, Property, Step, World, connect, cut, network
from syncfsm.errors import Fault
from syncfsm.limits import Limits
from syncfsm.node.node import Node
from syncfsm.notes.messages import Note
from syncfsm.notes.types import Deliver, Say
from syncfsm.outputs import Accepted
from syncfsm.peer.messages import Parting
from syncfsm.truth import evidence
from syncfsm.truth.evidence import Evidence, Witness
from syncfsm_spec.kit.moves import finalises, makes
from syncfsm_spec.kit.trees import BLOCK, TREE, a1, a2, a3, c2, d3, g
from syncfsm_spec.promises import promises
from syncfsm_spec.settings import LOCATOR, counted, node
from syncfsm_spec.truth import promises as say

A, B = "A", "B"
PARTINGS: Final = (Parting.OUT_OF_STEP, Parting.CONTRADICTION)


def witness_of(name: str) -> str:
    """The witness beside this node."""
    return f"witness of {name}"


class Fresh(msgspec.Struct, frozen=True):
    """The node has taken these blocks, and holds this chain now."""

    chain: Chain
    headers: tuple[Header, ...]


class Heard(msgspec.Struct, frozen=True):
    """A peer has told the node of this."""

    payload: bytes


class Linked(msgspec.Struct, frozen=True):
    """The node has these connections now."""

    peers: tuple[str, ...]


PASS_ON: Final = "pass on"


@attrs.frozen
class Watched(NodeComponent):
    """A node whose witness hears of all that happens to it."""

    def step(self, node: Node, stimulus: Any) -> Step | None:
        done = super().step(node, stimulus)
        return None if done is None else attrs.evolve(done, emissions=(*done.emissions, *self._tells(node, done)))

    def _tells(self, before: Node, done: Step) -> Iterable[tuple[str, Any]]:
        after: Any = done.local
        if after.links.keys() != before.links.keys():
            yield witness_of(self.name), Linked(tuple(sorted(after.links)))
        for output in done.outputs:
            match output:
                case Accepted(headers):
                    yield witness_of(self.name), Fresh(after.chain, headers)
                case Deliver(_, note):
                    yield witness_of(self.name), Heard(note.payload)


def signed(header: Header) -> Fault | None:
    """All blocks of these worlds are the sequencer's."""
    return None


class Seen(msgspec.Struct, frozen=True):
    """A witness, and the connections of its node."""

    witness: Witness = Witness()
    peers: tuple[str, ...] = ()


NOTHING: Final = Seen()


@attrs.frozen
class Witnesses:
    """The witness of a node, by the functions that ship."""

    node: str
    rival: Callable[[Chain, Sequence[Header]], Evidence | None] = evidence.rival
    kept: Callable[[Witness, Evidence], Witness] = evidence.kept
    passed_on: Callable[[Witness, Iterable[str]], tuple[Witness, tuple[tuple[str, Evidence], ...]]] = evidence.passed_on
    start: Seen = NOTHING

    @property
    def name(self) -> str:
        return witness_of(self.node)

    def step(self, at: Seen, given: Any) -> Step:
        match given:
            case Linked(peers):
                return Step(Seen(self._without(at.witness, peers), peers))
            case Fresh(chain, headers):
                return self._found(at, self.rival(chain, headers))
            case Heard(payload):
                return self._found(at, evidence.decode(payload, signed))
        witness, due = self.passed_on(at.witness, at.peers)
        says = ((self.node, Say(Note(evidence.encode(piece)), 0.0, (peer,))) for peer, piece in due)
        return Step(replace(at, witness=witness), tuple(says), due)

    def _without(self, witness: Witness, peers: Sequence[str]) -> Witness:
        """A connection of these worlds has the name of the one before, as no true one has."""
        return replace(witness, told=tuple(each for each in witness.told if each[0] in peers))

    def _found(self, at: Seen, found: Evidence | None) -> Step:
        return Step(at if found is None else replace(at, witness=self.kept(at.witness, found)))

    def choices(self, at: Seen) -> Sequence[Choice]:
        return (Choice(PASS_ON, PASS_ON),) if self.passed_on(at.witness, at.peers)[1] else ()

    def show(self, at: Seen) -> str:
        return ", ".join(f"{piece.one.point} and {piece.other.point}" for piece in at.witness.kept)


# What is promised of them ---------------------------------------------------------------------------------------


def heights(at: Seen) -> set[int]:
    return {piece.one.height for piece in at.witness.kept}


def is_found(node: Node, at: Seen) -> bool:
    """Of any two branches that are held, there is a piece for the height of their first blocks."""
    tips = list(node.chain.tips)
    forks = {TREE.blocks[TREE.common(one, other)].height + 1 for one in tips for other in tips if one != other}
    return forks <= heights(at)


def is_shared(a: Node, b: Node, one: Seen, other: Seen) -> bool:
    """Who are linked have the same heights."""
    return not (a.links and b.links) or heights(one) == heights(other)


def is_kept(moment: Moment) -> bool:
    """Nothing is lost, and nothing comes twice; each piece is two blocks at one height."""
    before, after = moment.before.witness.kept, moment.after.witness.kept
    sound = all(piece.one.height == piece.other.height and piece.one.id < piece.other.id for piece in after)
    return bool(after[: len(before)] == before and sound and len(heights(moment.after)) == len(after))


def once(moment: Moment) -> bool:
    """No connection is told twice of a height."""
    told = [(peer, piece.one.height) for peer, piece in moment.outputs]
    return len(told) == len(set(told))


# The worlds -----------------------------------------------------------------------------------------------------


def _world(
    name: str, doc: str, moves: Iterable[Move], here: Sequence[Header], there: Sequence[Header], cuts: int = 0
) -> World:
    limits = Limits(room=BLOCK + 1, points=2, retention=100, join=1)
    nodes = [node(each, run, LOCATOR, limits, False) for each, run in ((A, here), (B, there))]
    watched = [Watched(**attrs.asdict(each, recurse=False)) for each in nodes]
    links = [connect(A, B, 1 + cuts), *([cut(A, B, cuts)] if cuts else [])]
    *parts, environment = network(watched, [(A, B)], (*links, *moves))
    ours, theirs = witness_of(A), witness_of(B)
    claims: list[Property] = [
        *promises((A, B), [(A, B)], TREE, PARTINGS, True, (), BLOCK + 1, False, counted(limits)),
        say.EVIDENCE_KEPT.ends((A, ours), is_found),
        say.EVIDENCE_KEPT.ends((B, theirs), is_found),
        say.EVIDENCE_KEPT.ends((A, B, ours, theirs), is_shared),
        say.EVIDENCE_KEPT.steps((ours, theirs), is_kept),
        say.EVIDENCE_KEPT.steps((ours, theirs), once, lambda moment: moment.stimulus == PASS_ON),
    ]
    rows = tuple(row for table in watched[0].registry.tables.values() for row in table.rules)
    return World(f"truth-{name}", (*parts, Witnesses(A), Witnesses(B), environment), tuple(claims), doc, rows)


def equivocates() -> World:
    """A sequencer signs two blocks at one height, and again on each of them; no node has all of it by itself."""
    moves = [*makes(A, a2, d3), *makes(B, c2, a2, a3)]
    return _world("equivocates", equivocates.__doc__ or "", moves, [g, a1], [g, a1])


def comes_back() -> World:
    """A pair is found while nobody is linked, and a branch is dropped when the other is final."""
    moves = [*makes(A, c2), *makes(B, a3), *finalises(A, c2)]
    return _world("comes-back", comes_back.__doc__ or "", moves, [g, a1, a2], [g, a1, a2], cuts=1)


KINDS: Final[tuple[Callable[[], World], ...]] = (equivocates, comes_back)
STANDARD: Final = tuple(kind() for kind in KINDS)
"""What is explored when no world is named."""
