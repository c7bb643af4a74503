"""What the connection promises: it ends once, and is never left waiting.

Properties of one step of a node.
"""

from typing import Final

import attrs

from syncfsm.check import Moment, Wait
from syncfsm.events import Connected, Received, Tick
from syncfsm.outputs import Disconnect, Send, SendBlocks
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.peer.protocol import PEER
from syncfsm_spec.kit.moments import link_to, passed
from syncfsm_spec.kit.promise import Promise

ONE_DISCONNECT: Final = Promise(
    "OneDisconnect",
    "A link ends exactly once, and nothing is sent on it afterwards.",
)
SIGNS_OF_LIFE: Final = Promise(
    "SignsOfLife",
    "A link is never left waiting: who gives no sign of life is asked, and then left.",
)
PARTS_ONLY_FOR: Final = Promise(
    "PartsOnlyFor",
    "A link between correct nodes ends only for a reason that its world allows.",
)

# The end --------------------------------------------------------------------------------------------------------


def one_disconnect(moment: Moment) -> bool:
    """In a step: nothing is sent without a link; a link ends if and only if one disconnect says so; nothing is sent
    after it; and if we are the one who parts, a bye with the same reason goes before it. That bye names our block if
    it is for what we hold. A peer's bye ends its link."""
    linked = set(moment.before.links) | ({moment.stimulus.peer} if isinstance(moment.stimulus, Connected) else set())
    ended: set[str] = set()
    said: dict[str, str] = {}
    for output in moment.outputs:
        if isinstance(output, Send | SendBlocks | Disconnect) and (output.peer in ended or output.peer not in linked):
            return False
        if isinstance(output, Send) and isinstance(output.message, Bye):
            said[output.peer] = output.message.reason
            if output.message.reason in (Parting.PRUNED, Parting.CONTRADICTION) and output.message.point is None:
                return False
        if isinstance(output, Disconnect):
            ended.add(output.peer)
            theirs = output.reason in (Parting.LOST, Parting.PEER_LEFT)
            if not theirs and said.get(output.peer) != output.reason:
                return False
    event = moment.stimulus
    left = isinstance(event, Received) and isinstance(event.message, Bye) and event.peer in linked - ended
    return not left and set(moment.after.links) == linked - ended


@attrs.frozen
class OnlyFor:
    """No link ends for a reason of its own, except these."""

    reasons: frozenset[str]
    liars: frozenset[str] = frozenset()

    def __call__(self, moment: Moment) -> bool:
        allowed = {*self.reasons, Parting.LOST, Parting.PEER_LEFT}
        ended = [output for output in moment.outputs if isinstance(output, Disconnect)]
        return all(output.reason in allowed or output.peer in self.liars for output in ended)


@attrs.frozen
class Parts:
    """A link ends for this reason."""

    reason: str

    def __call__(self, moment: Moment) -> bool:
        return any(isinstance(output, Disconnect) and output.reason == self.reason for output in moment.outputs)


# Signs of life --------------------------------------------------------------------------------------------------


def signs_of_life(moment: Moment) -> bool:
    """What arrives is a sign of life, and a ping is answered. When time has passed, no link is left that was silent for
    ``Limits.silence``, or searched in vain for ``Limits.search``; and whose peer was quiet for ``Limits.keepalive``, is
    asked. No link ends as silent that was not."""
    event = moment.stimulus
    if isinstance(event, Received) and event.peer in moment.before.links:
        return _noted(moment, event.peer) and (not isinstance(event.message, Ping) or _answered(moment, event.peer))
    ticks = isinstance(event, Tick) or (isinstance(event, Wait) and not event.late)
    return not ticks or (
        all(_alive(moment, peer) and _searching(moment, peer) for peer in moment.after.links)
        and all(_was_silent(moment, o.peer) for o in moment.outputs if isinstance(o, Disconnect))
    )


def _noted(moment: Moment, name: str) -> bool:
    peer = moment.after.at(PEER, name)
    return peer is None or peer.heard_at == moment.stimulus.now


def _answered(moment: Moment, name: str) -> bool:
    return any(isinstance(o, Send) and o.peer == name and o.message == Pong() for o in moment.outputs)


def _was_silent(moment: Moment, name: str) -> bool:
    silent = any(isinstance(o, Disconnect) and o.peer == name and o.reason == Parting.SILENT for o in moment.outputs)
    aged = moment.stimulus.seconds if isinstance(moment.stimulus, Wait) else 0.0
    before = moment.before.all(PEER)[name].heard_at - aged
    return not silent or bool(_now(moment) >= before + moment.after.config.limits.silence)


def _alive(moment: Moment, name: str) -> bool:
    limits, now = moment.after.config.limits, _now(moment)
    was, peer = moment.before.all(PEER)[name], moment.after.all(PEER)[name]
    quiet = now >= max(was.heard_at, was.pinged_at) - passed(moment, name) + limits.keepalive
    asks = any(isinstance(o, Send) and o.peer == name and o.message == Ping() for o in moment.outputs)
    noted = now < max(peer.heard_at, peer.pinged_at) + limits.keepalive
    return now < peer.heard_at + limits.silence and (not quiet or (asks and noted))


def _searching(moment: Moment, name: str) -> bool:
    link = link_to(moment.after, name)
    if link is None or link.said is None or link.heard is None:
        return True
    return bool(_now(moment) < link.since + moment.after.config.limits.search)


def _now(moment: Moment) -> float:
    return 0.0 if isinstance(moment.stimulus, Wait) else float(moment.stimulus.now)
