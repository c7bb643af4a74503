"""What goes with the blocks on one connection: payloads, signs of life, and the rate of hellos.

Properties of one step of a node.
"""

from collections import Counter

from syncfsm.check import Moment, Wait
from syncfsm.events import Received, Say, Tick
from syncfsm.limits import HELLO_SHARE, Limits
from syncfsm.link import Link
from syncfsm.messages import Note, Ping, Pong
from syncfsm.node import Node
from syncfsm.outputs import Deliver, Disconnect, Send, Undelivered

ROUNDING = 1e-3
"""Of seconds, and of hellos: what floating point may add up to."""

# Payloads -------------------------------------------------------------------------------------------------------


def payloads(moment: Moment) -> bool:
    """What is said is sent, held back, or given back, each once. None waits whose block the peer has, as far as
    ``sent``, ``received`` and ``left`` tell. What comes is delivered if its block is held, or was; either way it ends
    nothing."""
    peers = {*moment.before.links, *moment.after.links}
    return all(_conserved(moment, peer) and _none_waits(moment.after, peer) for peer in peers) and _delivered(moment)


def _conserved(moment: Moment, peer: str) -> bool:
    before, after = (node.links.get(peer) for node in (moment.before, moment.after))
    given = Counter(before.held if before is not None else ())
    event = moment.stimulus
    if isinstance(event, Say) and before is not None and (event.peers is None or peer in event.peers):
        given[event.note] += 1
    left = Counter(after.held if after is not None else ())
    for output in moment.outputs:
        if isinstance(output, Send) and output.peer == peer and isinstance(output.message, Note):
            left[output.message] += 1
        if isinstance(output, Undelivered) and output.peer == peer:
            left[output.note] += 1
    return given == left


def _none_waits(node: Node, peer: str) -> bool:
    link, chain = node.links.get(peer), node.chain
    if link is None:
        return True
    known = [block.id for block in (link.sent, link.received, *link.left) if block is not None and block.id in chain]
    waiting = [note.about for note in link.held if note.about is not None]
    if link.sent is not None and any(about.height < chain.base.height for about in waiting):
        return False
    return not any(chain.is_ancestor(about.id, id) for about in waiting if about.id in chain for id in known)


def _delivered(moment: Moment) -> bool:
    event, chain = moment.stimulus, moment.after.chain
    notes = [output.note for output in moment.outputs if isinstance(output, Deliver)]
    came = isinstance(event, Received) and isinstance(event.message, Note) and event.peer in moment.before.links
    if not came:
        return not notes
    if any(isinstance(output, Disconnect) for output in moment.outputs):
        return False
    about = event.message.about
    due = about is None or about.id in chain or about.height < chain.base.height
    return notes == ([event.message] if due else [])


def brings_payload(moment: Moment) -> bool:
    return any(isinstance(output, Deliver) and output.note.about is not None for output in moment.outputs)


def brings_early_payload(moment: Moment) -> bool:
    event = moment.stimulus
    about = event.message.about if isinstance(event, Received) and isinstance(event.message, Note) else None
    return about is not None and about.id not in moment.before.chain


# Signs of life --------------------------------------------------------------------------------------------------


def signs_of_life(moment: Moment) -> bool:
    """A ping is answered. When time has passed, no link is left that was silent for ``Limits.silence``, or searched in
    vain for ``Limits.search``; and whose peer was quiet for ``Limits.keepalive``, is asked. (One tick does one thing to
    a link: a hello that was put off goes before a ping, and the next tick is due at once.)"""
    event = moment.stimulus
    if isinstance(event, Received) and isinstance(event.message, Ping) and event.peer in moment.before.links:
        return any(isinstance(o, Send) and o.peer == event.peer and o.message == Pong() for o in moment.outputs)
    return not isinstance(event, Tick | Wait) or all(_alive(moment, link) for link in moment.after.links.values())


def _alive(moment: Moment, link: Link) -> bool:
    limits, was = moment.after.config.limits, moment.before.links[link.peer]
    now = 0.0 if isinstance(moment.stimulus, Wait) else moment.stimulus.now
    quiet = now >= max(was.heard_at, was.pinged_at) - _passed(moment, was, link) + limits.keepalive
    asks = any(isinstance(o, Send) and o.peer == link.peer and o.message == Ping() for o in moment.outputs)
    noted = now < max(link.heard_at, link.pinged_at) + limits.keepalive
    searches = link.said is not None and link.heard is not None
    return (
        now < link.heard_at + limits.silence
        and (not quiet or (asks and noted) or link.said is not was.said)
        and (not searches or now < link.since + limits.search)
    )


def _passed(moment: Moment, was: Link, link: Link) -> float:
    """By how much this step has moved back all that the link remembers of time: in worlds of the checker, where the
    clock stands at 0, time passes so."""
    return was.heard_at - link.heard_at if isinstance(moment.stimulus, Wait) else 0.0


# The rate of hellos ---------------------------------------------------------------------------------------------


def within_rate(link: Link, limits: Limits) -> bool:
    """It has said no more hellos than the rate limit allows, and neither end may ever say more at once than a burst."""
    most = limits.hello_burst / HELLO_SHARE
    return -ROUNDING < link.may_say <= most and link.may_hear <= limits.hello_burst


def charged(moment: Moment) -> bool:
    """``Bounded``, where time counts: an opening hello is paid for, out of what the rate limit has left and given."""
    return all(_paid(moment, moment.before.links.get(peer), link) for peer, link in moment.after.links.items())


def _paid(moment: Moment, was: Link | None, link: Link) -> bool:
    if link.said is None or (was is not None and link.said is was.said):
        return True
    limits = moment.after.config.limits
    credit = limits.hello_burst / HELLO_SHARE
    if was is not None:
        seconds = link.metered_at - was.metered_at + _passed(moment, was, link)
        credit = min(credit, was.may_say + seconds * limits.hello_rate / HELLO_SHARE)
    return bool(link.may_say <= credit - 1 + ROUNDING)
