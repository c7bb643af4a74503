"""What it promises, the world that shows it, and a mutant that breaks it."""

from typing import Any, Final

import attrs

from addresses.protocol import ADDRESSES, TABLE
from addresses.types import ASKED, Ask, Learnt, Tell
from syncfsm.check import Moment, World, connect, cut, happen, with_rules
from syncfsm.machine import Table
from syncfsm.node.registry import STANDARD
from syncfsm.outputs import Ended, Misbehaviour
from syncfsm_spec.kit.moves import time_passes
from syncfsm_spec.kit.promise import Promise
from syncfsm_spec.kit.trees import a1, g
from syncfsm_spec.settings import Setting

ASKED_FIRST: Final = Promise("AskedFirst", "Addresses are taken only from a peer that was asked for them.")
NOBODY_ACCUSED: Final = Promise("NobodyAccused", "Two correct nodes never take each other for wrongdoers.")
A_B = ("A", "B")


def asked_first(moment: Moment) -> bool:
    """Who learns addresses had asked for them."""
    before = moment.before.all(ADDRESSES)
    return all(before[output.peer].state is ASKED for output in moment.outputs if isinstance(output, Learnt))


def nobody_accused(moment: Moment) -> bool:
    """No fault is told, and the protocol does not end."""
    return not any(isinstance(output, Misbehaviour | Ended) for output in moment.outputs)


def small_talk() -> World:
    """Two nodes that ask each other, at any time, and sync beside it; with every promise of the house."""
    moves = [
        happen("A", "asks", Ask(0.0), times=3),
        happen("B", "asks", Ask(0.0)),
        happen("A", "tells", Tell(("10.0.0.1:7000",), 0.0, ("B",)), times=2),
        happen("B", "tells", Tell(("10.0.0.2:7000",), 0.0, ("A",)), times=2),
        time_passes(40.0, *A_B),
        connect(*A_B),
        cut(*A_B),
    ]
    setting = Setting(timed=True, registry=STANDARD.plus(ADDRESSES), limits={"silence": 1e6, "keepalive": 1e6})
    own = [ASKED_FIRST.steps(A_B, asked_first), NOBODY_ACCUSED.steps(A_B, nobody_accused)]
    return setting.world("small-talk", {"A": (g, a1), "B": (g, a1)}, [A_B], moves, own, "Two nodes exchange addresses.")


def impatient() -> World:
    """The same, moved by a table that asks again at once."""
    table: Table[Any] = attrs.evolve(TABLE, guards={**TABLE.guards, "learnt_lately": lambda *given: False})
    return with_rules(small_talk(), table)
