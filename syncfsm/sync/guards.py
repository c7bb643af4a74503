"""When a row of the sync table applies: pure questions about the link, what came, and what the node knows.

Each function is named in ``rules.py``; those that no row names are private.
"""

from collections.abc import Mapping
from typing import Final

from syncfsm.blocks import Header, Point
from syncfsm.chain import Outcome
from syncfsm.limits import HELLO_SHARE, Strategy
from syncfsm.machine import Guard
from syncfsm.protocol import Change, View
from syncfsm.sync.discovery import contradicts
from syncfsm.sync.messages import Finality, Hello
from syncfsm.sync.meter import ROUNDING, hello_credit
from syncfsm.sync.relay import RELAY_GUARDS
from syncfsm.sync.tracking import counted
from syncfsm.sync.types import Ancestor, Heard, Link, Moved, Receipt, Relation, Turn

# Hello ----------------------------------------------------------------------------------------------------------


def flooding(link: Link, heard: Heard, view: View) -> bool:
    return not orderly(link, heard.hello) and hello_credit(link.may_hear, link, view, 1) < 1


def orderly(link: Link, hello: Hello) -> bool:
    """Is this a step of a search under way: an answer, from the same head, and with less left to search?

    A correct peer sends as many of these as its search needs, none above the highest head that we said, even if ours is
    lower now; so that height bounds them, and none is counted.
    """
    last = link.heard
    return (
        last is not None
        and hello.about is not None
        and hello.head == last.head
        and hello.ceiling <= link.top + 1
        and _left(hello) < _left(last)
        and (_steps_back(hello) or 2 * _span(hello) <= _span(last) + 1)
    )


def _left(hello: Hello) -> int:
    """How much there is left to search: where the common ancestor may be, and how far down it is offered. A locator
    raises its lowest point or lowers its ceiling with each step, a streaming search lowers both."""
    return 2 * hello.ceiling - hello.points[-1].height


def _steps_back(hello: Hello) -> bool:
    """One block, and no claim that anything lies above it: a step of a streaming search, which is not answered unless
    it is the last."""
    return hello.ceiling == hello.points[-1].height + 1


def _span(hello: Hello) -> int:
    """Between which heights the common ancestor lies. The two ends of a locator search divide that, so that no more
    than half is left: what is answered at length is answered few times."""
    return hello.ceiling - hello.points[-1].height


def finals_contradict(link: Link, heard: Heard, view: View) -> bool:
    return heard.assessment.relation is Relation.CONTRADICTION


def nothing_shared(link: Link, message: Heard | Moved, view: View) -> bool:
    found = message.assessment
    return found is not None and found.relation is Relation.NOTHING


def common(link: Link, heard: Heard, view: View) -> bool:
    """The nearest common ancestor is certain: we hold their head, or we are better and their points settle it."""
    found = heard.assessment
    if found.knows_head:
        return True
    return found.relation is Relation.COMMON and not found.better and not _stale(link, heard.hello)


def common_and_lacking(link: Link, heard: Heard, view: View) -> bool:
    return common(link, heard, view) and _lacking(heard.sent, view)


def _stale(link: Link, hello: Hello) -> bool:
    """It answers a hello that we have corrected since; the correction will be answered too."""
    return hello.about is not None and (link.said is None or hello.about != link.said.head or link.owes_hello)


def worse(link: Link, heard: Heard, view: View) -> bool:
    return heard.assessment.better


def better(link: Link, heard: Heard, view: View) -> bool:
    return not heard.assessment.better


def asked(link: Link, heard: Heard, view: View) -> bool:
    """Their hello answers our last one, and we offer brackets: it wants an answer."""
    answers = heard.hello.about is not None and not _stale(link, heard.hello)
    return answers and view.strategy is Strategy.LOCATOR


def worse_and_asked(link: Link, heard: Heard, view: View) -> bool:
    return heard.assessment.better and asked(link, heard, view)


def can_narrow(link: Link, heard: Heard, view: View) -> bool:
    """They offer a bracket, or a block that we know; not a single one that we might hold and do not know.

    A hello that opens a search anew is never too old to answer, whichever of our hellos it is about: if two such hellos
    cross, somebody must answer.
    """
    points = heard.hello.points
    offers = len(points) > 1 or heard.assessment.shared is not None
    opens = points[0] == heard.hello.head
    return offers and (opens or not _stale(link, heard.hello)) and not link.owes_hello


def better_and_can_narrow(link: Link, heard: Heard, view: View) -> bool:
    return not heard.assessment.better and can_narrow(link, heard, view)


def has_all(link: Link, heard: Heard, view: View) -> bool:
    return not _lacking(heard.sent, view)


def their_final_contradicts(link: Link, change: Change, view: View) -> bool:
    return link.final is not None and contradicts(link.final, view.chain)


def claim_contradicts(link: Link, claim: Finality, view: View) -> bool:
    return contradicts(claim.point, view.chain)


def claim_names_refused(link: Link, claim: Finality, view: View) -> bool:
    """It calls final the newest block that it gave us, and our final point rules that one out."""
    received = link.received
    return received is not None and received.point == claim.point and _ruled_out(claim.point, view)


# Found ----------------------------------------------------------------------------------------------------------


def not_held(link: Link, ancestor: Ancestor, view: View) -> bool:
    return ancestor.found is None


def found_and_lacking(link: Link, ancestor: Ancestor, view: View) -> bool:
    return _lacking(ancestor.sent, view)


# Blocks ---------------------------------------------------------------------------------------------------------


def invalid(link: Link, receipt: Receipt, view: View) -> bool:
    return receipt.outcome is Outcome.INVALID


def no_room_in_tree(link: Link, receipt: Receipt, view: View) -> bool:
    return receipt.outcome is Outcome.FULL


def out_of_step(link: Link, receipt: Receipt, view: View) -> bool:
    """The block fits nowhere, and no branch was dropped that the peer may be on: it goes by what we held or gave it,
    whichever branch it turns to."""
    if receipt.outcome is Outcome.BELOW_FINAL:
        return link.sent is None and receipt.newest.parent not in view.chain
    return receipt.outcome is Outcome.UNLINKABLE and (link.sent is None or not link.dropped)


def too_much_aside(link: Link, receipt: Receipt, view: View) -> bool:
    """With this run, the peer has given us more beside our best chain than one peer may."""
    return receipt.aside > 0 and counted(link, receipt.newest, view, receipt.aside)[0] > view.limits.aside


def refused_is_final(link: Link, receipt: Receipt, view: View) -> bool:
    """It gives us the block that it calls final, and our final point rules that one out."""
    final = link.final
    return final is not None and _ruled_out(final, view) and any(block.point == final for block in receipt.run)


def taken_and_lacking(link: Link, receipt: Receipt, view: View) -> bool:
    return _lacking(receipt.sent, view)


# Our chain moved ------------------------------------------------------------------------------------------------


def extends(link: Link, moved: Moved, view: View) -> bool:
    """Our last hello still holds: its head is older now, but not below the final point, and its base is not dropped."""
    said = link.said
    holds = said is not None and view.floor <= said.base.height and view.chain.final.height <= said.head.height
    return moved.extends and holds and not link.owes_hello


def head_learnt(link: Link, moved: Moved, view: View) -> bool:
    return moved.assessment is not None and moved.assessment.knows_head


def head_learnt_and_lacking(link: Link, moved: Moved, view: View) -> bool:
    return head_learnt(link, moved, view) and _lacking(moved.sent, view)


def hellos_spent(link: Link, moved: Moved, view: View) -> bool:
    return hello_credit(link.may_say, link, view, HELLO_SHARE) < 1


def worse_than_heard(link: Link, moved: object, view: View) -> bool:
    return link.heard is not None and link.heard.rank > view.chain.head.rank


def pruned_past_peer(link: Link, moved: Moved, view: View) -> bool:
    return moved.sent is None or moved.sent.height < view.floor


def lacks_head(link: Link, moved: Moved, view: View) -> bool:
    return _lacking(moved.sent, view)


# Our turn to send -----------------------------------------------------------------------------------------------


def can_step_back(link: Link, turn: Turn, view: View) -> bool:
    return turn.hello is not None


def rest_fits(link: Link, turn: Turn, view: View) -> bool:
    return bool(turn.blocks) and turn.blocks[-1].id == view.chain.head.id


# Time -----------------------------------------------------------------------------------------------------------


def search_is_late(link: Link, message: None, view: View) -> bool:
    """Only once both have said hello: one that is mute is no search."""
    return link.heard is not None and view.now >= link.since + view.limits.search


def owes_hello(link: Link, message: None, view: View) -> bool:
    return link.owes_hello and hello_credit(link.may_say, link, view, HELLO_SHARE) >= 1 - ROUNDING


def owes_worse_hello(link: Link, message: None, view: View) -> bool:
    return owes_hello(link, message, view) and worse_than_heard(link, message, view)


# Shared ---------------------------------------------------------------------------------------------------------


def _ruled_out(given: Point, view: View) -> bool:
    """Is this block, which the peer gave us, on a branch that our final point rules out? Above that point nothing else
    keeps one from being held (``ParentKnown``); at or below it, it may be one of ours that is pruned already."""
    return given.height > view.chain.final.height and given.id not in view.chain


def _lacking(sent: Header | None, view: View) -> bool:
    return sent is None or sent.id != view.chain.head.id


GUARDS: Final[Mapping[str, Guard]] = dict(RELAY_GUARDS) | {
    guard.__name__: guard
    for guard in (
        flooding, finals_contradict, nothing_shared, common, common_and_lacking, claim_contradicts,
        claim_names_refused, their_final_contradicts, worse, better, asked, worse_and_asked, can_narrow,
        better_and_can_narrow, has_all, not_held, found_and_lacking, invalid, no_room_in_tree, refused_is_final,
        out_of_step, too_much_aside, taken_and_lacking, extends, head_learnt, head_learnt_and_lacking, hellos_spent,
        worse_than_heard, pruned_past_peer, lacks_head, can_step_back, rest_fits, search_is_late, owes_hello,
        owes_worse_hello,
    )
}  # fmt: skip
