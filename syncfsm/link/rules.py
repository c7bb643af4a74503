"""The link protocol: one table, the same at both ends.

Read it like this: in this state, on this event, if this holds, go there and do that, because. Rows of one state and
event are tried from the top; the first that holds fires. What the names mean is next door, in ``guards.py`` and
``actions.py``; how a common ancestor is found is in ``discovery.py``.

    [*] --connect--> start --hello--> init | syncing | idle,   init --found or blocks--> syncing | idle,   any --> [*]
"""

from typing import Final

from syncfsm.link.types import GREETING, IN_STEP, OPEN, Event, State
from syncfsm.machine import ALWAYS, IGNORE, STAY, VIOLATION, Rule

CLOSED, START, INIT, SYNCING, IDLE = State.CLOSED, State.START, State.INIT, State.SYNCING, State.IDLE
E = Event

# fmt: off
RULES: Final = (
    # ---- A link begins: we greet ----
    Rule(CLOSED,  E.CONNECT, ALWAYS,                 START,   "open",           "The transport is up; the node decides when to greet.", "founding/link-notes#hello-on-start"),
    Rule(OPEN,    E.CONNECT, ALWAYS,                 STAY,    "misuse",         "A connection has one name, and starts once.", "founding/requirements#local-error"),
    Rule(START,   E.GREET,   "ungreeted",            START,   "greet",          "Each node sends its head block info.", "founding/link-notes#hello-on-start"),
    Rule(OPEN,    E.GREET,   ALWAYS,                 STAY,    IGNORE,           "Greeted already.", "founding/link-notes#hello-on-start"),

    # ---- Hello: who knows whose head, who is worse ----
    Rule(OPEN,    E.HELLO,   "flooding",             CLOSED,  VIOLATION,        "More hellos than any correct search needs.", "failure-modes#F04, failure-modes#F38"),
    Rule(START,   E.HELLO,   "ungreeted",            START,   "remember",       "It is considered when we greet.", "decisions/0004"),
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
    Rule(SYNCING, E.HELLO,   "has_all",              IDLE,    "note_has",       "A late hello still tells what they have.", "founding/link-notes#hello-in-sync"),
    Rule(IN_STEP, E.HELLO,   ALWAYS,                 STAY,    "note_has",       "A late hello still tells what they have; no step back to start is needed.", "founding/link-notes#hello-in-sync"),

    # ---- Found: the other side ended the search ----
    Rule(START,   E.FOUND,   "ungreeted",            CLOSED,  VIOLATION,        "Nothing can be found in a hello that was not sent.", "founding/requirements#peer-mistake"),
    Rule(GREETING, E.FOUND,  "not_held",             CLOSED,  "part_out_of_step", "We dropped that block meanwhile: greet anew.", "founding/link-notes#orphaned-blocks"),
    Rule(OPEN,    E.FOUND,   "found_and_lacking",    SYNCING, "take_found",     "We hold what they found, and have more for them.", "founding/link-notes#init-sync"),
    Rule(OPEN,    E.FOUND,   ALWAYS,                 IDLE,    "take_found",     "They have all that we have. If both sides found a common ancestor, either may tell more.", "founding/requirements#no-echo"),

    # ---- Blocks: after receiving a block, the peer's head is that block ----
    Rule(START,   E.BLOCKS,  "ungreeted",            CLOSED,  VIOLATION,        "Nobody can know what we lack before we said hello.", "founding/requirements#peer-mistake"),
    Rule(OPEN,    E.BLOCKS,  "invalid",              CLOSED,  VIOLATION,        "Height or score do not follow from the parent.", "founding/link-notes#never-rejected"),
    Rule(OPEN,    E.BLOCKS,  "no_room_in_tree",      CLOSED,  "part_full",      "As many unfinal blocks or branches are held as the limits allow.", "founding/requirements#bounded-memory"),
    Rule(OPEN,    E.BLOCKS,  "out_of_step",          CLOSED,  "part_out_of_step", "The parent is not held here: greet anew. A correct peer can do this after we finalised another branch.", "founding/link-notes#orphaned-blocks"),
    Rule(OPEN,    E.BLOCKS,  "taken_and_lacking",    SYNCING, "take_blocks",    "The peer's head is that block now, and our best chain has more.", "founding/link-notes#append-entries"),
    Rule(OPEN,    E.BLOCKS,  ALWAYS,                 IDLE,    "take_blocks",    "The peer's head is that block now, and ours too.", "founding/link-notes#append-entries"),

    # ---- Our chain moved ----
    Rule(START,   E.MOVED,   "ungreeted",            STAY,    IGNORE,           "Nothing said, nothing to correct.", "decisions/0004"),
    Rule(GREETING, E.MOVED,  "nothing_shared",       CLOSED,  "part_pruned",    "We dropped the last block we shared.", "founding/requirements#pruned-is-said"),
    Rule(GREETING, E.MOVED,  "head_learnt_and_lacking", SYNCING, "conclude",    "Somebody else gave us their head.", "founding/link-notes#other-head-known"),
    Rule(GREETING, E.MOVED,  "head_learnt",          IDLE,    "conclude",       "Somebody else gave us their head.", "founding/link-notes#other-head-known"),
    Rule(GREETING, E.MOVED,  "extends",              STAY,    IGNORE,           "The new head descends from the last hello: do nothing.", "founding/link-notes#switch-while-streaming"),
    Rule(GREETING, E.MOVED,  "hellos_spent",         STAY,    "owe_hello",      "The rate limit delays a hello and never drops the newest.", "failure-modes#F12"),
    Rule(GREETING, E.MOVED,  "worse_than_heard",     INIT,    "hello_again",    "We switched forks and are still worse: search from the new head.", "founding/link-notes#switch-while-streaming"),
    Rule(GREETING, E.MOVED,  ALWAYS,                 START,   "hello_again",    "We switched forks and are better: a single hello.", "founding/link-notes#switch-while-streaming"),
    Rule(IN_STEP, E.MOVED,   "pruned_past_peer",     CLOSED,  "part_pruned",    "The next block they need is no longer held.", "founding/requirements#pruned-is-said"),
    Rule(IN_STEP, E.MOVED,   "lacks_head",           SYNCING, "rebase",         "Back up to the nearest of sent and received on the new best chain; stream from there.", "founding/link-notes#two-blocks-tracked"),
    Rule(IN_STEP, E.MOVED,   ALWAYS,                 IDLE,    "rebase",         "Back up to the nearest of sent and received on the new best chain; nothing to send.", "founding/link-notes#two-blocks-tracked"),

    # ---- Final points ----
    Rule(START,   E.FINALISED, "ungreeted",          STAY,    IGNORE,           "Our hello will say it.", "decisions/0004"),
    Rule(OPEN,    E.FINALISED, "their_final_contradicts", CLOSED, "part_contradicting", "What became final here contradicts what they call final.", "founding/requirements#never-below-final"),
    Rule(OPEN,    E.FINALISED, ALWAYS,               STAY,    "tell_final",     "A contradiction must come to light even if no block moves.", "founding/requirements#never-below-final"),
    Rule(OPEN,    E.FINAL,   "claim_contradicts",    CLOSED,  "part_contradicting", "Two final blocks at one height: no exchange can help, and nothing is proved against either.", "founding/requirements#never-below-final"),
    Rule(OPEN,    E.FINAL,   ALWAYS,                 STAY,    "note_final",     "A search need not go below the lower of the two final points.", "founding/link-notes#synchronous-liveness"),

    # ---- The transport takes more ----
    Rule(INIT,    E.ROOM,    "can_step_back",        INIT,    "step_back",      "One hello per step back, not waiting for answers.", "founding/link-notes#stream-hellos"),
    Rule(SYNCING, E.ROOM,    "rest_fits",            IDLE,    "stream",         "Child after child; with the last one the peer's head is ours.", "founding/link-notes#immediate-child"),
    Rule(SYNCING, E.ROOM,    ALWAYS,                 SYNCING, "stream",         "Child after child, as many as the transport takes; no answer is waited for.", "founding/link-notes#ordering-constraints"),
    Rule((START, INIT, IDLE), E.ROOM, ALWAYS,        STAY,    "gain_room",      "Nothing to send now.", "founding/link-notes#ordering-constraints"),

    # ---- Payloads travel with blocks, and never before their own ----
    Rule(OPEN,    E.SAY,     "peer_has_subject",     STAY,    "say",            "The peer has the block, or it is already on its way before this.", "founding/requirements#payloads"),
    Rule(OPEN,    E.SAY,     "hold_is_full",         STAY,    "displace_note",  "Too many wait: the oldest goes back to the integrator.", "founding/requirements#bounded-memory"),
    Rule(OPEN,    E.SAY,     ALWAYS,                 STAY,    "hold_note",      "Wait until the peer has the block.", "founding/requirements#payloads"),
    Rule(OPEN,    E.NOTE,    "subject_held",         STAY,    "deliver",        "A payload is delivered where its block is held.", "founding/requirements#payloads"),
    Rule(OPEN,    E.NOTE,    ALWAYS,                 STAY,    IGNORE,           "Its block was refused or dropped here; late is not wrong.", "failure-modes#F16"),

    # ---- Signs of life ----
    Rule(OPEN,    E.PING,    ALWAYS,                 STAY,    "pong",           "A sign of life.", "founding/requirements#signs-of-life"),
    Rule(OPEN,    E.PONG,    ALWAYS,                 STAY,    IGNORE,           "Its arrival was the sign.", "founding/requirements#signs-of-life"),
    Rule(OPEN,    E.TICK,    "silent",               CLOSED,  "part_silent",    "No sign of life within the limit.", "failure-modes#F47"),
    Rule(GREETING, E.TICK,   "search_is_late",       CLOSED,  "part_late",      "The search made no progress within the limit.", "failure-modes#F45"),
    Rule(GREETING, E.TICK,   "owes_worse_hello",     INIT,    "hello_again",    "The rate limit allows the hello that was put off.", "failure-modes#F12"),
    Rule(GREETING, E.TICK,   "owes_hello",           START,   "hello_again",    "The rate limit allows the hello that was put off.", "failure-modes#F12"),
    Rule(OPEN,    E.TICK,    "quiet",                STAY,    "ping",           "Ask for a sign of life.", "founding/requirements#signs-of-life"),
    Rule(OPEN,    E.TICK,    ALWAYS,                 STAY,    IGNORE,           "Nothing is due.", "founding/requirements#signs-of-life"),

    # ---- A link ends, once ----
    Rule(OPEN,    E.BYE,     ALWAYS,                 CLOSED,  "take_leave",     "The peer said why.", "founding/requirements#one-disconnect"),
    Rule(OPEN,    E.LEAVE,   ALWAYS,                 CLOSED,  "leave",          "We say why.", "founding/requirements#one-disconnect"),
    Rule(OPEN,    E.LOST,    ALWAYS,                 CLOSED,  "lose",           "Nothing can be said any more.", "failure-modes#F11"),
    Rule(OPEN,    E.FAULT,   ALWAYS,                 CLOSED,  VIOLATION,        "What came is no message, or no valid block.", "founding/requirements#peer-mistake"),
    Rule(CLOSED,  tuple(event for event in E if event is not E.CONNECT),
                             ALWAYS,                 STAY,    IGNORE,           "The link is over; what comes late changes nothing.", "failure-modes#F11"),
)
# fmt: on
