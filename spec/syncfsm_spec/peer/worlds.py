"""The worlds that show what the connection promises."""

from syncfsm.chain import Chain
from syncfsm.check import World
from syncfsm.limits import Limits, Strategy
from syncfsm.peer.messages import Parting
from syncfsm.peer.protocol import TABLE
from syncfsm.peer.types import Event, Opened, Peer
from syncfsm.protocol import Part, View
from syncfsm_spec.kit.alone import Comes, alone, over_is_over
from syncfsm_spec.kit.moves import makes, time_passes
from syncfsm_spec.kit.trees import a1, a2, b1, b2, g
from syncfsm_spec.peer.promises import ONE_DISCONNECT
from syncfsm_spec.settings import LOCATOR, Setting

A_B = ("A", "B")


def clock(strategy: Strategy) -> World:
    partings = (Parting.SILENT, Parting.SEARCH_TIMEOUT)
    setting = Setting(strategy=strategy, timed=True, partings=partings, limits={"search": 2.0, "silence": 3.0})
    return setting.two(
        "clock", [g, a1], [g, b1, b2], [time_passes(1.0, *A_B, times=3), *makes("A", a2)],
        connects=1, cuts=0, doc="Time passes: signs of life, and searches that take too long.",
    )  # fmt: skip


def by_itself() -> World:
    """A connection to which anything happens at any time."""
    view = View(Chain.start(g), 0, 0.0, Limits(), LOCATOR)
    given = [
        Comes(Event.CONNECT, Opened()), Comes(Event.HEARD), Comes(Event.LEAVE, Part(Parting.SHUTDOWN)),
        Comes(Event.LOST),
    ]  # fmt: skip
    return alone(
        TABLE, Peer("peer"), given, view, over_is_over(TABLE, ONE_DISCONNECT, Event.CONNECT, Event.LEAVE, Event.LOST)
    )
