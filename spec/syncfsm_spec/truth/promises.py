"""What is promised of reading and posting."""

from typing import Any, Final

from syncfsm.check import Moment
from syncfsm.truth.answers import Broken, Future, Head, Pruned, TooBig, Trouble, Unsure
from syncfsm.truth.poster.types import (
    AWAITING,
    CATCHING,
    GATHERING,
    HALTED,
    IDLE,
    OVERRULED,
    SUBMITTING,
    WAITING,
    Overdue,
    Submit,
)
from syncfsm.truth.reader.types import BROKEN, LOST, RESTING, TROUBLED, At, Broke, Kept, Reader, Skipped, State, Unheard
from syncfsm_spec.kit.promise import Promise
from syncfsm_spec.kit.trees import TREE, g
from syncfsm_spec.truth.layer import RUN, TICK, Ledger, Told

TRUTH_WINS: Final = Promise(
    "TruthWins",
    "When nothing more happens, a reader has read all of the layer, and confirms exactly what its blobs confirm.",
)
NONE_SKIPPED: Final = Promise(
    "NoneSkipped", "No height of the layer is passed by unread: none, future, pruned and trouble are told apart."
)
FINAL_ONLY_ADVANCES: Final = Promise(
    "FinalOnlyAdvances", "What a reader calls final never goes back, and a layer that takes it back is not followed."
)
EVIDENCE_KEPT: Final = Promise(
    "EvidenceKept",
    "Two signed blocks at one height are found by whoever holds both; one pair for each height is kept, and each peer "
    "is told of it once, so that all who are linked have it.",
)
LIVES_WITHOUT_PEERS: Final = Promise(
    "LivesWithoutPeers",
    "What no peer gives a node the layer does; the node moves between the two, and no block is missing or comes twice.",
)
LIVES_WITHOUT_DA: Final = Promise(
    "LivesWithoutDA",
    "While the layer does not answer, what was confirmed stands, and blocks are made; that nothing is heard, or "
    "nothing confirmed, for too long is said.",
)
NOTHING_LOST: Final = Promise(
    "NothingLost",
    "When nothing more happens, each block that was made is in exactly one valid batch, whatever crashes, lost answers "
    "and reorganisations there were.",
)
NEVER_CONTRADICTS: Final = Promise(
    "NeverContradicts",
    "A batch begins right after what the layer confirms, once all of the layer was read; and where the layer confirms "
    "another block, nothing is posted.",
)
ONE_AT_A_TIME: Final = Promise(
    "OneAtATime", "A batch that may have landed is looked for before its blocks are given to the layer again."
)
CAPPED: Final = Promise("Capped", "A producer that heeds its poster makes no block while too many are not confirmed.")
KNOWS_FIRST: Final = Promise(
    "KnowsFirst",
    "A sequencer that starts makes no block before all of the layer was read, or was waited for long enough; and none "
    "where the layer is not followed any more.",
)
ALL: Final = (
    TRUTH_WINS, NONE_SKIPPED, FINAL_ONLY_ADVANCES, EVIDENCE_KEPT, LIVES_WITHOUT_PEERS, LIVES_WITHOUT_DA, NOTHING_LOST,
    NEVER_CONTRADICTS, ONE_AT_A_TIME, CAPPED, KNOWS_FIRST,
)  # fmt: skip
"""Each promise of the room."""

# A reader -------------------------------------------------------------------------------------------------------


def truth_wins(reader: Reader, ledger: Ledger) -> bool:
    if ledger.broken and (not ledger.out or reader.state is BROKEN):
        return reader.state is BROKEN
    if ledger.out:
        return reader.state is TROUBLED or not ledger.blocks
    if reader.state is LOST:
        return reader.next < ledger.oldest
    read_all = reader.state is RESTING and reader.next == len(ledger.blocks) + 1
    return reader.state is BROKEN or (read_all and reader.tip == ledger.tip)


def none_skipped(moment: Moment) -> bool:
    before, after = moment.before.mark.place.height, moment.after.mark.place.height
    return isinstance(moment.stimulus, Kept) or after in (before - 1, before, before + 1)


def final_only_advances(moment: Moment) -> bool:
    before, after = moment.before.final, moment.after.final
    if isinstance(moment.stimulus, Kept) or moment.before.state is State.IDLE:
        return True
    on = after.place.height >= before.place.height and TREE.descends(after.tip.id, before.tip.id)
    said = any(isinstance(output, Broke) for output in moment.outputs)
    return on and said is (moment.after.state is BROKEN and moment.before.state is not BROKEN)


def is_left(moment: Moment) -> bool:
    """Who is told that the layer broke its word leaves it, and what was confirmed stands."""
    before, after = moment.before, moment.after
    return after.state is BROKEN and (after.tip, after.final) == (before.tip, before.final)


def hears_that_it_broke(moment: Moment) -> bool:
    return isinstance(moment.stimulus, At) and isinstance(moment.stimulus.answer, Broken)


def final_is_there(reader: Reader, ledger: Ledger) -> bool:
    """The layer has what the reader calls final, unless it took it back and the reader has not asked since."""
    place = reader.final.place
    return not place.id or (place.height <= len(ledger.blocks) and ledger.place(place.height) == place)


def stands(moment: Moment) -> bool:
    """Whatever is no block of the layer changes nothing of what is confirmed."""
    before, after = moment.before, moment.after
    return (after.tip, after.final) == (before.tip, before.final) and (after.state is BROKEN) is (
        before.state is BROKEN
    )


def unheard_is_said(moment: Moment) -> bool:
    """For a reader by itself, to which only time happens."""
    return moment.after.told or (not moment.before.told and any(isinstance(o, Unheard) for o in moment.outputs))


def skips(rule: str, moment: Moment) -> bool:
    return any(isinstance(output, Skipped) and output.fault.rule == rule for output in moment.outputs)


# A sequencer: a poster, its reader, and the blocks --------------------------------------------------------------


def nothing_lost(sequencer: Any, ledger: Ledger) -> bool:
    if ledger.out:
        return True
    rests = sequencer.poster.state is GATHERING and not sequencer.poster.open
    return bool(rests and ledger.tip == sequencer.head == sequencer.poster.tip)


def never_contradicts(moment: Moment) -> bool:
    before = moment.before
    posts = [output for output in moment.outputs if isinstance(output, Submit)]
    if before.poster.state in (AWAITING, CATCHING, IDLE, OVERRULED, HALTED):
        return not posts
    ids = {g.id, *(header.id for header in RUN)}
    return all(
        before.rested
        and post.first.height == before.reader.tip.height + 1
        and {before.reader.tip.id, post.first.id, post.last.id} <= ids
        for post in posts
    )


def one_at_a_time(moment: Moment) -> bool:
    outcome = moment.stimulus.outcome if isinstance(moment.stimulus, Told) else None
    state, posts = moment.before.poster.state, any(isinstance(output, Submit) for output in moment.outputs)
    if posts and state in (SUBMITTING, WAITING):
        return state is SUBMITTING and isinstance(outcome, TooBig)
    if isinstance(outcome, Unsure) and state is SUBMITTING:
        after = moment.after.poster
        return bool(after.state is WAITING or after.tip.height >= moment.before.poster.sent.height)
    return True


def makes(moment: Moment) -> bool:
    return bool(moment.after.made > moment.before.made)


def capped(most: int, moment: Moment) -> bool:
    return len(moment.before.poster.open) < most


def knows_first(moment: Moment) -> bool:
    before = moment.before
    return (before.rested or before.waited) and before.reader.state is not BROKEN


def goes_on(most: int, sequencer: Any) -> bool:
    """A producer is not held without need, whether or not the layer answers."""
    poster = sequencer.poster
    return not poster.held or len(poster.open) >= most or poster.state in (OVERRULED, HALTED)


def waits(moment: Moment) -> bool:
    """For a poster by itself."""
    return bool(moment.after.held) or moment.after.state not in (AWAITING, OVERRULED, HALTED)


def overdue_is_said(moment: Moment) -> bool:
    """For a poster by itself, to which time happens when nothing was confirmed for too long."""
    told = any(isinstance(output, Overdue) for output in moment.outputs)
    waits = moment.before.state in (GATHERING, SUBMITTING, WAITING, CATCHING) and moment.before.open
    return bool(moment.after.told and told) if waits and not moment.before.told else not told


def passes_time(moment: Moment) -> bool:
    return bool(moment.stimulus.event == TICK)


def brings_no_block(moment: Moment) -> bool:
    given = moment.stimulus.answer if isinstance(moment.stimulus, At) else moment.stimulus
    return isinstance(given, Future | Pruned | Trouble | Head) or given == TICK
