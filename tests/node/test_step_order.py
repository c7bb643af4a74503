"""The one order of a step, as syncfsm/node/step.py states it, seen by protocols that say all that they are told."""

from enum import StrEnum
from typing import Any, Final

import msgspec

from syncfsm.blocks import Header, Point, Unchecked
from syncfsm.chain import Chain
from syncfsm.events import Finalised, Produced, Received
from syncfsm.limits import Limits
from syncfsm.machine import ALWAYS, STAY, Rule, Table
from syncfsm.node.node import Config, Node
from syncfsm.node.registry import STANDARD
from syncfsm.notes.messages import Note
from syncfsm.notes.types import Say
from syncfsm.numbers import OWN
from syncfsm.outputs import Output, Own, Send, SendBlocks
from syncfsm.protocol import Hook, Notice, Protocol, View
from syncfsm.sync.messages import Blocks
from syncfsm.testing import GENESIS, branch, child
from tests.building import connected, hear, hello_of

TRUNK = branch(GENESIS, 5, "trunk")
NEXT = child(TRUNK[-1])


class State(StrEnum):
    OPEN = "open"


class Event(StrEnum):
    MOVED = "moved"
    FINALISED = "finalised"
    NOTICED = "noticed"


class Saw(Own, frozen=True):
    """What a protocol on a connection was told, and the chain that it saw then."""

    who: str
    peer: str
    event: str
    head: Point
    base: Point


class Watch(msgspec.Struct, frozen=True):
    peer: str
    state: State = State.OPEN


def watcher(number: int, name: str) -> Protocol[Watch]:
    def say(event: Event) -> Any:
        def told(watch: Watch, carried: object, view: View) -> tuple[Watch, tuple[Output, ...]]:
            return watch, (Saw(name, watch.peer, event, view.chain.head.point, view.chain.base.point),)

        return told

    table: Table[Any] = Table(
        name=name, states=State, meanings={State.OPEN: "It watches."}, events=Event, carries={}, initial=State.OPEN,
        end=State.OPEN, rules=tuple(Rule(State.OPEN, event, ALWAYS, STAY, event.value, "It says so.", "here")
        for event in Event), guards={}, actions={event.value: say(event) for event in Event},
    )  # fmt: skip
    hooks = {Hook.MOVED: Event.MOVED, Hook.FINALISED: Event.FINALISED}
    notices = {Notice.PEER_HAS_MORE: Event.NOTICED}
    return Protocol(number=number, name=name, table=table, begin=Watch, hooks=hooks, notices=notices)


REGISTRY: Final = STANDARD.plus(watcher(OWN[0], "first"), watcher(OWN[0] + 1, "second"))
PEERS = ("a", "b", "c")


def in_step(*held: Header) -> Node:
    """A node with three peers that have what it has."""
    limits = Limits(retention=1)
    made = Node.start(Config(Unchecked(), limits=limits, registry=REGISTRY), Chain.start(GENESIS, limits))
    made, _ = made.step(Produced(held, 0.0))
    made, _ = connected(made, *reversed(PEERS))
    for peer in PEERS:
        made, _ = hear(made, peer, hello_of(made.chain.head))
    return made


def lines(outputs: tuple[Output, ...]) -> list[str]:
    """Each output in two or three words."""
    return [
        f"{said.who} {said.peer} {said.event}"
        if isinstance(said, Saw)
        else f"{type(said.message).__name__} {said.peer}"
        if isinstance(said, Send)
        else f"{type(said).__name__} {said.peer}"
        if isinstance(said, SendBlocks)
        else type(said).__name__
        for said in outputs
    ]


def both(peer: str, event: str) -> list[str]:
    return [f"first {peer} {event}", f"second {peer} {event}"]


def test_the_chain_first_then_every_protocol_of_every_connection_and_a_notice_before_the_next() -> None:
    """A payload waits for a block, which then comes. On each connection sync looks, and then sends the block. What it
    notices by that is told to all who want it, and the payload goes, before those after sync look; and all have looked
    before the next connection does."""
    made, _ = in_step(*TRUNK).step(Say(Note(b"x", NEXT.point), 0.0))
    _, outputs = made.step(Produced((NEXT,), 0.0))
    expected = ["Accepted", "HeadMoved"]
    for peer in PEERS:
        expected += both(peer, "noticed")
        expected += [f"SendBlocks {peer}", f"Note {peer}", *both(peer, "noticed")]
        expected += both(peer, "moved")
    assert lines(outputs) == expected
    assert {said.head for said in outputs if isinstance(said, Saw)} == {NEXT.point}


def test_who_brought_a_block_learns_what_became_of_it_before_the_others_look() -> None:
    _, outputs = in_step(*TRUNK).step(Received("b", Blocks((NEXT,)), 0.0))
    expected = ["Accepted", "HeadMoved", *both("b", "noticed")]
    expected += [*both("a", "noticed"), "SendBlocks a", *both("a", "noticed"), *both("a", "moved")]
    expected += both("b", "moved")  # sync of b knows already
    expected += [*both("c", "noticed"), "SendBlocks c", *both("c", "noticed"), *both("c", "moved")]
    assert lines(outputs) == expected


def test_nothing_is_pruned_before_all_have_looked() -> None:
    made, outputs = in_step(*TRUNK).step(Finalised(TRUNK[3].point, 0.0))
    expected = ["ConfirmedMoved", "FinalMoved"]
    for peer in PEERS:
        expected += [f"Finality {peer}", *both(peer, "finalised")]
    for peer in PEERS:
        expected += [*both(peer, "noticed"), *both(peer, "moved")]
    assert lines(outputs) == [*expected, "Dropped"]
    assert {said.base for said in outputs if isinstance(said, Saw)} == {GENESIS.point}
    assert made.chain.base == TRUNK[2]
