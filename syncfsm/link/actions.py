"""What a row of the link table does: pure functions from a link to a link and outputs.

Each function is named in ``rules.py``; those that no row names are private. No action sets the state: the
row's target does.
"""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from syncfsm import limits
from syncfsm.blocks import Header, Point
from syncfsm.chain import Outcome
from syncfsm.errors import Fault, LocalError, Penalty
from syncfsm.limits import HELLO_SHARE
from syncfsm.link.discovery import narrower, offer, oldest_held, opening
from syncfsm.link.discovery import step_back as next_point
from syncfsm.link.guards import (
    hello_credit,
    orderly,
    peer_has_subject,
    worse_than_heard,
)
from syncfsm.link.tracking import claimed, leaving, rebased
from syncfsm.link.types import Freed, Heard, Link, Moved, Receipt, View
from syncfsm.machine import VIOLATION, Action
from syncfsm.messages import Bye, Finality, Found, Hello, Note, Parting, Ping, Pong
from syncfsm.outputs import Deliver, Disconnect, Misbehaviour, Output, Send, SendBlocks, Undelivered

Result = tuple[Link, tuple[Output, ...]]

# A link begins --------------------------------------------------------------------------------------------------


def open_(link: Link, message: None, view: View) -> Result:
    burst = float(view.limits.hello_burst)
    now = view.now
    meter = {"may_say": burst / HELLO_SHARE, "may_hear": burst, "metered_at": now}
    return replace(link, room=view.limits.room, since=now, heard_at=now, pinged_at=now, **meter), ()


def misuse(link: Link, message: None, view: View) -> Result:
    raise LocalError(f"connection {link.peer!r} is open already; give every connection a name of its own")


def greet(link: Link, message: None, view: View) -> Result:
    return _say(link, opening(view), view)


# Hello ----------------------------------------------------------------------------------------------------------


def remember(link: Link, heard: Heard, view: View) -> Result:
    """Keep the hello: it is the last one heard, whatever comes of it."""
    return _let_go(_hear(link, heard, view), view)


def search(link: Link, heard: Heard, view: View) -> Result:
    """Their head is worth searching for. A locator has offered its points already; streaming starts at the top, unless
    it is at it: a late step of a search that was theirs is no reason to begin ours again."""
    hello, last = heard.hello, link.heard
    anew = last is None or hello.head != last.head or hello.points[0] == hello.head
    link = _hear(link, heard, view)
    return _let_go(replace(link, cursor=None) if anew else link, view)


def narrow(link: Link, heard: Heard, view: View) -> Result:
    answer = narrower(link, heard.hello, heard.assessment, view)
    link, released = _let_go(_hear(link, heard, view), view)
    return replace(link, room=link.room - limits.BLOCK_OVERHEAD), (Send(link.peer, answer), *released)


def conclude(link: Link, message: Heard | Moved, view: View) -> Result:
    """We know the nearest common ancestor: tell the peer, so that neither side waits for the other.

    If the peer has dropped that one, because its final point rules our branch out, it is told of the block of its own
    that we hold: from there it can go on.
    """
    found = message.assessment
    assert found is not None
    assert found.common is not None
    assert found.has is not None
    if isinstance(message, Heard):
        link = _hear(link, message, view)
    assert link.heard is not None
    shared = found.has if found.common.height < link.heard.base.height else found.common
    link, flushed = _told(link, found.common, found.has, view)
    return link, (Send(link.peer, Found(shared.point)), *flushed)


def note_has(link: Link, heard: Heard, view: View) -> Result:
    """The search is over on our side; what they offered still tells what they have."""
    has = heard.assessment.has
    return _told(_hear(link, heard, view), has, has, view)


def hello_again(link: Link, message: Moved | None, view: View) -> Result:
    """Start the search anew from our new head; whoever is better asks for an answer to the peer's last hello."""
    asks = link.heard is not None and not worse_than_heard(link, message, view)
    about = link.heard.head if asks and link.heard is not None else None
    return _say(link, opening(view, about), view)


def owe_hello(link: Link, message: Moved, view: View) -> Result:
    return replace(link, owes_hello=True), ()


def _say(link: Link, hello: Hello, view: View) -> Result:
    may_say = hello_credit(link.may_say, link, view, HELLO_SHARE) - 1
    may_hear = hello_credit(link.may_hear, link, view, 1)
    link = replace(
        link, said=hello, top=max(link.top, hello.head.height), cursor=None, owes_hello=False,
        room=link.room - limits.BLOCK_OVERHEAD,
        may_say=may_say, may_hear=may_hear, metered_at=view.now, since=view.now,
    )  # fmt: skip
    return link, (Send(link.peer, hello),)


def _hear(link: Link, heard: Heard, view: View) -> Link:
    """Keep the hello, and what it shows of the peer's blocks. Count it, unless it is a step of an orderly search."""
    free = heard.kept or orderly(link, heard.hello)
    may_say = hello_credit(link.may_say, link, view, HELLO_SHARE)
    may_hear = hello_credit(link.may_hear, link, view, 1) - (0 if free else 1)
    meter = {"may_say": may_say, "may_hear": may_hear, "metered_at": view.now}
    hello = heard.hello
    left = leaving(link, link.received, link.sent, view, heard.assessment.has)
    claims = claimed(link, view, (hello.head, *hello.points))
    return replace(link, heard=hello, final=hello.final, since=view.now, left=left, claims=claims, **meter)


def _told(link: Link, common: Header | None, has: Header | None, view: View) -> Result:
    """The peer told us of a common block, and that it has this one, maybe on another branch."""
    received = link.received
    if has is not None and (received is None or received.id not in view.chain or has.height > received.height):
        received = has
    return _in_step(link, rebased(link, view, common), received, view)


def _in_step(link: Link, sent: Header | None, received: Header | None, view: View) -> Result:
    """The common ancestor is known: forget the search, and let go of payloads that waited for it.

    What stays of the last hello is enough to tell late steps of a search from a flood.
    """
    heard = link.heard
    if heard is not None:
        heard = replace(heard, points=heard.points[-1:]) if heard.about is not None else None
    link = _tracked(link, sent, received, view)
    return _let_go(replace(link, said=None, heard=heard, cursor=None, owes_hello=False), view)


def _tracked(link: Link, sent: Header | None, received: Header | None, view: View) -> Link:
    left, claims = leaving(link, received, sent, view), claimed(link, view)
    return replace(link, sent=sent, received=received, left=left, claims=claims)


# Final points ---------------------------------------------------------------------------------------------------


def tell_final(link: Link, message: None, view: View) -> Result:
    return link, (Send(link.peer, Finality(view.chain.final.point)),)


def note_final(link: Link, claim: Finality, view: View) -> Result:
    return replace(link, final=claim.point), ()


# Found ----------------------------------------------------------------------------------------------------------


def take_found(link: Link, found: Header | None, view: View) -> Result:
    return _told(link, found, found, view)


# Blocks ---------------------------------------------------------------------------------------------------------


def take_blocks(link: Link, receipt: Receipt, view: View) -> Result:
    """After receiving a block, the peer's head is that block, held here or not."""
    return _in_step(link, receipt.sent, receipt.newest, view)


def rebase(link: Link, moved: Moved, view: View) -> Result:
    return _let_go(_tracked(link, moved.sent, link.received, view), view)


# The transport --------------------------------------------------------------------------------------------------


def gain_room(link: Link, freed: Freed, view: View) -> Result:
    return _gained(link, freed, view), ()


def _gained(link: Link, freed: Freed, view: View) -> Link:
    return replace(link, room=min(link.room + freed.room, view.limits.room)) if freed.room else link


def step_back(link: Link, freed: Freed, view: View) -> Result:
    point = next_point(link, view)
    assert point is not None
    link = _gained(link, freed, view)
    assert link.heard is not None
    hello = offer(link, point, link.heard.head, view)
    link = replace(link, cursor=point, room=link.room - limits.BLOCK_OVERHEAD, since=view.now)
    return link, (Send(link.peer, hello),)


def stream(link: Link, freed: Freed, view: View) -> Result:
    link, blocks = _gained(link, freed, view), freed.blocks
    if not blocks:
        return link, ()
    cost = sum(block.cost for block in blocks)
    link, released = _let_go(replace(link, sent=blocks[-1], room=link.room - cost), view)
    return link, (SendBlocks(link.peer, blocks), *released)


# Payloads -------------------------------------------------------------------------------------------------------


def say(link: Link, note: Note, view: View) -> Result:
    return link, (Send(link.peer, note),)


def hold_note(link: Link, note: Note, view: View) -> Result:
    return replace(link, held=(*link.held, note)), ()


def displace_note(link: Link, note: Note, view: View) -> Result:
    held = (*link.held, note)
    return replace(link, held=held[1:]), (Undelivered(link.peer, held[0]),)


def deliver(link: Link, note: Note, view: View) -> Result:
    return link, (Deliver(link.peer, note),)


def _let_go(link: Link, view: View) -> Result:
    """Send the payloads whose block the peer has now; give back those whose block left our best chain."""
    if not link.held:
        return link, ()
    keep: list[Note] = []
    outputs: list[Output] = []
    for note in link.held:
        if peer_has_subject(link, note, view):
            outputs.append(Send(link.peer, note))
        elif note.about is not None and note.about.id in view.chain and not view.chain.on_best(note.about):
            outputs.append(Undelivered(link.peer, note))
        else:
            keep.append(note)
    return replace(link, held=tuple(keep)), tuple(outputs)


# Time -----------------------------------------------------------------------------------------------------------


def ping(link: Link, message: None, view: View) -> Result:
    return replace(link, pinged_at=view.now), (Send(link.peer, Ping()),)


def pong(link: Link, message: None, view: View) -> Result:
    return link, (Send(link.peer, Pong()),)


# A link ends ----------------------------------------------------------------------------------------------------


def part_contradicting(link: Link, message: Heard | Finality | None, view: View) -> Result:
    ours = view.chain.final.point
    detail = f"our final block is {ours}; one side followed a chain that the source of truth does not confirm"
    return _part(link, Parting.CONTRADICTION, ours, detail)


def part_pruned(link: Link, message: object, view: View) -> Result:
    base = oldest_held(view)
    detail = f"the oldest block held here is {base.point}; below it use the data-availability layer or a snapshot"
    return _part(link, Parting.PRUNED, base.point, detail)


def part_out_of_step(link: Link, message: object, view: View) -> Result:
    return _part(link, Parting.OUT_OF_STEP, None, "a block came whose parent is not held here; greeting anew")


def part_full(link: Link, receipt: Receipt, view: View) -> Result:
    detail = f"{len(view.chain.blocks)} blocks are held; finalise some, or raise Limits.unfinal or Limits.tips"
    return _part(link, Parting.FULL, None, detail)


def part_silent(link: Link, message: None, view: View) -> Result:
    return _part(link, Parting.SILENT, None, f"no sign of life for {view.limits.silence:g} s")


def part_late(link: Link, message: None, view: View) -> Result:
    return _part(link, Parting.SEARCH_TIMEOUT, None, f"no progress in the search for {view.limits.search:g} s")


def take_leave(link: Link, bye: Bye, view: View) -> Result:
    detail = f"{bye.reason.value}" + (f" at {bye.point}" if bye.point else "")
    return _end(link, Disconnect(link.peer, Parting.PEER_LEFT, detail, bye))


def leave(link: Link, bye: Bye, view: View) -> Result:
    return _part(link, bye.reason, bye.point, "")


def lose(link: Link, message: None, view: View) -> Result:
    return _end(link, Disconnect(link.peer, Parting.LOST, "the connection ended"))


def violation(link: Link, message: Heard | Header | Receipt | Fault | None, view: View) -> Result:
    fault = _fault(message)
    link, farewell = _part(link, Parting.FAULT, None, f"{fault.rule}: {fault.detail}")
    return link, (Misbehaviour(link.peer, fault), *farewell)


def _fault(message: Heard | Header | Receipt | Fault | None) -> Fault:
    if isinstance(message, Fault):
        return message
    if isinstance(message, Heard):
        detail = "more hellos than any correct search needs"
        return Fault("hello-flood", detail, message.hello.head.id[: limits.EVIDENCE_BYTES], Penalty.MILD)
    if isinstance(message, Receipt):
        evidence = message.newest.id[: limits.EVIDENCE_BYTES]
        if message.outcome is Outcome.INVALID:
            detail = f"block {message.newest.point} does not follow from its parent in height or score"
            return Fault("invalid-block", detail, evidence)
        return Fault("block-before-hello", f"block {message.newest.point} came before our hello", evidence)
    return Fault("found-before-hello", "a common ancestor was found in a hello we did not send")


def _part(link: Link, reason: Parting, point: Point | None, detail: str) -> Result:
    return _end(link, Send(link.peer, Bye(reason, point)), Disconnect(link.peer, reason, detail))


def _end(link: Link, *outputs: Output) -> Result:
    """The last outputs of a link; payloads that still wait go back to the integrator."""
    return replace(link, held=()), (*(Undelivered(link.peer, note) for note in link.held), *outputs)


ACTIONS: Final[Mapping[str, Action]] = {
    "open": open_,
    VIOLATION: violation,
    **{
        action.__name__: action
        for action in (
            misuse, greet, remember, search, narrow, conclude, note_has, tell_final, note_final, hello_again, owe_hello,
            take_found, take_blocks, rebase, gain_room, step_back, stream, say, hold_note, displace_note,
            deliver, ping, pong, part_contradicting, part_pruned, part_out_of_step, part_full, part_silent, part_late,
            take_leave, leave, lose,
        )
    },
}  # fmt: skip
