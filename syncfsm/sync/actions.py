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
from syncfsm.limits import HELLO_SHARE
from syncfsm.machine import VIOLATION, Action
from syncfsm.outputs import Misbehaviour, Send, SendBlocks
from syncfsm.peer.messages import Parting
from syncfsm.protocol import Change, Notice, Part, View
from syncfsm.sync.discovery import narrower, oldest_held, opening
from syncfsm.sync.guards import hello_credit, orderly, worse_than_heard
from syncfsm.sync.messages import Finality, Found, Hello
from syncfsm.sync.tracking import claimed, learnt, leaving
from syncfsm.sync.types import Ancestor, Heard, Link, Moved, Receipt, Turn

Result = tuple[Link, tuple[Any, ...]]
NEWS: Final = (Notice.PEER_HAS_MORE,)

# A link begins, and ends ----------------------------------------------------------------------------------------


def open_(link: Link, message: None, view: View) -> Result:
    burst = float(view.limits.hello_burst)
    meter = {"may_say": burst / HELLO_SHARE, "may_hear": burst, "metered_at": view.now}
    return replace(link, since=view.now, **meter), ()


def greet(link: Link, message: None, view: View) -> Result:
    return _say(link, opening(view), view)


def end(link: Link, message: None, view: View) -> Result:
    return link, ()


# Hello ----------------------------------------------------------------------------------------------------------


def remember(link: Link, heard: Heard, view: View) -> Result:
    """Keep the hello: it is the last one heard, whatever comes of it."""
    return _hear(link, heard, view), NEWS


def search(link: Link, heard: Heard, view: View) -> Result:
    """Their head is worth searching for. A locator has offered its points already. A streaming search starts at the
    top, unless their hello is a late step of a search that was theirs: that is no reason to begin ours again."""
    hello, last = heard.hello, link.heard
    anew = last is None or hello.head != last.head or hello.points[0] == hello.head
    link = _hear(link, heard, view)
    return replace(link, cursor=None) if anew else link, NEWS


def narrow(link: Link, heard: Heard, view: View) -> Result:
    said = link.said
    assert said is not None  # "ungreeted" comes before in the table
    answer = narrower(said, heard.hello, heard.assessment, view)
    return _hear(link, heard, view), (Send(link.peer, answer), *NEWS)


def conclude(link: Link, message: Heard | Moved, view: View) -> Result:
    """We know the nearest common ancestor: tell the peer, so that neither side waits for the other.

    If the peer has dropped that one, because its final point rules our branch out, it is told of the block of its own
    that we hold: from there it can go on.
    """
    if isinstance(message, Heard):
        link = _hear(link, message, view)
    hello, found = link.heard, message.assessment
    shared = found.shared if found is not None else None
    assert hello is not None  # the guards "common" and "head learnt" say so
    assert shared is not None
    named = shared.has if shared.common.height < hello.base.height else shared.common
    link, news = _told(link, message.sent, shared.has, view)
    return link, (Send(link.peer, Found(named.point)), *news)


def learn_has(link: Link, heard: Heard, view: View) -> Result:
    """The search is over on our side; what they offered still tells what they have."""
    shared = heard.assessment.shared
    return _told(_hear(link, heard, view), heard.sent, shared.has if shared else None, view)


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
        may_say=may_say, may_hear=may_hear, metered_at=view.now, since=view.now,
    )  # fmt: skip
    return link, (Send(link.peer, hello),)


def _hear(link: Link, heard: Heard, view: View) -> Link:
    """Keep the hello, and what it shows of the peer's blocks. Count it, unless it is a step of an orderly search."""
    free = heard.kept or orderly(link, heard.hello)
    may_say = hello_credit(link.may_say, link, view, HELLO_SHARE)
    may_hear = hello_credit(link.may_hear, link, view, 1) - (0 if free else 1)
    meter = {"may_say": may_say, "may_hear": may_hear, "metered_at": view.now}
    hello, shared = heard.hello, heard.assessment.shared
    found = learnt(link, view)
    left = leaving(link, link.received, link.sent, view, (*found, shared.has) if shared else found)
    claims = claimed(link, view, found, (hello.head, *hello.points))
    return replace(link, heard=hello, final=hello.final, since=view.now, left=left, claims=claims, **meter)


def _told(link: Link, sent: Header | None, has: Header | None, view: View) -> Result:
    """The peer told us that it has this block, maybe on another branch."""
    received = link.received
    if has is not None and (received is None or received.id not in view.chain or has.height > received.height):
        received = has
    return _in_step(link, sent, received, view)


def _in_step(link: Link, sent: Header | None, received: Header | None, view: View) -> Result:
    """The common ancestor is known: forget the search.

    What stays of the last hello is enough to tell late steps of a search from a flood.
    """
    heard = link.heard
    if heard is not None:
        heard = replace(heard, points=heard.points[-1:]) if heard.about is not None else None
    link = _tracked(link, sent, received, view)
    return replace(link, said=None, heard=heard, cursor=None, owes_hello=False), NEWS


def _tracked(link: Link, sent: Header | None, received: Header | None, view: View) -> Link:
    found = learnt(link, view)
    left, claims = leaving(link, received, sent, view, found), claimed(link, view, found)
    if sent is link.sent and received is link.received and left == link.left and claims == link.claims:
        return link
    return replace(link, sent=sent, received=received, left=left, claims=claims)


# Final points ---------------------------------------------------------------------------------------------------


def tell_final(link: Link, change: Change, view: View) -> Result:
    return replace(link, dropped=link.dropped or change.overrules), (Send(link.peer, Finality(view.chain.final.point)),)


def learn_final(link: Link, claim: Finality, view: View) -> Result:
    return replace(link, final=claim.point), ()


# Found, and blocks ----------------------------------------------------------------------------------------------


def take_found(link: Link, ancestor: Ancestor, view: View) -> Result:
    return _told(link, ancestor.sent, ancestor.found, view)


def take_blocks(link: Link, receipt: Receipt, view: View) -> Result:
    """After receiving a block, the peer's head is that block, held here or not."""
    link, news = _in_step(link, receipt.sent, receipt.newest, view)
    return (link if receipt.newest.id in view.chain else replace(link, dropped=True)), news


def rebase(link: Link, moved: Moved, view: View) -> Result:
    return _tracked(link, moved.sent, link.received, view), NEWS


# Our turn to send -----------------------------------------------------------------------------------------------


def step_back(link: Link, turn: Turn, view: View) -> Result:
    hello = turn.hello
    assert hello is not None  # the guard "can step back" says so
    return replace(link, cursor=hello.points[0], since=view.now), (Send(link.peer, hello),)


def stream(link: Link, turn: Turn, view: View) -> Result:
    blocks = turn.blocks
    return (replace(link, sent=blocks[-1]), (SendBlocks(link.peer, blocks), *NEWS)) if blocks else (link, ())


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
    detail = f"{len(view.chain.blocks)} blocks are held; finalise some, or raise Limits.unfinal, unfinal_bytes or tips"
    return link, (Part(Parting.FULL, None, detail),)


def part_late(link: Link, message: None, view: View) -> Result:
    detail = f"no progress in the search for {view.limits.search:g} s"
    return link, (Part(Parting.SEARCH_TIMEOUT, None, detail),)


def violation(link: Link, message: Heard | Ancestor | Receipt | Fault, view: View) -> Result:
    fault = _fault(message)
    return link, (Misbehaviour(link.peer, fault), Part(Parting.FAULT, None, f"{fault.rule}: {fault.detail}"))


def _fault(message: Heard | Ancestor | Receipt | Fault) -> Fault:
    match message:
        case Fault():
            return message
        case Heard(hello):
            evidence = hello.head.id[: limits.EVIDENCE_BYTES]
            return Fault("hello-flood", "more hellos than any correct search needs", evidence, Penalty.MILD)
        case Receipt(outcome=Outcome.INVALID, newest=newest):
            detail = f"block {newest.point} does not follow from its parent in height or score"
            return Fault("invalid-block", detail, newest.id[: limits.EVIDENCE_BYTES])
        case Receipt(newest=newest):
            detail = f"block {newest.point} came before our hello"
            return Fault("block-before-hello", detail, newest.id[: limits.EVIDENCE_BYTES])
        case _:
            return Fault("found-before-hello", "a common ancestor was found in a hello we did not send")


ACTIONS: Final[Mapping[str, Action]] = {
    "open": open_,
    VIOLATION: violation,
    **{
        action.__name__: action
        for action in (
            greet, end, remember, search, narrow, conclude, learn_has, tell_final, learn_final, hello_again, owe_hello,
            take_found, take_blocks, rebase, step_back, stream, part_contradicting, part_pruned, part_out_of_step,
            part_full, part_late,
        )
    },
}  # fmt: skip
