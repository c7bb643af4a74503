"""The worlds that show what is promised of packets.

The nodes are in step when such a world begins: what happens until then is for the worlds of sync.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
from msgspec.structs import replace

from syncfsm.blocks import Header, Unchecked
from syncfsm.chain import Chain
from syncfsm.check import (
    Moment,
    Move,
    NodeComponent,
    Property,
    SometimesStep,
    World,
    connect,
    cut,
    happen,
    network,
)
from syncfsm.check.nodes import Do, Wait
from syncfsm.check.world import Emission, Step
from syncfsm.errors import Fault
from syncfsm.events import Event as NodeEvent
from syncfsm.limits import Limits
from syncfsm.node.node import Config, Node
from syncfsm.node.registry import CORE
from syncfsm.outputs import Accepted
from syncfsm.protocol import Joined, Said, Taken, View
from syncfsm.routing.messages import Fetch, Have, Packet, PacketId, Pass, Reach
from syncfsm.routing.protocol import TABLE
from syncfsm.routing.router.types import Event as RouterEvent
from syncfsm.routing.router.types import Router
from syncfsm.routing.types import Event, Judge, Judged, Judgement, Publish, Way
from syncfsm_spec.kit.alone import Comes, alone, over_is_over
from syncfsm_spec.kit.begun import begun
from syncfsm_spec.kit.moves import blames, lies, makes
from syncfsm_spec.kit.trees import BLOCK, TREE, a1, a2, g
from syncfsm_spec.peer.promises import ONE_DISCONNECT
from syncfsm_spec.routing.promises import (
    AT_MOST_ONCE,
    JUDGED_FIRST,
    PROTOCOL,
    REACHES_ALL,
    ROUTER,
    ROUTES_CONVERGE,
    SIGNED,
    Leading,
    Reaching,
    arrived,
    at_most_once,
    follows_blocks,
    judged_first,
    refused,
    ways,
    within_limits,
)
from syncfsm_spec.settings import LOCATOR
from syncfsm_spec.sync.promises import BOUNDED, NO_PUNISH_HONEST, SETTLES, Along
from syncfsm_spec.sync.relay import DIAMOND, RING

REGISTRY: Final = CORE.plus(PROTOCOL)
A_B, B_C, A_C = ("A", "B"), ("B", "C"), ("A", "C")


def packet(
    origin: str, sequence: int = 1, reach: Reach = Reach.ALL, to: bytes = b"", about: Header | None = None
) -> Packet:
    """A packet of these worlds."""
    point = about.point if about is not None else None
    return Packet(PacketId(origin.encode(), 0, sequence), reach, to, b"", point, SIGNED)


def blocks_come(moment: Moment) -> bool:
    return any(isinstance(output, Accepted) for output in moment.outputs)


# Nodes that are in step -----------------------------------------------------------------------------------------


@attrs.frozen
class Judging(NodeComponent):
    """A node whose integrator finds every packet valid, at once."""

    def step(self, node: Node, stimulus: NodeEvent | Wait | Do) -> Step | None:
        step = super().step(node, stimulus)
        if step is None:
            return None
        ids = [output.packet.id for output in step.outputs if isinstance(output, Judge)]
        verdicts: tuple[Emission, ...] = tuple((self.name, Judged(id, Judgement.VALID, 0.0)) for id in ids)
        return attrs.evolve(step, emissions=(*step.emissions, *verdicts)) if verdicts else step


def in_step(
    name: str, names: Sequence[str], pairs: Sequence[tuple[str, str]], moves: Iterable[Move],
    claims: Iterable[Property], doc: str, kind: type[NodeComponent] = Judging, limits: Mapping[str, Any] | None = None,
    liars: tuple[str, ...] = (), again: Sequence[tuple[str, str]] = (), anew: bool = False,
) -> World:  # fmt: skip
    """The world of these nodes, in which each of these pairs is linked and in step, and has nothing more to say; or,
    ``anew``, will be linked. Links ``again`` may break, and come back."""
    chosen = Limits(**{"room": BLOCK + 1, "points": 2, "join": 1, **(limits or {})})
    start = Node.start(Config(Unchecked(), LOCATOR, chosen, REGISTRY), Chain.start(g, chosen))
    nodes = [kind(each, start) for each in names]
    found = [
        AT_MOST_ONCE.steps(names, at_most_once),
        JUDGED_FIRST.steps(names, judged_first),
        ROUTES_CONVERGE.steps(names, follows_blocks, blocks_come),
        *(BOUNDED.always((each,), within_limits) for each in names),
        NO_PUNISH_HONEST.steps(names, Along(TREE, frozenset(liars)).only_liars_punished),
        SETTLES.settles(),
    ]
    rows = tuple(rule for table in REGISTRY.tables.values() for rule in table.rules)
    meetings = [connect(*pair, 1 + again.count(pair)) for pair in pairs]
    given = (*meetings, *moves, *(cut(*pair) for pair in again))
    world = World(f"{name}-anew" if anew else name, network(nodes, pairs, given), (*found, *claims), doc, rows)
    return world if anew else begun(world, [meeting.label for meeting in meetings])


def publishes(name: str, published: Packet) -> Move:
    """The node may publish this packet, once."""
    return happen(name, f"publishes {published.id.origin.decode()}.{published.id.sequence}", Publish(published, 0.0))


def reaching(*names: str) -> list[Property]:
    """What is promised of all nodes together."""
    return [
        REACHES_ALL.ends(names, Reaching(names)),
        ROUTES_CONVERGE.always(names, Leading(names), ways),
        SometimesStep("PacketsArrive", "A packet is delivered.", names, lambda moment: bool(arrived(moment))),
    ]


# The worlds -----------------------------------------------------------------------------------------------------


def broadcast() -> World:
    moves = [publishes("A", packet("A")), publishes("C", packet("C"))]
    return in_step(
        "broadcast", "ABC", [A_B, B_C], moves, reaching(*"ABC"),
        "Packets for everybody in a line that is cut and mended.", again=[A_B],
    )  # fmt: skip


def mesh() -> World:
    moves = [publishes("A", packet("A")), publishes("C", packet("C")), cut(*B_C)]
    return in_step(
        "mesh",
        "ABC",
        [A_B, B_C, A_C],
        moves,
        reaching(*"ABC"),
        "Packets for everybody where there is more than one way.",
    )


def unicast() -> World:
    moves = [
        *makes("A", a1), publishes("C", packet("C", reach=Reach.ONE, to=b"A")), cut(*A_C),
    ]  # fmt: skip
    return in_step(
        "unicast", "ABC", [A_B, B_C, A_C], moves, reaching(*"ABC"),
        "A packet to a producer whose blocks come, and whose way is cut.",
    )  # fmt: skip


def about() -> World:
    moves = [
        *makes("A", a1),
        publishes("A", packet("A", about=a1)),
        publishes("B", packet("B", about=a1)),
    ]
    return in_step(
        "about", "ABC", [A_B, B_C], moves, reaching(*"ABC"), "Packets about a block follow it over several hops.",
        limits={"notes": 1}, again=[A_B],
    )  # fmt: skip


def pair(anew: bool = False) -> World:
    moves = [
        *makes("A", a1),
        publishes("A", packet("A")),
        publishes("A", packet("A", 2, about=a1)),
        publishes("B", packet("B", reach=Reach.ONE, to=b"A")),
    ]
    return in_step(
        "packets", "AB", [A_B], moves, reaching(*"AB"),
        "Two nodes with packets of every kind, whose connection breaks and comes back.", again=[A_B], anew=anew,
    )  # fmt: skip


def verdicts(anew: bool = False) -> World:
    one, two = packet("A"), packet("A", 2)
    moves = [
        publishes("A", one), publishes("A", two),
        *(
            happen("B", f"finds A.{each.id.sequence} {verdict}", Judged(each.id, verdict, 0.0))
            for each in (one, two) for verdict in Judgement if verdict is not Judgement.PENALISE
        ),
    ]  # fmt: skip
    met = [*reaching("A", "B")[-1:], SometimesStep("PacketsRefused", "What is not valid is refused.", ("B",), refused)]
    return in_step(
        "verdicts", "AB", [A_B], moves, met, "The integrator takes its time, or does not answer.",
        kind=NodeComponent, limits={"judging": 1, "refused": 1}, again=[A_B], anew=anew,
    )  # fmt: skip


def held() -> World:
    moves = [*makes("A", a1), *(publishes("A", packet("A", each, about=a1)) for each in (1, 2))]
    return in_step(
        "held", "AB", [A_B], moves, reaching(*"AB")[-1:], "More packets wait for a block than may: the newest do.",
        limits={"notes": 1}, anew=True,
    )  # fmt: skip


def left_out() -> World:
    moves = [
        *makes("A", a1), lies("A", "B", "passes a forged packet", Pass(replace(packet("A"), signature=b""), 1)),
        publishes("B", packet("B", reach=Reach.ONE, to=b"A")),
    ]  # fmt: skip
    return in_step(
        "left-out", "AB", [A_B], moves, [ROUTES_CONVERGE.always("AB", Leading(tuple("AB")), ways)],
        "The way to a producer leads over one that breaks the protocol of packets, and no other.", liars=("A",),
    )  # fmt: skip


def liar() -> World:
    good, forged = packet("L"), replace(packet("L", 2), signature=b"")
    lie = [
        lies("L", "A", "passes a packet", Pass(good, 1), 2),
        lies("L", "A", "passes a forged one", Pass(forged, 1)),
        lies("L", "A", "tells of others", Have((packet("L", 8).id, packet("L", 9).id))),
        lies("L", "A", "asks for what it was told of", Fetch((packet("B").id,)), 2),
        publishes("B", packet("B")),
        happen("A", "finds it bad", Judged(good.id, Judgement.PENALISE, 0.0)),
        happen("A", "finds it good", Judged(good.id, Judgement.VALID, 0.0)),
        happen("A", "finds B's good", Judged(packet("B").id, Judgement.VALID, 0.0)),
    ]
    told = blames("A", "packet-again", "packet-forged", "packet-refused")
    return in_step(
        "packets-of-a-liar", "ABL", [A_B, ("A", "L")], lie, told, "A peer lies about packets.", kind=NodeComponent,
        limits={"missing": 1, "judging": 1}, liars=("L",),
    )  # fmt: skip


# Of four nodes --------------------------------------------------------------------------------------------------


def ring() -> World:
    moves = [
        *makes("A", a1), publishes("A", packet("A", about=a1)), publishes("D", packet("D", reach=Reach.ONE, to=b"A")),
        cut(*A_B),
    ]  # fmt: skip
    return in_step(
        "packets-ring", "ABCD", RING, moves, reaching(*"ABCD"),
        "A block, a packet about it, and one to who made it, in a square whose trees change as a connection breaks.",
    )  # fmt: skip


def diamond() -> World:
    moves = [publishes("A", packet("A")), publishes("D", packet("D")), cut(*A_B)]
    return in_step(
        "packets-diamond", "ABCD", DIAMOND, moves, reaching(*"ABCD"),
        "Packets for everybody from both ends, with three ways between them, and then two.",
    )  # fmt: skip


LARGE: Final = (ring(), diamond())
"""For the night: the product with relay, of four nodes."""


# The tables by themselves ---------------------------------------------------------------------------------------


def by_itself() -> World:
    """What is said on a connection, to which anything happens at any time."""
    view = View(Chain.start(g), 0, 0.0, Limits(notes=1, kept=2), LOCATOR)
    one, two, late = packet("A"), packet("A", 2, about=a1), packet("B", about=a2)
    given = [
        Comes(Event.OPENED), Comes(Event.NEWS), Comes(Event.ENDED),
        Comes(Event.PASS, Pass(one, 1), "A.1"), Comes(Event.PASS, Pass(late, 1), "B.1"),
        Comes(Event.HAVE, Have((one.id,)), "A.1"), Comes(Event.HAVE, Have((packet("C").id,)), "C.1"),
        Comes(Event.FETCH, Fetch((one.id,)), "A.1"), Comes(Event.FETCH, Fetch((two.id,)), "A.2"),
        Comes(Event.SEND, Pass(one, 1), "A.1"), Comes(Event.SEND, Pass(two, 1), "A.2"),
        Comes(Event.SEND, Pass(late, 1), "B.1"), Comes(Event.TELL, Have((one.id,)), "A.1"),
        Comes(Event.ASK, Fetch((one.id,))), Comes(Event.BLAME, Fault("bad", "")), Comes(Event.FAULT, Fault("bad", "")),
    ]  # fmt: skip
    ends = (Event.ENDED, Event.FAULT, Event.BLAME)
    return alone(TABLE, Way("peer"), given, view, over_is_over(TABLE, ONE_DISCONNECT, Event.OPENED, *ends))


def router_by_itself() -> World:
    """What is decided across peers, to which anything happens at any time."""
    limits = Limits(kept=1, judging=1, judging_one=1, refused=1, origins=2, missing=1, roads=1, window=2)
    view = View(Chain.start(g), 0, 0.0, limits, LOCATOR)
    one, to_a, forged = packet("A"), packet("B", reach=Reach.ONE, to=b"A"), replace(packet("A", 2), signature=b"")
    given = [
        Comes(RouterEvent.JOINED, Joined("p", 1), "p"), Comes(RouterEvent.LEFT, "p", "p"),
        Comes(RouterEvent.LEFT_OUT, Said("p"), "p"),
        Comes(RouterEvent.TAKEN, Taken("p", (a1,)), "a1 from p"), Comes(RouterEvent.TAKEN, Taken(None, (a2,)), "a2"),
        Comes(RouterEvent.PUBLISH, Publish(to_a, 0.0)),
        Comes(RouterEvent.CAME, Said("p", Pass(one, 1)), "A.1 from p"),
        Comes(RouterEvent.CAME, Said("p", Pass(to_a, 1)), "B.1 from p"),
        Comes(RouterEvent.CAME, Said("p", Pass(forged, 1)), "A.2 from p"),
        *(Comes(RouterEvent.JUDGED, Judged(one.id, verdict, 0.0), f"A.1 {verdict}") for verdict in Judgement),
        Comes(RouterEvent.TOLD, Said("p", Have((one.id,))), "A.1 by p"),
        Comes(RouterEvent.FETCHED, Said("p", Fetch((one.id,))), "A.1 by p"), Comes(RouterEvent.LATE),
    ]  # fmt: skip
    return alone(ROUTER.table, Router(), given, view)
