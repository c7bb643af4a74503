"""What is promised of the leader: a node that is behind turns to one peer at a time.

``one_leader`` looks at a node between its steps, ``one_at_a_time`` at one step of a node.
"""

from collections.abc import Iterable
from typing import Final

from syncfsm.chain import Chain
from syncfsm.check import Moment, Wait, World
from syncfsm.events import Received, Tick
from syncfsm.limits import Limits, Strategy
from syncfsm.node.node import Node
from syncfsm.outputs import Accepted, Send
from syncfsm.protocol import Said, View
from syncfsm.sync.leader.protocol import LEADER, TABLE
from syncfsm.sync.leader.types import Candidate, Event, Leader, Look, Patience, State
from syncfsm.sync.messages import Hello
from syncfsm.sync.types import Link
from syncfsm.sync.types import State as LinkState
from syncfsm_spec.kit.alone import Comes, alone
from syncfsm_spec.kit.moments import link_to, links
from syncfsm_spec.kit.promise import Promise
from syncfsm_spec.kit.trees import b1, g

ONE_LEADER: Final = Promise(
    "OneLeader",
    "A node that is behind greets one better peer at a time, who says that it has more before who says nothing; the "
    "others wait no longer than its patience, in all, and who will send nothing does not wait.",
)


def one_leader(node: Node) -> bool:
    """Who waits is exactly who is not greeted, and waits for somebody who is there and whose head is not reached. None
    waits that is harmless, and none while nobody leads."""
    leader, here = node.decided(LEADER), links(node)
    alone = leader == Leader()
    led = leader.state is State.LED and leader.peer in here and leader.peer not in leader.waiting and leader.patience
    ungreeted = {peer for peer, link in here.items() if _waits(link)}
    return (
        set(leader.waiting) == ungreeted
        and len(leader.waiting) == len(ungreeted)
        and bool(led or alone)
        and not (leader.waiting and _harmless(leader.goal, node))
        and not any(_harmless(here[peer].heard, node) for peer in leader.waiting)
    )


def one_at_a_time(moment: Moment) -> bool:
    """Who leads goes on to lead, and none that may have more than we is greeted beside it, until the head that it said
    last is reached, it is gone, or it took too long. In the last case nobody waits any more once a tick has come; in
    all others one at most is greeted. Only when it brings something new is it waited for as long again: patience goes
    on from one to the next while others wait. Who is harmless is never chosen to lead."""
    before, after, event = moment.before.decided(LEADER), moment.after.decided(LEADER), moment.stimulus
    speaks = isinstance(event, Received) and event.peer == before.peer
    chosen = after.peer not in ("", before.peer)
    if chosen and not _rightly(moment, after.peer):
        return False
    if before.peer and _late(before, moment):
        ticks = isinstance(event, Tick) or (isinstance(event, Wait) and not event.late)
        return not (ticks and after.waiting)
    gave = speaks and any(isinstance(output, Accepted) for output in moment.outputs)
    if after.peer and (before.waiting or not chosen) and after.patience != _goes_on(before, moment, gave):
        return False
    ahead = [peer for peer in _greeted(moment) if not _harmless(_heard(moment, peer), moment.after)]
    goal = event.message if speaks and isinstance(event.message, Hello) else before.goal
    if before.peer in moment.after.links and not _harmless(goal, moment.after):
        return after.peer == before.peer and after.goal == goal and not ahead
    return len(ahead) <= 1


def _late(leader: Leader, moment: Moment) -> bool:
    """Is patience at its end, at this moment?"""
    limits, event, patience = moment.after.config.limits, moment.stimulus, leader.patience
    now = event.seconds if isinstance(event, Wait) else event.now
    return patience is not None and min(patience.helped + limits.patience, patience.began + limits.lead) <= now


def _goes_on(leader: Leader, moment: Moment, gave: bool) -> Patience | None:
    """The patience of a leader once time has passed, if that did, and it has brought something new, if it ``gave``."""
    event, was = moment.stimulus, leader.patience
    passed = event.seconds if isinstance(event, Wait) else 0.0
    return was and Patience(was.began - passed, event.now if gave else was.helped - passed)


def _rightly(moment: Moment, peer: str) -> bool:
    """May it be chosen to lead? None that is harmless, and none that has said nothing while one goes on to wait that
    has more."""
    heard = _heard(moment, peer)
    if heard is not None:
        return not _harmless(heard, moment.after)
    return not any(_said_more(moment, other) for other in moment.after.decided(LEADER).waiting)


def _said_more(moment: Moment, peer: str) -> bool:
    """Has it said that it has more than we?"""
    heard = _heard(moment, peer)
    return heard is not None and not _harmless(heard, moment.after)


def _greeted(moment: Moment) -> Iterable[str]:
    """Peers to whom we say hello for the first time, and who are still there at the end of the step."""
    said = {output.peer for output in moment.outputs if isinstance(output, Send) and isinstance(output.message, Hello)}
    for peer in said & set(moment.after.links):
        was = link_to(moment.before, peer)
        if was is None or _waits(was):
            yield peer


def _waits(link: Link) -> bool:
    return link.state is LinkState.START and link.said is None


def _heard(moment: Moment, peer: str) -> Hello | None:
    """What a peer that is greeted in this step has said before, or says now."""
    event, link = moment.stimulus, link_to(moment.before, peer)
    if isinstance(event, Received) and event.peer == peer and isinstance(event.message, Hello):
        return event.message
    return link.heard if link is not None else None


def _harmless(hello: Hello | None, node: Node) -> bool:
    """It will send us nothing: we hold its head, or have a better one."""
    return hello is not None and (hello.head.id in node.chain or hello.rank < node.chain.head.rank)


# By itself ------------------------------------------------------------------------------------------------------


def coherent(leader: Leader) -> bool:
    """Whatever comes, there is a leader exactly while the node is led; tired, it may have lost it. Where one leads,
    there is a measure of patience."""
    led = leader.state is State.TIRED or (leader.state is State.LED) == bool(leader.peer)
    return led and (leader.patience is not None or not leader.peer)


def prefers(moment: Moment) -> bool:
    """Who is free, and hears that one has more, does not follow another that has said nothing."""
    before, after, comes = moment.before, moment.after, moment.stimulus
    look = comes.carried
    if before.state is not State.FREE or comes.event is not Event.LOOK or look.ahead is None or look.first.harmless:
        return True
    return bool(after.peer == look.ahead.peer)


def by_itself() -> World:
    """A leader's value to which anything happens at any time: a look at which nobody waits, too."""
    view = View(Chain.start(g), 0, 0.0, Limits(), Strategy.LOCATOR)
    hello = Hello(b1.point, b1.score, g.point, g.point, (b1.point,), 2)
    mute, ahead, harmless = Candidate("b", None, False), Candidate("c", hello, False), Candidate("c", hello, True)
    given = [
        Comes(Event.LEFT, "b", "leader"), Comes(Event.LEFT, "c", "other"), Comes(Event.GAINED, "b"),
        Comes(Event.HEARD, Said("b", hello)), Comes(Event.LOOK, Look(False, False), "nobody"),
        Comes(Event.LOOK, Look(False, False, mute), "mute"),
        Comes(Event.LOOK, Look(False, False, mute, None, ahead), "ahead"),
        Comes(Event.LOOK, Look(False, False, harmless, harmless), "harmless"),
        Comes(Event.LOOK, Look(True, False), "reached"), Comes(Event.LOOK, Look(False, True), "tired"),
    ]  # fmt: skip
    claims = (ONE_LEADER.always((TABLE.name,), coherent), ONE_LEADER.steps((TABLE.name,), prefers))
    return alone(TABLE, Leader(waiting=("b", "c")), given, view, claims)
