"""The worlds of a node that follows a layer and has a peer: a node, its reader, the layer, and the lines between nodes.

What the reader tells goes to the node in its order, each when the one before is done; so a node that refuses drops what
comes after that, as the carrier that ships does.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec
from msgspec.structs import replace

from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.check import (
    Choice,
    Moment,
    Move,
    NodeComponent,
    Property,
    Step,
    Steps,
    World,
    connect,
    cut,
    network,
)
from syncfsm.errors import LocalError
from syncfsm.events import Confirmed, Received
from syncfsm.limits import Limits
from syncfsm.machine import Table
from syncfsm.node.node import Node
from syncfsm.outputs import Accepted
from syncfsm.peer.messages import Parting
from syncfsm.truth import follow
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.messages import Unsigned
from syncfsm.truth.reader import protocol as reading
from syncfsm.truth.reader.types import (
    BROKEN,
    LOST,
    RESTING,
    TROUBLED,
    Fetch,
    Keep,
    Kept,
    Reader,
    Refusal,
    State,
    Turn,
)
from syncfsm.truth.types import View
from syncfsm_spec.kit.moves import bans, finalises, makes
from syncfsm_spec.kit.trees import BLOCK, TREE, a1, a2, a3, c2, g
from syncfsm_spec.peer.promises import Parts
from syncfsm_spec.promises import promises
from syncfsm_spec.settings import LOCATOR, counted, node
from syncfsm_spec.sync.promises import PRUNED_IS_SAID
from syncfsm_spec.truth import promises as say
from syncfsm_spec.truth.layer import CHAIN_ID, NAMED, START, TICK, Ask, Crashed, GoBack, Grow, Layer, Ledger, Out, Prune
from syncfsm_spec.truth.parts import BEGINS, DA, LIMITS, R, rested

A, B = "A", "B"
PARTINGS: Final = (Parting.OUT_OF_STEP, Parting.CONTRADICTION, Parting.PRUNED)
ONE: Final = attrs.evolve(LIMITS, finality=1, window=1)


class Tell(msgspec.Struct, frozen=True):
    """The reader tells the node something; ``rest`` is what its step wants done after that."""

    event: Any
    rest: tuple[Any, ...] = ()


class Rest(msgspec.Struct, frozen=True):
    """The node has done it: go on with the rest."""

    outputs: tuple[Any, ...]


class Restart(msgspec.Struct, frozen=True):
    """The process of the node ends, and begins anew with what its store has: all blocks, or, if it ``lost`` them, those
    alone that the node began with."""

    lost: bool


class Restarted(msgspec.Struct, frozen=True):
    """Begin anew, beside this chain."""

    chain: Chain


# A node, and its reader -----------------------------------------------------------------------------------------


class Followed(NodeComponent):
    """A node that follows a layer."""

    def step(self, node: Node, stimulus: Any) -> Step | None:
        match stimulus:
            case Restart(lost) if node.links:
                return None  # it is cut off before that
            case Restart(lost):
                final = node.chain.final.point
                fresh = self.start if lost else attrs.evolve(self.start, chain=node.chain.confirm(final))
                return Step(fresh, ((R, Restarted(fresh.chain)),))
            case Tell(event, rest):
                return self._told(node, event, Rest(rest))
        return super().step(node, stimulus)

    def _told(self, node: Node, event: Any, rest: Rest) -> Step:
        """It can not be refused that something is told; what changes nothing happens, too."""
        done = super().step(node, event)
        if done is not None:
            return attrs.evolve(done, emissions=(*done.emissions, (R, rest)))
        try:
            node.step(event)
        except LocalError as error:
            return Step(node, ((R, Refusal(str(error))),))
        return Step(node, ((R, rest),))


class Following(msgspec.Struct, frozen=True):
    """A reader, and what of it outlives its process."""

    reader: Reader = Reader()
    kept: Kept = START


BEFORE: Final = Following()


@attrs.frozen
class Follows:
    """The reader of a node. Time passes as for ``Reads``."""

    tables: Mapping[str, Table[Any]] = attrs.field(factory=lambda: {reading.TABLE.name: reading.TABLE}, hash=False)
    limits: TruthLimits = ONE
    name: str = R
    start: Following = BEFORE

    def step(self, at: Following, given: Any) -> Step | None:
        match given:
            case Rest(outputs):
                return self._carried(at, outputs)
            case Restarted(chain):
                kept = follow.resumed(chain, at.kept, START)
                again = follow.again(kept, 0.0)
                tells = ((A, Tell(again)),) if again is not None else ()
                return Step(Following(kept=kept), (*tells, (R, BEGINS)))
        what = at.kept if given == BEGINS else None if given == TICK else given
        now = at.reader.until if given == TICK else 0.0
        done = self.tables["reader"].step(
            at.reader, reading.event(what), what, View(now, self.limits, CHAIN_ID, Unsigned())
        )
        reader = replace(rested(done.value, now), why="")
        carried = self._carried(replace(at, reader=reader), done.outputs)
        return attrs.evolve(carried, outputs=done.outputs, rules=(done.rule,))

    def _carried(self, at: Following, outputs: Sequence[Any]) -> Step:
        """What its step wants done, up to what the node is told of."""
        emissions: list[tuple[str, Any]] = []
        for place, output in enumerate(outputs):
            event = follow.event(output, 0.0)
            if event is not None:
                emissions.append((A, Tell(event, tuple(outputs[place + 1 :]))))
                break
            match output:
                case Fetch(height):
                    emissions.append((DA, Ask(height)))
                case Turn(answer):
                    emissions.append((R, answer))
                case Keep(kept):
                    at = replace(at, kept=kept)
        return Step(at, tuple(emissions))

    def choices(self, at: Following) -> Sequence[Choice]:
        return (Choice(BEGINS, BEGINS),) if at.reader.state is State.IDLE else ()

    def show(self, at: Following) -> str:
        return f"{at.reader.state} {at.reader.mark.place.height} {at.reader.tip}"


@attrs.frozen
class Lives:
    """Such a step, of a process that lives: to begin anew is none of the node's own steps."""

    when: Callable[[Moment], bool]

    def __call__(self, moment: Moment) -> bool:
        return not isinstance(moment.stimulus, Restart) and self.when(moment)


# What is promised of them ---------------------------------------------------------------------------------------


def agrees(node: Node, at: Following) -> bool:
    """What the reader has found confirmed, and final, is so here."""
    return node.chain.confirmed.id == at.reader.tip.id and node.chain.final.id == at.reader.final.tip.id


def goes_beyond(node: Node, at: Following) -> bool:
    """The same, where more was final before; unless the layer is not followed any more."""
    pairs = (node.chain.confirmed.id, at.reader.tip.id), (node.chain.final.id, at.reader.final.tip.id)
    return at.reader.state is BROKEN or all(TREE.descends(*pair) for pair in pairs)


def has_all(node: Node, at: Following, ledger: Ledger) -> bool:
    """All that the layer confirms is held, unless it is out, or does not keep what comes next."""
    resting = at.reader.state is RESTING and ledger.tip.id in node.chain
    lost = at.reader.state is LOST and at.reader.next < ledger.oldest
    return resting or lost or (ledger.out and at.reader.state is TROUBLED) or not ledger.blocks


def once(moment: Moment) -> bool:
    """Each block that is accepted is new, and stands on one that is held or was accepted right before it."""
    held = moment.before.chain
    given = [header for output in moment.outputs if isinstance(output, Accepted) for header in output.headers]
    before = {header.id for header in held.blocks.headers()}
    for header in given:
        if header.id in before or header.parent not in before:
            return False
        before.add(header.id)
    return True


def from_layer(moment: Moment) -> bool:
    """The layer brings a block to a node that has no peer."""
    told = isinstance(moment.stimulus, Tell) and isinstance(moment.stimulus.event, Confirmed)
    return told and not moment.before.links and any(isinstance(output, Accepted) for output in moment.outputs)


def back_to_peers(moment: Moment) -> bool:
    """A peer brings a block on top of what the layer brought."""
    brought = isinstance(moment.stimulus, Received) and any(isinstance(output, Accepted) for output in moment.outputs)
    return brought and moment.before.chain.confirmed.height > 0


def stays(moment: Moment) -> bool:
    """Whoever can not follow says no more of the layer to the node, and keeps what it had kept."""
    return (
        moment.after.reader.state is BROKEN and moment.after.kept == moment.before.kept
        and not any(follow.event(output, 0.0) for output in moment.outputs)
    )  # fmt: skip


def is_refused(moment: Moment) -> bool:
    return isinstance(moment.stimulus, Refusal)


def refuses(moment: Moment) -> bool:
    before = moment.before.reader.state
    return is_refused(moment) or (before is BROKEN and not isinstance(moment.stimulus, Restarted))


# The worlds -----------------------------------------------------------------------------------------------------


def world(
    name: str, doc: str, moves: Iterable[Move], here: Sequence[Header] = (g,), there: Sequence[Header] = (g, a1, a2),
    connects: int = 2, extra: Iterable[Property] = (), final: Header | None = None, retention: int = 100,
) -> World:  # fmt: skip
    """A, which follows the layer, and B, which does not; they may be linked. If A has a ``final`` block of its own, it
    may come to refuse what the layer has."""
    limits = Limits(room=BLOCK + 1, points=2, retention=retention, join=1)
    mine, other = (node(each, run, LOCATOR, limits, False) for each, run in ((A, here), (B, there)))
    mine = Followed(**attrs.asdict(mine, recurse=False))
    if final is not None:
        chain = mine.start.chain.finalise(final.point)
        mine = attrs.evolve(mine, start=attrs.evolve(mine.start, chain=chain))
    links = [connect(A, B, connects), *([cut(A, B)] if connects > 1 else [])]
    *parts, environment = network([mine, other], [(A, B)], (*links, *moves))
    of_nodes = promises((A, B), [(A, B)], TREE, PARTINGS, True, (), BLOCK + 1, False, counted(limits))
    claims = [
        *(attrs.evolve(one, when=Lives(one.when)) if isinstance(one, Steps) else one for one in of_nodes),
        say.TRUTH_WINS.ends((A, R), agrees if final is None else goes_beyond),
        *(_alone() if final is None else []),
        say.LIVES_WITHOUT_PEERS.steps((A,), once),
        *extra,
    ]
    rows = (*reading.TABLE.rules, *(row for table in mine.registry.tables.values() for row in table.rules))
    return World(f"truth-{name}", (*parts, Follows(), Layer(R), environment), tuple(claims), doc, rows)


def _alone() -> list[Property]:
    promise = say.LIVES_WITHOUT_PEERS
    return [promise.ends((A, R, DA), has_all), promise.met("LayerAlone", (A,), from_layer)]


def _lands(*names: str) -> list[Move]:
    return [Move(f"{name} lands", ((DA, Grow((NAMED[name],))),)) for name in names]


def beside_peers() -> World:
    """A node has its blocks from a peer and from the layer, whichever is first; the layer has another branch."""
    return world("beside-peers", beside_peers.__doc__ or "", [*_lands("a1", "c2"), *makes(B, a3)])


def turns_back() -> World:
    """The layer takes back what it had confirmed, and has the peer's branch instead."""
    moves = [
        *_lands("a1", "c2"),
        Move("goes back to a2", ((DA, GoBack(1, (NAMED["a2"],))),)),
        Move("goes back", ((DA, GoBack(1)),)),
    ]
    return world("turns-back", turns_back.__doc__ or "", moves, connects=1)


def away() -> World:
    """The layer is out, or keeps its last block only, while the peer comes and goes."""
    moves = [
        *_lands("a1", "a2"),
        Move("is out", ((DA, Out(True)),)),
        Move("is back", ((DA, Out(False)),)),
        Move("prunes", ((DA, Prune()),)),
    ]
    return world("away", away.__doc__ or "", moves, connects=1)


def pruned_peer() -> World:
    """The peer keeps nothing below its final block, and says so; the layer has what is missing."""
    moves = [*_lands("a1", "a2"), *finalises(B, a2), *makes(B, a3)]
    said = PRUNED_IS_SAID.met("PartsPruned", (A, B), Parts(Parting.PRUNED))
    goes_on = say.LIVES_WITHOUT_PEERS.met("BackToPeers", (A,), back_to_peers)
    return world("pruned-peer", pruned_peer.__doc__ or "", moves, retention=0, extra=[said, goes_on])


def restart(lost: bool) -> Move:
    label = "A restarts, and its store has lost blocks" if lost else "A restarts"
    return Move(label, ((A, Restart(lost)), (DA, Crashed(False))))


def restarts() -> World:
    """The node is killed at any instant, and its store has all blocks, or not those that came last."""
    moves = [*_lands("a1", "c2"), Move("a block", ((DA, Grow()),)), restart(False), restart(True)]
    return world("restarts", restarts.__doc__ or "", moves)


def banned() -> World:
    """The layer has a block that an operator has banned, before or after that."""
    moves = [*_lands("a1", "c2", "a2"), *bans(A, c2), *makes(A, a2), restart(False)]
    return _refuses("banned", banned.__doc__ or "", moves, (g,), g)


def other_final() -> World:
    """The layer has another branch than the one that is final in the store of the node."""
    moves = [*_lands("a1", "c2", "a2"), *makes(A, a3), restart(False)]
    return _refuses("other-final", other_final.__doc__ or "", moves, (g, a1, a2), a2)


def _refuses(name: str, doc: str, moves: Iterable[Move], here: Sequence[Header], final: Header) -> World:
    left = say.FINAL_ONLY_ADVANCES.steps((R,), stays, refuses)
    said = say.FINAL_ONLY_ADVANCES.met("Refuses", (R,), is_refused)
    return world(name, doc, moves, here, (g, a1), connects=1, extra=[left, said], final=final)


KINDS: Final[tuple[Callable[[], World], ...]] = (
    beside_peers, turns_back, away, pruned_peer, restarts, banned, other_final,
)  # fmt: skip
STANDARD: Final = tuple(kind() for kind in KINDS)
"""What is explored when no world is named."""
