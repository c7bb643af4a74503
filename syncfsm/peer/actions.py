"""What a row of the connection's table does: pure functions from a value to a value and outputs. Each is named in
``rules.py``; those that no row names are private."""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from syncfsm.errors import Fault, LocalError
from syncfsm.machine import VIOLATION, Action
from syncfsm.outputs import Disconnect, Misbehaviour, Output, Send
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.peer.types import Opened, Peer
from syncfsm.protocol import Part, View

Result = tuple[Peer, tuple[Output, ...]]


def open_(peer: Peer, opened: Opened, view: View) -> Result:
    now = view.now
    room = view.limits.room
    return replace(peer, id=opened.id, proved=opened.proved, room=room, heard_at=now, pinged_at=now), ()


def misuse(peer: Peer, opened: Opened, view: View) -> Result:
    raise LocalError(f"connection {peer.peer!r} is open already; give every connection a name of its own")


# Signs of life --------------------------------------------------------------------------------------------------


def note_life(peer: Peer, message: None, view: View) -> Result:
    return replace(peer, heard_at=view.now), ()


def ping(peer: Peer, message: None, view: View) -> Result:
    return replace(peer, pinged_at=view.now), (Send(peer.peer, Ping()),)


def pong(peer: Peer, message: Ping, view: View) -> Result:
    return peer, (Send(peer.peer, Pong()),)


# The purse ------------------------------------------------------------------------------------------------------


def spend(peer: Peer, cost: int, view: View) -> Result:
    return replace(peer, room=peer.room - cost), ()


def gain(peer: Peer, freed: int, view: View) -> Result:
    if freed < 0:
        raise LocalError(f"connection {peer.peer!r}: {freed} bytes cannot come free; give what the outbox has written")
    return replace(peer, room=min(peer.room + freed, view.limits.room)), ()


# The end --------------------------------------------------------------------------------------------------------


def part_silent(peer: Peer, message: None, view: View) -> Result:
    return _part(peer, Part(Parting.SILENT, None, f"no sign of life for {view.limits.silence:g} s"))


def leave(peer: Peer, part: Part, view: View) -> Result:
    return _part(peer, part)


def violation(peer: Peer, fault: Fault, view: View) -> Result:
    peer, farewell = _part(peer, Part(Parting.FAULT, None, f"{fault.rule}: {fault.detail}"))
    return peer, (Misbehaviour(peer.peer, fault), *farewell)


def take_leave(peer: Peer, bye: Bye, view: View) -> Result:
    detail = str(bye.reason) + (f" at {bye.point}" if bye.point else "")
    return peer, (Disconnect(peer.peer, Parting.PEER_LEFT, detail, bye),)


def lose(peer: Peer, message: None, view: View) -> Result:
    return peer, (Disconnect(peer.peer, Parting.LOST, "the connection ended"),)


def _part(peer: Peer, part: Part) -> Result:
    bye = Bye(part.reason, part.point)
    return peer, (Send(peer.peer, bye), Disconnect(peer.peer, part.reason, part.detail))


ACTIONS: Final[Mapping[str, Action]] = {
    "open": open_,
    VIOLATION: violation,
    **{
        action.__name__: action
        for action in (misuse, note_life, ping, pong, spend, gain, part_silent, leave, take_leave, lose)
    },
}
