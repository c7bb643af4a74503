"""What makes a world of relay show more than its nodes do: blocks that wait until all is still, nodes for which nobody
is late, how long one waits, and nodes that are none of ours, or of an older release.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

import attrs
from immutables import Map

from syncfsm.check import Channel, Choice, Environment, Move, NodeComponent, Step, Wait, World
from syncfsm.check.nodes import STILL
from syncfsm.events import Connected
from syncfsm.node.node import Node
from syncfsm.numbers import ProtocolNumber
from syncfsm.outputs import Send
from syncfsm.sync.feed.protocol import FEED
from syncfsm.sync.messages import Want
from syncfsm_spec.kit.moments import blocks_arrive
from syncfsm_spec.sync.feed import NOT_STARVED, ONCE_PER_NODE, ONE_FEED, InTime, OnceAfter, unasked

# When a tree spans ----------------------------------------------------------------------------------------------


@attrs.frozen
class Since:
    """How many blocks have been made since anything else happened, each in peace."""

    name: str = "since"
    start: int = 0

    def step(self, local: int, in_peace: bool) -> Step:
        return Step(local + 1 if in_peace else 0)

    def choices(self, local: int) -> Sequence[Choice]:
        return ()

    def show(self, local: int) -> str:
        return ""


def with_since(world: World, last: Sequence[str]) -> World:
    """The same world, where the moves with these labels wait until nothing is under way and nobody waits for anything,
    and are counted as long as nothing else happens."""
    lines = [part.name for part in world.components if isinstance(part, Channel | NodeComponent)]
    since = Since()

    def noted(move: Move) -> Move:
        if move.label not in last:
            return attrs.evolve(move, emissions=(*move.emissions, (since.name, False)))
        return attrs.evolve(move, emissions=(*((line, STILL) for line in lines), *move.emissions, (since.name, True)))

    parts = tuple(
        attrs.evolve(part, moves=tuple(map(noted, part.moves))) if isinstance(part, Environment) else part
        for part in world.components
    )
    return attrs.evolve(world, components=(*parts, since))


# When nobody is late --------------------------------------------------------------------------------------------


@attrs.frozen
class Punctual(NodeComponent):
    """A node for which no feed is ever late."""

    def choices(self, node: Node) -> Sequence[Choice]:
        return ()


@attrs.frozen
class Declining(NodeComponent):
    """The same; but what was given in vain it shuts in time."""

    def choices(self, node: Node) -> Sequence[Choice]:
        return () if node.decided(FEED).ahead else super().choices(node)


def punctual(world: World, kind: type[NodeComponent] = Punctual) -> World:
    """The same world, where all that is under way arrives before anybody loses patience: what is promised at rest comes
    about without waiting."""
    parts = tuple(
        kind(part.name, part.start, part.tables, part.timed, part.counted) if isinstance(part, NodeComponent) else part
        for part in world.components
    )
    return attrs.evolve(world, components=parts)


def coming_once(world: World, after: int = 0) -> World:
    """The same world, where each block comes once, when as many ``after`` a change were made in peace."""
    names = [part.name for part in world.components if isinstance(part, NodeComponent)]
    beside = ("since",) if after else ()
    once = ONCE_PER_NODE.steps(names, OnceAfter(after), blocks_arrive, beside)
    return attrs.evolve(world, properties=(*world.properties, once))


# How long a correct peer waits to be asked ------------------------------------------------------------------------


@attrs.frozen
class Watch:
    """For how many seconds a node has known that a correct peer has more, and not asked it."""

    name: str = "watch"
    start: float = 0.0

    def step(self, local: float, seconds: float | None) -> Step:
        return Step(0.0 if seconds is None else round(local + seconds, 6))

    def choices(self, local: float) -> Sequence[Choice]:
        return ()

    def show(self, local: float) -> str:
        return ""


@attrs.frozen
class Pause:
    """How many seconds have passed since a node last asked beside its feed; below 0 once it did so again too soon."""

    least: float
    name: str = "pause"

    @property
    def start(self) -> float:
        return self.least

    def step(self, local: float, passed: tuple[float, bool]) -> Step:
        seconds, asks = passed
        now = min(round(local + seconds, 6), self.least) if local >= 0 else local
        return Step(now if not asks else 0.0 if now >= self.least else -1.0)

    def choices(self, local: float) -> Sequence[Choice]:
        return ()

    def show(self, local: float) -> str:
        return ""


def not_too_soon(seconds: float) -> bool:
    return seconds >= 0


@attrs.frozen
class Timed(NodeComponent):
    """A node that is watched."""

    correct: str = ""

    def step(self, node: Node, stimulus: Any) -> Step | None:
        done = super().step(node, stimulus)
        if done is None:
            return None
        after = cast(Node, done.local)
        asks = any(isinstance(output, Send) and isinstance(output.message, Want) for output in done.outputs)
        passed = stimulus.seconds if isinstance(stimulus, Wait) else 0.0
        if asks or passed:
            done = attrs.evolve(done, emissions=(*done.emissions, ("pause", (passed, asks))))
        waits = isinstance(stimulus, Wait) and unasked(node, self.correct)
        if not waits and unasked(after, self.correct):
            return done
        return attrs.evolve(done, emissions=(*done.emissions, ("watch", stimulus.seconds if waits else None)))


def watched(world: World, name: str, correct: str) -> World:
    """The same world, where it is noted how long this node lets a correct peer wait, and how soon it asks again: no
    feed is late before a node has been patient anew. (In a world where it loses patience before a feed is late.)"""
    parts = tuple(
        Timed(part.name, part.start, part.tables, part.timed, part.counted, correct)
        if isinstance(part, NodeComponent) and part.name == name else part
        for part in world.components
    )  # fmt: skip
    node = cast(Node, next(part.start for part in parts if part.name == name))
    patience = node.config.limits.patience
    promised = NOT_STARVED.always(("watch",), InTime(patience)), ONE_FEED.always(("pause",), not_too_soon)
    parts = (*parts, Watch(), Pause(patience))
    return attrs.evolve(world, components=parts, properties=(*world.properties, *promised))


# Nodes of another kind -------------------------------------------------------------------------------------------


@attrs.frozen
class Mute:
    """A node of none of ours, that hears everything and does nothing: what it says is put on its lines."""

    name: str
    start: tuple[()] = ()

    def step(self, local: tuple[()], stimulus: Any) -> Step:
        return Step(local)

    def choices(self, local: tuple[()]) -> Sequence[Choice]:
        return ()

    def show(self, local: tuple[()]) -> str:
        return ""


def muted(world: World, names: Sequence[str]) -> World:
    """The same world, where these nodes say nothing by themselves."""
    parts = (Mute(part.name) if part.name in names else part for part in world.components)
    return attrs.evolve(world, components=tuple(parts))


FIRST_VERSION: Final = Map[int, int]({ProtocolNumber.PEER: 1, ProtocolNumber.SYNC: 1, ProtocolNumber.NOTES: 1})


def outdated(world: World, names: Sequence[str]) -> World:
    """The same world, where these nodes are of a release that knows the first version of sync: with them all speak that
    one. What they do is what we do with a peer that knows no more; and that is what their release does."""

    def changed(component: Any) -> Any:
        if not isinstance(component, Environment):
            return component
        return attrs.evolve(component, moves=tuple(map(moved, component.moves)))

    def moved(move: Move) -> Move:
        return attrs.evolve(move, emissions=tuple(told(*each) for each in move.emissions))

    def told(target: str, event: Any) -> tuple[str, Any]:
        if isinstance(event, Connected) and {target, event.peer} & {*names}:
            event = attrs.evolve(event, protocols=FIRST_VERSION)
        return target, event

    return attrs.evolve(world, components=tuple(map(changed, world.components)))
