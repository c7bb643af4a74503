"""When a row of the connection's table applies. Each function is named in ``rules.py``."""

from collections.abc import Mapping
from typing import Final

from syncfsm.machine import Guard
from syncfsm.peer.types import Peer
from syncfsm.protocol import View


def silent(peer: Peer, message: None, view: View) -> bool:
    return view.now >= peer.heard_at + view.limits.silence


def quiet(peer: Peer, message: None, view: View) -> bool:
    return view.now >= max(peer.heard_at, peer.pinged_at) + view.limits.keepalive


GUARDS: Final[Mapping[str, Guard]] = {guard.__name__: guard for guard in (silent, quiet)}
