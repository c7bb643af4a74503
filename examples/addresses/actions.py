"""What a row does."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from addresses.guards import LIMITS
from addresses.messages import Here, Please
from addresses.types import Ask, Exchange, Learnt, Tell, Wanted
from syncfsm.errors import Fault, Penalty
from syncfsm.machine import VIOLATION, Action
from syncfsm.outputs import Misbehaviour, Send
from syncfsm.protocol import Part, View

Result = tuple[Exchange, tuple[Any, ...]]


def begin(exchange: Exchange, message: None, view: View) -> Result:
    return exchange, ()


def ask(exchange: Exchange, message: Ask, view: View) -> Result:
    return exchange, (Send(exchange.peer, Please()),)


def want(exchange: Exchange, message: Please, view: View) -> Result:
    return replace(exchange, owing=True), (Wanted(exchange.peer),)


def tell(exchange: Exchange, message: Tell, view: View) -> Result:
    return replace(exchange, owing=False, told=view.now), (Send(exchange.peer, Here(message.addresses[: LIMITS.most])),)


def learn(exchange: Exchange, here: Here, view: View) -> Result:
    return replace(exchange, learnt=view.now), (Learnt(exchange.peer, here.addresses),)


def end(exchange: Exchange, message: None, view: View) -> Result:
    return exchange, ()


def violation(exchange: Exchange, message: Please | Here | Fault, view: View) -> Result:
    """A ``Part`` from a protocol that is not essential ends that protocol alone: sync goes on."""
    fault = message if isinstance(message, Fault) else _fault(message)
    return exchange, (Misbehaviour(exchange.peer, fault), Part(fault.rule, None, fault.detail))


def _fault(message: Please | Here) -> Fault:
    if isinstance(message, Please):
        return Fault("asked-too-soon", f"asked again before an answer was {LIMITS.pause:g} s old", penalty=Penalty.MILD)
    return Fault("bad-answer", f"{len(message.addresses)} addresses that were not asked for", penalty=Penalty.MILD)


ACTIONS: Final[Mapping[str, Action]] = {
    VIOLATION: violation,
    **{action.__name__: action for action in (begin, ask, want, tell, learn, end)},
}
