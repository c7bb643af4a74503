"""Keeping one peer in step: one table, the same at both ends.

Read it like this: in this state, on this event, if this holds, go there and do that, because. Rows of one state and
event are tried from the top; the first that holds fires. What an event means is worked out in ``reading.py``; what the
names mean is next door, in ``guards.py`` and ``actions.py``; how a common ancestor is found is in ``discovery.py``, and
how we know what a peer has in ``tracking.py``.

Theory of operation. Both sides say hello: where they stand, and points of their best chain. If one knows the other's
head, the nearest common ancestor is known at once, and whoever knows it says so (found). If not, the side with the worse
head searches: it offers its chain backwards, block by block or by many points a hello, until the better side recognises
one. From then on both are in step, and nothing is asked any more: each sends what is new on its best chain, child after
child, from the newest block that the other is known to have. That block (``sent``) is tracked without answers, from what
was sent, received, claimed and left behind; when a chain switches forks it is backed up to the nearest that both have.
So a link in step never goes back to searching: what comes late only tells more of what the peer has.

    [*] --greet--> start --hello--> init | syncing | idle,   init --found or blocks--> syncing | idle,   any --> [*]
"""

from typing import Final

from syncfsm.machine import ALWAYS, IGNORE, STAY, VIOLATION, Rule
from syncfsm.sync.types import GREETING, IN_STEP, OPEN, Event, State

CLOSED, START, INIT, SYNCING, IDLE = State.CLOSED, State.START, State.INIT, State.SYNCING, State.IDLE
E = Event

# fmt: off
RULES: Final = (
    # ---- A link begins: we greet ----
    Rule(CLOSED,  E.GREET,   ALWAYS,                 START,   "greet",          "The transport is up: each node sends its head block info, and says whether it wants blocks.", "founding/link-notes#hello-on-start"),
    Rule(OPEN,    E.GREET,   ALWAYS,                 STAY,    IGNORE,           "Greeted already.", "founding/link-notes#hello-on-start"),

    # ---- Hello: who knows whose head, who is worse ----
    Rule(OPEN,    E.HELLO,   "flooding",             CLOSED,  VIOLATION,        "More hellos than any correct search needs.", "failure-modes#F04, failure-modes#F38"),
    Rule(OPEN,    E.HELLO,   "finals_contradict",    CLOSED,  "part_contradicting", "Two final blocks at one height: no exchange can help, and nothing is proved against either.", "founding/requirements#never-below-final"),
    Rule(GREETING, E.HELLO,  "nothing_shared",       CLOSED,  "part_pruned",    "No block is held by both: say so at once.", "founding/requirements#pruned-is-said"),
    Rule(GREETING, E.HELLO,  "common_and_lacking",   SYNCING, "conclude",       "We know the common ancestor and have blocks for them.", "founding/link-notes#other-head-known"),
    Rule(GREETING, E.HELLO,  "common",               IDLE,    "conclude",       "We know the common ancestor, and it is our head.", "founding/link-notes#identical-hello"),
    Rule(START,   E.HELLO,   "worse_and_asked",      INIT,    "narrow",         "They switched forks and overtook us: we search, answering their points.", "founding/link-notes#init-iff-worse"),
    Rule(START,   E.HELLO,   "worse",                INIT,    "search",         "Our hello is worse and their head is unknown: we search.", "founding/link-notes#init-iff-worse"),
    Rule(START,   E.HELLO,   "can_narrow",           START,   "narrow",         "We are better: answer their points with ours, inside the bracket.", "founding/requirements#locator"),
    Rule(START,   E.HELLO,   ALWAYS,                 START,   "remember",       "We are better: wait until they offer a block we know.", "founding/link-notes#better-head-recognises"),
    Rule(INIT,    E.HELLO,   "better_and_can_narrow", START,  "narrow",         "They fell behind us: the search is theirs now.", "founding/link-notes#init-iff-worse"),
    Rule(INIT,    E.HELLO,   "better",               START,   "remember",       "They fell behind us: the search is theirs now.", "founding/link-notes#init-iff-worse"),
    Rule(INIT,    E.HELLO,   "asked",                INIT,    "narrow",         "They answered our points: divide the bracket again.", "founding/requirements#locator"),
    Rule(INIT,    E.HELLO,   ALWAYS,                 INIT,    "search",         "A new head to search for, or an answer to an old hello.", "founding/link-notes#stream-hellos"),
    Rule(SYNCING, E.HELLO,   "has_all",              IDLE,    "learn_has",       "A late hello still tells what they have.", "founding/link-notes#hello-in-sync"),
    Rule(IN_STEP, E.HELLO,   ALWAYS,                 STAY,    "learn_has",       "A late hello still tells what they have; no step back to start is needed.", "founding/link-notes#hello-in-sync"),

    # ---- Found: the other side ended the search ----
    Rule(GREETING, E.FOUND,  "not_held",             CLOSED,  "part_out_of_step", "We dropped that block meanwhile: greet anew.", "founding/link-notes#orphaned-blocks"),
    Rule(OPEN,    E.FOUND,   "found_and_lacking",    SYNCING, "take_found",     "We hold what they found, and have more for them.", "founding/link-notes#init-sync"),
    Rule(OPEN,    E.FOUND,   ALWAYS,                 IDLE,    "take_found",     "They have all that we have. If both sides found a common ancestor, either may tell more.", "founding/requirements#no-echo"),

    # ---- Blocks: after receiving a block, the peer's head is that block ----
    Rule(OPEN,    E.BLOCKS,  "invalid",              CLOSED,  VIOLATION,        "Height or score do not follow from the parent.", "founding/link-notes#never-rejected"),
    Rule(OPEN,    E.BLOCKS,  "no_room_in_tree",      CLOSED,  "part_full",      "As many unfinal blocks, bytes of them or branches are held as the limits allow.", "founding/requirements#bounded-memory"),
    Rule(OPEN,    E.BLOCKS,  "refused_is_final",     CLOSED,  "part_contradicting", "They give us what they call final, and our final point rules it out.", "decisions/0019"),
    Rule(OPEN,    E.BLOCKS,  "out_of_step",          CLOSED,  "part_out_of_step", "The parent is not held here, and no branch was dropped: no correct peer does this, and nothing is proved. Greet anew.", "founding/link-notes#orphaned-blocks"),
    Rule(OPEN,    E.BLOCKS,  "too_much_aside",       CLOSED,  "part_full",      "More bytes beside our best chain than one peer may give while no block becomes final.", "founding/requirements#bounded-memory"),
    Rule(OPEN,    E.BLOCKS,  "taken_and_lacking",    SYNCING, "take_blocks",    "The peer's head is that block now, and our best chain has more.", "founding/link-notes#append-entries"),
    Rule(OPEN,    E.BLOCKS,  ALWAYS,                 IDLE,    "take_blocks",    "The peer's head is that block now, and ours too.", "founding/link-notes#append-entries"),

    # ---- Our chain moved ----
    Rule(GREETING, E.MOVED,  "nothing_shared",       CLOSED,  "part_pruned",    "We dropped the last block we shared.", "founding/requirements#pruned-is-said"),
    Rule(GREETING, E.MOVED,  "head_learnt_and_lacking", SYNCING, "conclude",    "Somebody else gave us their head.", "founding/link-notes#other-head-known"),
    Rule(GREETING, E.MOVED,  "head_learnt",          IDLE,    "conclude",       "Somebody else gave us their head.", "founding/link-notes#other-head-known"),
    Rule(GREETING, E.MOVED,  "extends",              STAY,    IGNORE,           "The new head descends from the last hello: do nothing.", "founding/link-notes#switch-while-streaming"),
    Rule(GREETING, E.MOVED,  "hellos_spent",         STAY,    "owe_hello",      "The rate limit delays a hello and never drops the newest.", "failure-modes#F12"),
    Rule(GREETING, E.MOVED,  "worse_than_heard",     INIT,    "hello_again",    "We switched forks and are still worse: search from the new head.", "founding/link-notes#switch-while-streaming"),
    Rule(GREETING, E.MOVED,  ALWAYS,                 START,   "hello_again",    "We switched forks and are better: a single hello.", "founding/link-notes#switch-while-streaming"),
    Rule(IN_STEP, E.MOVED,   "pruned_past_peer",     CLOSED,  "part_pruned",    "The next block they need is no longer held.", "founding/requirements#pruned-is-said"),
    Rule(IN_STEP, E.MOVED,   "must_tell_lacking",    SYNCING, "rebase_and_tell", "They lack our new head, and get no blocks from us: they are told of it.", "founding/link-notes#backup"),
    Rule(IN_STEP, E.MOVED,   "must_tell",            IDLE,    "rebase_and_tell", "They have our new heads, and were not told for a while that we have them too.", "decisions/0023"),
    Rule(IN_STEP, E.MOVED,   "lacks_head",           SYNCING, "rebase",         "Back up to the nearest of sent and received on the new best chain; stream from there.", "founding/link-notes#two-blocks-tracked"),
    Rule(IN_STEP, E.MOVED,   ALWAYS,                 IDLE,    "rebase",         "Back up to the nearest of sent and received on the new best chain; nothing to send.", "founding/link-notes#two-blocks-tracked"),

    # ---- Final points ----
    Rule(OPEN,    E.FINALISED, "their_final_contradicts", CLOSED, "part_contradicting", "What became final here contradicts what they call final.", "founding/requirements#never-below-final"),
    Rule(OPEN,    E.FINALISED, ALWAYS,               STAY,    "tell_final",     "A contradiction must come to light even if no block moves.", "founding/requirements#never-below-final"),
    Rule(OPEN,    E.FINAL,   "claim_contradicts",    CLOSED,  "part_contradicting", "Two final blocks at one height: no exchange can help, and nothing is proved against either.", "founding/requirements#never-below-final"),
    Rule(OPEN,    E.FINAL,   "claim_names_refused",  CLOSED,  "part_contradicting", "They call final what they gave us and our final point rules out.", "decisions/0019"),
    Rule(OPEN,    E.FINAL,   ALWAYS,                 STAY,    "learn_final",     "A search need not go below the lower of the two final points.", "founding/link-notes#synchronous-liveness"),

    # ---- There is room: our turn to send ----
    Rule(INIT,    E.TURN,    "can_step_back",        INIT,    "step_back",      "One hello per step back, not waiting for answers.", "founding/link-notes#stream-hellos"),
    Rule(INIT,    E.TURN,    ALWAYS,                 STAY,    IGNORE,           "All that can be common has been offered.", "founding/link-notes#stream-hellos"),
    Rule(SYNCING, E.TURN,    "rest_fits",            IDLE,    "stream",         "Child after child; with the last one the peer's head is ours.", "founding/link-notes#immediate-child"),
    Rule(SYNCING, E.TURN,    "backup",               STAY,    IGNORE,           "They want no blocks from us.", "founding/link-notes#backup"),
    Rule(SYNCING, E.TURN,    "off",                  STAY,    IGNORE,           "An operator wants them to have no blocks from us.", "founding/link-notes#off"),
    Rule(SYNCING, E.TURN,    ALWAYS,                 SYNCING, "stream",         "Child after child, as many as the transport takes; no answer is waited for.", "founding/link-notes#ordering-constraints"),
    Rule((START, IDLE), E.TURN, ALWAYS,              STAY,    IGNORE,           "Nothing to send now.", "founding/link-notes#ordering-constraints"),

    # ---- Off, backup, active: how new blocks travel ----
    Rule(GREETING, E.HAS,    ALWAYS,                 CLOSED,  VIOLATION,        "Nobody tells what is new before the common ancestor is known.", "founding/requirements#peer-mistake"),
    Rule(IN_STEP, E.HAS,     "has_our_head",         IDLE,    "learn_head",     "They have all that we have.", "founding/link-notes#peer-head"),
    Rule(IN_STEP, E.HAS,     ALWAYS,                 STAY,    "learn_head",     "What they have is known, be it held here or not.", "founding/link-notes#peer-head"),
    Rule(OPEN,    E.WANT,    "off",                  STAY,    "refuse_off",     "Off is left by an operator only.", "founding/link-notes#off"),
    Rule(OPEN,    E.WANT,    ALWAYS,                 STAY,    "be_asked",       "The feed knows how many peers it sends blocks to already.", "decisions/0023"),
    Rule(OPEN,    E.DO_NOT_WANT, "active",           STAY,    "close",          "If they have multiple incoming connections, they prune all but one.", "founding/link-notes#prune-incoming"),
    Rule(OPEN,    E.DO_NOT_WANT, ALWAYS,             STAY,    IGNORE,           "They get none as it is.", "founding/link-notes#prune-incoming"),
    Rule(OPEN,    E.GIVE,    "declined_enough",      STAY,    IGNORE,           "It gives again and again what is not wanted: it hears no more of that.", "founding/requirements#bounded-memory"),
    Rule(OPEN,    E.GIVE,    ALWAYS,                 STAY,    "be_given",       "Blocks come from their side now.", "decisions/0023"),
    Rule(OPEN,    E.BUSY,    ALWAYS,                 STAY,    "be_refused",     "They send us none: the feed looks for another.", "decisions/0023"),
    Rule(OPEN,    E.ASK,     "older",                STAY,    IGNORE,           "It sends all its blocks as it is.", "decisions/0023"),
    Rule(OPEN,    E.ASK,     ALWAYS,                 STAY,    "ask",            "We want blocks from them.", "decisions/0023"),
    Rule(OPEN,    E.SHUT,    "older",                STAY,    IGNORE,           "It knows no way to send none.", "decisions/0023"),
    Rule(OPEN,    E.SHUT,    ALWAYS,                 STAY,    "shut",           "We get blocks from another.", "founding/link-notes#prune-incoming"),
    Rule(OPEN,    E.SERVE,   "backup",               STAY,    "serve",          "From here on they get our blocks, beginning with those that they lack.", "founding/link-notes#active"),
    Rule(OPEN,    E.SERVE,   ALWAYS,                 STAY,    IGNORE,           "They get them already; or it is off.", "founding/link-notes#active"),
    Rule(OPEN,    E.REFUSE,  "older",                STAY,    IGNORE,           "It could not ask another: it gets every block.", "decisions/0023"),
    Rule(OPEN,    E.REFUSE,  "refused_enough",       STAY,    IGNORE,           "It asks again and again: it has its answer.", "founding/requirements#bounded-memory"),
    Rule(OPEN,    E.REFUSE,  ALWAYS,                 STAY,    "refuse",         "We send blocks to as many as we may; they are told of others.", "decisions/0023"),
    Rule(OPEN,    E.SWITCH,  "turns_off",            STAY,    "switch_off",     "Manually set only.", "founding/link-notes#off"),
    Rule(OPEN,    E.SWITCH,  "turns_on",             STAY,    "switch_on",      "Manually set only.", "founding/link-notes#off"),
    Rule(OPEN,    E.SWITCH,  ALWAYS,                 STAY,    IGNORE,           "It is as the operator wants it.", "founding/link-notes#off"),

    # ---- Time ----
    Rule(GREETING, E.TICK,   "search_is_late",       CLOSED,  "part_late",      "The search made no progress within the limit.", "failure-modes#F45"),
    Rule(GREETING, E.TICK,   "owes_worse_hello",     INIT,    "hello_again",    "The rate limit allows the hello that was put off.", "failure-modes#F12"),
    Rule(GREETING, E.TICK,   "owes_hello",           START,   "hello_again",    "The rate limit allows the hello that was put off.", "failure-modes#F12"),
    Rule(OPEN,    E.TICK,    ALWAYS,                 STAY,    IGNORE,           "Nothing is due.", "failure-modes#F45"),

    # ---- A link ends ----
    Rule(OPEN,    E.FAULT,   ALWAYS,                 CLOSED,  VIOLATION,        "What came is no valid block.", "founding/requirements#peer-mistake"),
    Rule(OPEN,    E.ENDED,   ALWAYS,                 CLOSED,  "end",            "The connection is over.", "founding/requirements#one-disconnect"),
    Rule(CLOSED,  tuple(event for event in E if event is not E.GREET),
                             ALWAYS,                 STAY,    IGNORE,           "The link is over; what comes late changes nothing.", "failure-modes#F11"),
)
# fmt: on
