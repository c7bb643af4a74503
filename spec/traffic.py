"""What goes with the blocks on one connection: payloads, and signs of life. Claims about one step of a node."""

from collections import Counter

from syncfsm.check import Moment
from syncfsm.events import Received, Say
from syncfsm.link import Link
from syncfsm.messages import Note, Ping, Pong
from syncfsm.node import Node
from syncfsm.outputs import Deliver, Disconnect, Send, Undelivered

ROUNDING = 1e-3
"""Of seconds, and of hellos: what floating point may add up to."""

# Payloads -------------------------------------------------------------------------------------------------------


def payloads(moment: Moment) -> bool:
    """What is said is sent, held back, or given back, each once. None waits whose block the peer has. What comes is
    delivered if its block is held, or was, and not before; either way it ends nothing."""
    peers = {*moment.before.links, *moment.after.links}
    return all(_conserved(moment, peer) and _none_waits(moment.after, peer) for peer in peers) and _delivered(moment)


def _conserved(moment: Moment, peer: str) -> bool:
    before, after = (node.links.get(peer) for node in (moment.before, moment.after))
    given = Counter(before.held if before is not None else ())
    if isinstance(moment.stimulus, Say) and before is not None:
        given[moment.stimulus.note] += 1
    left = Counter(after.held if after is not None else ())
    for output in moment.outputs:
        if isinstance(output, Send) and output.peer == peer and isinstance(output.message, Note):
            left[output.message] += 1
        if isinstance(output, Undelivered) and output.peer == peer:
            left[output.note] += 1
    return given == left


def _none_waits(node: Node, peer: str) -> bool:
    link, chain = node.links.get(peer), node.chain
    if link is None or link.sent is None or link.sent.id not in chain:
        return True
    waiting = (note.about for note in link.held if note.about is not None and note.about.id in chain)
    return not any(chain.is_ancestor(about.id, link.sent.id) for about in waiting)


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
    vain for ``Limits.search``; and whose peer was quiet for ``Limits.keepalive``, has been asked. (Its clock stands at
    0 in the worlds of this folder; what was earlier is below.)"""
    event = moment.stimulus
    if isinstance(event, Received) and isinstance(event.message, Ping) and event.peer in moment.before.links:
        return any(isinstance(o, Send) and o.peer == event.peer and o.message == Pong() for o in moment.outputs)
    return all(_alive(moment.after, link) for link in moment.after.links.values())


def _alive(node: Node, link: Link) -> bool:
    limits = node.config.limits
    searches = link.said is not None and link.heard is not None
    return (
        link.heard_at > -limits.silence
        and max(link.heard_at, link.pinged_at) > -limits.keepalive
        and (not searches or link.since > -limits.search)
    )


def within_rate(link: Link) -> bool:
    """It has said no more hellos than the rate limit allows."""
    return link.may_say > -ROUNDING
