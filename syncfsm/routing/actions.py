"""What a row of the table of packets on a connection does. Each function is named in ``rules.py``; those that no row
names are private."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from syncfsm.errors import Fault
from syncfsm.limits import EVIDENCE_BYTES
from syncfsm.machine import VIOLATION, Action
from syncfsm.notes.guards import peer_has
from syncfsm.outputs import Misbehaviour, Send
from syncfsm.protocol import Part, Report, View
from syncfsm.routing.guards import has_packet
from syncfsm.routing.messages import Fetch, Have, PacketId, Pass
from syncfsm.routing.router.types import Event as Router
from syncfsm.routing.types import Way

Result = tuple[Way, tuple[Any, ...]]


def _newest(old: tuple[PacketId, ...], new: Iterable[PacketId], view: View) -> tuple[PacketId, ...]:
    """What was remembered and what is new, but no more than may be."""
    return (*old, *new)[-view.limits.kept :]


def open_(way: Way, message: None, view: View) -> Result:
    return way, ()


def bring(way: Way, message: Pass, view: View) -> Result:
    return replace(way, brought=_newest(way.brought, (message.packet.id,), view)), (Report(Router.CAME, message),)


def hear(way: Way, message: Have, view: View) -> Result:
    old = {*way.has, *way.brought}
    news = tuple(dict.fromkeys(id for id in message.ids if id not in old))
    told = tuple(id for id in way.told if id not in news)
    return replace(way, has=_newest(way.has, news, view), told=told), (Report(Router.TOLD, Have(news)),) if news else ()


def give(way: Way, message: Fetch, view: View) -> Result:
    asked = tuple(id for id in way.told if id in message.ids)
    return replace(way, told=tuple(id for id in way.told if id not in asked)), (Report(Router.FETCHED, Fetch(asked)),)


def send(way: Way, message: Pass, view: View) -> Result:
    return way, (Send(way.peer, message),)


def hold(way: Way, message: Pass, view: View) -> Result:
    return replace(way, held=(*way.held, message)), ()


def displace(way: Way, message: Pass, view: View) -> Result:
    return replace(way, held=(*way.held, message)[1:]), ()


def tell(way: Way, message: Have, view: View) -> Result:
    news = tuple(id for id in message.ids if not has_packet(way, id))
    return replace(way, told=_newest(way.told, news, view)), (Send(way.peer, Have(news)),)


def ask(way: Way, message: Fetch, view: View) -> Result:
    return way, (Send(way.peer, message),)


def let_go(way: Way, message: None, view: View) -> Result:
    """Send the packets whose block the peer has now; drop those that it has got, and those whose block left our best
    chain: the peer will not have it from us."""
    keep: list[Pass] = []
    outputs: list[Any] = []
    for held in way.held:
        about = held.packet.about
        if has_packet(way, held.packet.id):
            continue
        if peer_has(about, view):
            outputs.append(Send(way.peer, held))
        elif about is None or about.id not in view.chain or view.chain.on_best(about):
            keep.append(held)
    return (way if len(keep) == len(way.held) else replace(way, held=tuple(keep))), tuple(outputs)


def end(way: Way, message: None, view: View) -> Result:
    return Way(way.peer), ()


def violation(way: Way, message: Pass | Fault, view: View) -> Result:
    """Packets end on this connection; all else on it goes on."""
    fault = message if isinstance(message, Fault) else _replayed(message)
    parting = (Report(Router.LEFT_OUT), Misbehaviour(way.peer, fault), Part(fault.rule, None, fault.detail))
    return Way(way.peer), parting


def _replayed(message: Pass) -> Fault:
    id = message.packet.id
    evidence = message.packet.signature[:EVIDENCE_BYTES]
    return Fault("packet-again", f"packet {id.sequence} of {id.origin.hex()[:16]} was sent twice", evidence)


ACTIONS: Final[Mapping[str, Action]] = {
    VIOLATION: violation,
    "open": open_,
    **{action.__name__: action for action in (bring, hear, give, send, hold, displace, tell, ask, let_go, end)},
}
