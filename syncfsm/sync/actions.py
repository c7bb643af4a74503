"""What a row of the sync table does: pure functions from a link to a link and outputs.

Each function is named in ``rules.py``; those that no row names are private. No action sets the state: the row's target
does. Where what the peer has may have changed, an action ends with ``PEER_HAS_MORE``.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from syncfsm import limits
from syncfsm.blocks import Header
from syncfsm.chain import Outcome
from syncfsm.errors import Fault, Penalty
from syncfsm.machine import VIOLATION, Action
from syncfsm.outputs import Misbehaviour, Send, SendBlocks
from syncfsm.peer.messages import Parting
from syncfsm.protocol import Change, Notice, Part, Report, View
from syncfsm.sync.discovery import narrower, oldest_held, opening
from syncfsm.sync.feed.types import Event as Feed
from syncfsm.sync.guards import orderly, worse_than_heard
from syncfsm.sync.messages import DoNotWant, Finality, Found, Has, Hello
from syncfsm.sync.meter import full, spent
from syncfsm.sync.relay import RELAY_ACTIONS, crosses, head, heard_more, quiet
from syncfsm.sync.tracking import ahead, claimed, counted, learnt, leaving, unheld
from syncfsm.sync.types import Ancestor, Greet, Heard, Link, Mode, Moved, Receipt, Told, Turn

Result = tuple[Link, tuple[Any, ...]]
NEWS: Final = (Notice.PEER_HAS_MORE,)

# A link begins, and ends ----------------------------------------------------------------------------------------


def greet(link: Link, given: Greet, view: View) -> Result:
    link = replace(full(link, view), relays=given.relays, wanted=given.wanted)
    link, said = _say(link, opening(view), view)
    return link, (said if given.wanted else (Send(link.peer, DoNotWant()), *said))


def end(link: Link, message: None, view: View) -> Result:
    return link, ()


# Hello ----------------------------------------------------------------------------------------------------------


def remember(link: Link, heard: Heard, view: View) -> Result:
    """Keep the hello: it is the last one heard, whatever comes of it."""
    link, reports = _hear(link, heard, view)
    return _pending(link, reports, view), (*reports, *NEWS)


def search(link: Link, heard: Heard, view: View) -> Result:
    """Their head is worth searching for. A locator has offered its points already. A streaming search starts at the
    top, unless their hello is a late step of a search that was theirs: that is no reason to begin ours again."""
    hello, last = heard.hello, link.heard
    anew = last is None or hello.head != last.head or hello.points[0] == hello.head
    link, reports = _hear(link, heard, view)
    return _pending(replace(link, cursor=None) if anew else link, reports, view), (*reports, *NEWS)


def narrow(link: Link, heard: Heard, view: View) -> Result:
    said = link.said
    assert said is not None  # while a link is greeting, it has said hello
    answer = narrower(said, heard.hello, heard.assessment, view)
    link, reports = _hear(link, heard, view)
    return _pending(link, reports, view), (Send(link.peer, answer), *reports, *NEWS)


def conclude(link: Link, message: Heard | Moved, view: View) -> Result:
    """We know the nearest common ancestor: tell the peer, so that neither side waits for the other.

    If the peer has dropped that one, because its final point rules our branch out, it is told of the block of its own
    that we hold: from there it can go on.
    """
    reports: tuple[Report, ...] = ()
    if isinstance(message, Heard):
        link, reports = _hear(link, message, view)
    hello, found = link.heard, message.assessment
    shared = found.shared if found is not None else None
    assert hello is not None  # the guards "common" and "head learnt" say so
    assert shared is not None
    named = shared.has if shared.common.height < hello.base.height else shared.common
    link, news = _told(link, message.sent, shared.has, view)
    if isinstance(message, Moved):
        reports = _overtaken(link, message, view)
    return _pending(link, reports, view), (Send(link.peer, Found(named.point)), *reports, *news)


def learn_has(link: Link, heard: Heard, view: View) -> Result:
    """The search is over on our side; what they offered still tells what they have."""
    shared = heard.assessment.shared
    link, reports = _hear(link, heard, view)
    link, news = _told(link, heard.sent, shared.has if shared else None, view)
    return _pending(link, reports, view), (*reports, *news)


def learn_head(link: Link, told: Told, view: View) -> Result:
    """After it told us, what the peer has is known, held here or not. If it is our head, which was on its way to the
    peer, that we have it is owed."""
    owed = crosses(link, told, view)
    if told.held is None:
        link = replace(link, claims=claimed(link, view, learnt(link, view), (told.has.head,)))
    link, reports = heard_more(link, told.has, view)
    link, news = _told(link, told.sent, told.held, view)
    if owed and link.owes + 1 >= view.limits.join:
        return replace(link, owes=0), (Send(link.peer, head(view)), *reports, *news)
    return replace(link, owes=link.owes + 1) if owed else link, (*reports, *news)


def hello_again(link: Link, message: Moved | None, view: View) -> Result:
    """Start the search anew from our new head; whoever is better asks for an answer to the peer's last hello."""
    asks = link.heard is not None and not worse_than_heard(link, message, view)
    about = link.heard.head if asks and link.heard is not None else None
    link, said = _say(link, opening(view, about), view)
    return link, (*said, *_overtaken(link, message, view))


def owe_hello(link: Link, message: Moved, view: View) -> Result:
    return replace(link, owes_hello=True), _overtaken(link, message, view)


def _say(link: Link, hello: Hello, view: View) -> Result:
    link = replace(
        spent(link, view, say=1), said=hello, top=max(link.top, hello.head.height), cursor=None, owes_hello=False,
        since=view.now,
    )  # fmt: skip
    return link, (Send(link.peer, hello),)


def _hear(link: Link, heard: Heard, view: View) -> tuple[Link, tuple[Report, ...]]:
    """Keep the hello, and what it shows of the peer's blocks. Count it, unless it is a step of an orderly search. The
    feed is to know if the peer is ahead; and that it wants blocks, unless it has said that it does not."""
    link = spent(link, view, hear=0 if orderly(link, heard.hello) else 1)
    hello, shared = heard.hello, heard.assessment.shared
    found = learnt(link, view)
    left = leaving(link, link.received, link.sent, view, (*found, shared.has) if shared else found)
    claims = claimed(link, view, found, (hello.head, *hello.points))
    wants = (Report(Feed.WANTED, False),) if link.relays and link.mode is Mode.ACTIVE and link.heard is None else ()
    link, more = heard_more(replace(link, final=hello.final), Has(hello.head, hello.score), view)
    link = replace(link, heard=hello, since=view.now, left=left, claims=claims)
    return link, (*wants, *more)


def _pending(link: Link, reports: tuple[Report, ...], view: View) -> Link:
    """Whether a peer that wants blocks gets any is decided at the end of the step: until then it gets none. If it is to
    get none, and lacks some, what our head is is owed."""
    if not any(report.event is Feed.WANTED for report in reports):
        return link
    lacks = link.sent is not None and link.sent.id != view.chain.head.id
    return replace(link, mode=Mode.BACKUP, owes=link.owes + lacks)


def _told(link: Link, sent: Header | None, has: Header | None, view: View) -> Result:
    """The peer told us that it has this block, maybe on another branch."""
    received = link.received
    if has is not None and (received is None or received.id not in view.chain or has.height > received.height):
        received = has
    return _in_step(link, sent, received, view)


def _in_step(link: Link, sent: Header | None, received: Header | None, view: View, aside: int = 0) -> Result:
    """The common ancestor is known: forget the search. ``aside``: what came with this, beside our best chain.

    What stays of the last hello is enough to tell late steps of a search from a flood. What came since ours is told, if
    no block will tell it.
    """
    heard, said = link.heard, link.said
    news: tuple[Any, ...] = NEWS
    if said is not None and link.mode is Mode.BACKUP and (said.head.id != view.chain.head.id or link.owes):
        link, news = replace(link, owes=0), (Send(link.peer, head(view)), *NEWS)
    if heard is not None:
        heard = replace(heard, points=heard.points[-1:]) if heard.about is not None else None
    link = _tracked(link, sent, received, view, aside)
    return replace(link, said=None, heard=heard, cursor=None, owes_hello=False), news


def _tracked(link: Link, sent: Header | None, received: Header | None, view: View, more: int = 0) -> Link:
    if (
        sent is link.sent
        and received is link.received
        and not (link.left or link.claims or link.says or link.aside or more)
    ):
        return link
    found, says = learnt(link, view), unheld(link.says, view)
    left, claims = leaving(link, received, sent, view, found), claimed(link, view, found)
    aside, pending = counted(link, received, view, more)
    same = left == link.left and claims == link.claims and aside == link.aside and pending == link.pending
    if same and sent is link.sent and received is link.received and says is link.says:
        return link
    return replace(
        link, sent=sent, received=received, left=left, claims=claims, says=says, aside=aside, pending=pending
    )  # fmt: skip


# Final points ---------------------------------------------------------------------------------------------------


def tell_final(link: Link, change: Change, view: View) -> Result:
    link = replace(link, dropped=link.dropped or change.overrules, aside=0, pending=0)
    return link, (Send(link.peer, Finality(view.chain.final.point)),)


def learn_final(link: Link, claim: Finality, view: View) -> Result:
    """If it is not held here, the feed is to know: it may be on a branch that nobody else sends."""
    link = replace(link, final=claim.point)
    return link, (Report(Feed.AHEAD),) if ahead(link, view) else ()


# Found, and blocks ----------------------------------------------------------------------------------------------


def take_found(link: Link, ancestor: Ancestor, view: View) -> Result:
    return _told(link, ancestor.sent, ancestor.found, view)


def take_blocks(link: Link, receipt: Receipt, view: View) -> Result:
    """After receiving a block, the peer's head is that block, held here or not."""
    link, news = _in_step(link, receipt.sent, receipt.newest, view, receipt.aside)
    return (link if receipt.newest.id in view.chain else replace(link, dropped=True)), news


def rebase(link: Link, moved: Moved, view: View) -> Result:
    """If the peer has our new head and no block tells it that we have it, that is owed."""
    link = _tracked(link, moved.sent, link.received, view)
    owed = moved.best and quiet(link) and moved.sent is not None and moved.sent.id == view.chain.head.id
    return replace(link, owes=link.owes + 1) if owed else link, (*_overtaken(link, moved, view), *NEWS)


def _overtaken(link: Link, moved: Moved | None, view: View) -> tuple[Report, ...]:
    """If our head is worse now, by a ban or a final point, what the peer said of its own may be better again."""
    worsens = moved is not None and not moved.extends
    return (Report(Feed.AHEAD),) if worsens and ahead(link, view) else ()


def rebase_and_tell(link: Link, moved: Moved, view: View) -> Result:
    link = _tracked(link, moved.sent, link.received, view)
    return replace(link, owes=0), (Send(link.peer, head(view)), *_overtaken(link, moved, view), *NEWS)


# Our turn to send -----------------------------------------------------------------------------------------------


def step_back(link: Link, turn: Turn, view: View) -> Result:
    hello = turn.hello
    assert hello is not None  # the guard "can step back" says so
    return replace(link, cursor=hello.points[0], since=view.now), (Send(link.peer, hello),)


def stream(link: Link, turn: Turn, view: View) -> Result:
    blocks = turn.blocks
    return (replace(link, sent=blocks[-1], owes=0), (SendBlocks(link.peer, blocks), *NEWS)) if blocks else (link, ())


# We cannot go on ------------------------------------------------------------------------------------------------


def part_contradicting(link: Link, message: Heard | Receipt | Finality | Change, view: View) -> Result:
    ours = view.chain.final.point
    detail = f"our final block is {ours}; one side followed a chain that the source of truth does not confirm"
    return link, (Part(Parting.CONTRADICTION, ours, detail),)


def part_pruned(link: Link, message: Heard | Moved, view: View) -> Result:
    base = oldest_held(view).point
    detail = f"the oldest block held here is {base}; below it use the data-availability layer or a snapshot"
    return link, (Part(Parting.PRUNED, base, detail),)


def part_out_of_step(link: Link, message: Ancestor | Receipt, view: View) -> Result:
    return link, (Part(Parting.OUT_OF_STEP, None, "a block came whose parent is not held here; greeting anew"),)


def part_full(link: Link, receipt: Receipt, view: View) -> Result:
    if receipt.outcome is Outcome.FULL:
        held = len(view.chain.blocks)
        detail = f"{held} blocks are held; finalise some, or raise Limits.unfinal, unfinal_bytes or tips"
    else:
        most = view.limits.aside
        detail = f"more than {most} bytes of blocks beside our best chain; finalise some, or raise Limits.aside"
    return link, (Part(Parting.FULL, None, detail),)


def part_late(link: Link, message: None, view: View) -> Result:
    detail = f"no progress in the search for {view.limits.search:g} s"
    return link, (Part(Parting.SEARCH_TIMEOUT, None, detail),)


def violation(link: Link, message: Heard | Receipt | Told | Fault, view: View) -> Result:
    fault = _fault(message)
    return link, (Misbehaviour(link.peer, fault), Part(Parting.FAULT, None, f"{fault.rule}: {fault.detail}"))


def _fault(message: Heard | Receipt | Told | Fault) -> Fault:
    match message:
        case Fault():
            return message
        case Heard(hello):
            evidence = hello.head.id[: limits.EVIDENCE_BYTES]
            return Fault("hello-flood", "more hellos than any correct search needs", evidence, Penalty.MILD)
        case Receipt(outcome=Outcome.INVALID, newest=newest):
            detail = f"block {newest.point} does not follow from its parent in height or score"
            return Fault("invalid-block", detail, newest.id[: limits.EVIDENCE_BYTES])
        case Told(has):
            evidence = has.head.id[: limits.EVIDENCE_BYTES]
            return Fault("head-before-common", f"head {has.head} was told while the search goes on", evidence)
    raise TypeError(f"no row blames a peer for {message!r}")


ACTIONS: Final[Mapping[str, Action]] = {
    **RELAY_ACTIONS,
    VIOLATION: violation,
    **{
        action.__name__: action
        for action in (
            greet, end, remember, search, narrow, conclude, learn_has, tell_final, learn_final, hello_again, owe_hello,
            take_found, take_blocks, rebase, rebase_and_tell, learn_head, step_back, stream, part_contradicting,
            part_pruned, part_out_of_step,
            part_full, part_late,
        )
    },
}  # fmt: skip
