"""The worlds that show what is promised of payloads."""

from syncfsm.chain import Chain
from syncfsm.check import SometimesStep, World, happen
from syncfsm.events import Leave
from syncfsm.limits import Limits, Strategy
from syncfsm.notes.protocol import TABLE
from syncfsm.notes.types import Event, Held
from syncfsm.peer.messages import Parting
from syncfsm.protocol import View
from syncfsm_spec.kit.alone import Comes, alone, over_is_over
from syncfsm_spec.kit.moves import finalises, makes, says
from syncfsm_spec.kit.trees import a1, a2, a3, c2, c3, g
from syncfsm_spec.notes.promises import brings_early_payload, brings_payload
from syncfsm_spec.peer.promises import ONE_DISCONNECT, Parts
from syncfsm_spec.settings import LOCATOR, Setting

A_B = ("A", "B")
CONTRADICTION, OUT_OF_STEP = Parting.CONTRADICTION, Parting.OUT_OF_STEP


def talk(strategy: Strategy) -> World:
    moves = [
        says("A", g), says("A", c3), says("A", None), says("B", a2), *makes("B", a3), *finalises("B", a2),
        happen("B", "leaves", Leave("A", Parting.SHUTDOWN, 0.0)),
    ]  # fmt: skip
    partings = (OUT_OF_STEP, CONTRADICTION, Parting.SHUTDOWN)
    setting = Setting(strategy=strategy, partings=partings, limits={"notes": 1})
    return setting.two(
        "talk",
        [g, a1, c2, c3],
        [g, a1, a2],
        moves,
        connects=1,
        cuts=0,
        extra=[
            SometimesStep("PartsShutdown", "A node may leave.", A_B, Parts(Parting.SHUTDOWN)),
            SometimesStep("PayloadsArrive", "A payload about a block is delivered.", A_B, brings_payload),
            SometimesStep("PayloadsComeEarly", "A payload comes whose block is not there.", A_B, brings_early_payload),
        ],
        doc="Payloads travel with the blocks they are about.",
    )


def by_itself() -> World:
    """Payloads of a connection to which anything happens at any time."""
    view = View(Chain.start(g), 0, 0.0, Limits(), LOCATOR)
    given = [Comes(Event.OPENED), Comes(Event.NEWS), Comes(Event.ENDED)]
    return alone(TABLE, Held("peer"), given, view, over_is_over(TABLE, ONE_DISCONNECT, Event.OPENED, Event.ENDED))
