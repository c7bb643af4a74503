"""What is promised of payloads: each is delivered once, and never before its block.

Properties of one step of a node.
"""

from collections import Counter
from typing import Final

import attrs

from syncfsm.check import Moment
from syncfsm.events import Received
from syncfsm.node.node import Node
from syncfsm.notes.messages import Note
from syncfsm.notes.protocol import NOTES
from syncfsm.notes.types import Deliver, Say, Undelivered
from syncfsm.outputs import Disconnect, Send
from syncfsm_spec.kit.moments import Tree, link_to
from syncfsm_spec.kit.promise import Promise

PAYLOADS: Final = Promise(
    "Payloads",
    "A message that refers to a block is not delivered before that block; early or late, it ends nothing.",
)


# Payloads -------------------------------------------------------------------------------------------------------


def payloads(moment: Moment) -> bool:
    """What is said is sent, held back, or given back, each once. None waits whose block the peer has, as far as
    ``sent``, ``received`` and ``left`` tell. What comes is delivered if its block is held, or was; either way it ends
    nothing."""
    peers = {*moment.before.links, *moment.after.links}
    few = all(len(held.notes) <= moment.after.config.limits.notes for held in moment.after.all(NOTES).values())
    return (
        few
        and all(_conserved(moment, peer) and _none_waits(moment.after, peer) for peer in peers)
        and _delivered(moment)
    )


def _conserved(moment: Moment, peer: str) -> bool:
    before, after = (node.at(NOTES, peer) for node in (moment.before, moment.after))
    given = Counter(before.notes if before is not None else ())
    event = moment.stimulus
    if isinstance(event, Say) and before is not None and (event.peers is None or peer in event.peers):
        given[event.note] += 1
    left = Counter(after.notes if after is not None else ())
    for output in moment.outputs:
        if isinstance(output, Send) and output.peer == peer and isinstance(output.message, Note):
            left[output.message] += 1
        if isinstance(output, Undelivered) and output.peer == peer:
            left[output.note] += 1
    return given == left


def _none_waits(node: Node, peer: str) -> bool:
    link, held, chain = link_to(node, peer), node.at(NOTES, peer), node.chain
    if link is None or held is None:
        return True
    known = [block.id for block in (link.sent, link.received, *link.left) if block is not None and block.id in chain]
    waiting = [note.about for note in held.notes if note.about is not None]
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


@attrs.frozen
class InTime:
    """When a payload arrives, its block is here already, or was, unless finality dropped its branch."""

    tree: Tree
    liars: frozenset[str] = frozenset()

    def __call__(self, moment: Moment) -> bool:
        about, chain = moment.stimulus.message.about, moment.before.chain
        if about is None or moment.stimulus.peer in self.liars:
            return True
        return about.id in chain or about.height < chain.base.height or not self.tree.descends(about.id, chain.final.id)
