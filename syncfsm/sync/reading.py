"""What an event means for a link, worked out once: guards ask it, actions use it.

Here alone is decided what ``sent`` becomes, the newest block of our best chain that the peer is known to have.
"""

from collections.abc import Mapping
from typing import Final

from syncfsm.limits import Strategy
from syncfsm.protocol import Brought, Change, Reader, View
from syncfsm.sync.discovery import assess, offer, step_back
from syncfsm.sync.messages import Found, Has, Hello
from syncfsm.sync.tracking import after, batch, beside, rebased, stays
from syncfsm.sync.types import GREETING, Ancestor, Event, Heard, Link, Mode, Moved, Receipt, State, Told, Turn


def hello(link: Link, said: Hello, view: View) -> Heard:
    found = assess(said, link.said, view.chain)
    return Heard(said, found, rebased(link, view, found.shared.has if found.shared else None))


def found(link: Link, came: Found, view: View) -> Ancestor:
    held = view.chain.get(came.common.id)
    return Ancestor(held, rebased(link, view, held))


def blocks(link: Link, brought: Brought, view: View) -> Receipt:
    run, fresh = brought.run, brought.fresh
    return Receipt(run, brought.outcome, after(link, run[-1], view), beside(fresh, view) if fresh else 0)


def has(link: Link, told: Has, view: View) -> Told:
    held = view.chain.get(told.head.id)
    return Told(told, held, rebased(link, view, held))


def moved(link: Link, change: Change, view: View) -> Moved:
    if link.state not in GREETING:
        sent = link.sent if change.extends and stays(link, view) else rebased(link, view)
        return Moved(change.extends, change.best, None, sent)
    if link.heard is None:
        return Moved(change.extends, change.best, None, None)
    found = assess(link.heard, link.said, view.chain)
    return Moved(change.extends, change.best, found, rebased(link, view, found.shared.has if found.shared else None))


def turn(link: Link, came: None, view: View) -> Turn:
    if link.state is State.SYNCING and link.sent is not None:
        return Turn(batch(link.sent, view.room, view)) if link.mode is Mode.ACTIVE else Turn()
    if link.said is None or link.heard is None or link.owes_hello or view.strategy is not Strategy.STREAMING:
        return Turn()
    point = step_back(link, link.said, link.heard, view)
    return Turn(hello=offer(link.said, point, link.heard.head, view) if point is not None else None)


READERS: Final[Mapping[Event, Reader]] = {
    Event.HELLO: hello,
    Event.FOUND: found,
    Event.BLOCKS: blocks,
    Event.HAS: has,
    Event.MOVED: moved,
    Event.TURN: turn,
}
