"""Writing to the DA layer: one table, one value a sequencer.

Theory of operation. A sequencer that starts waits until the reader has read all that there is: it may have lost blocks of
its own, and takes them from there. Then it tells what it has. If the layer takes too long, blocks are made without knowing
what is there; they are posted only when that is known.

One batch at a time is given to the layer. It begins where what the reader has found confirmed ends, so the layer itself
says what is to be posted next, and nothing that a poster remembers has to survive it. A batch that was given before the
crash may still land then, and so may one that the layer's answer left unsure: it has the same blocks as the new one, so
nothing is contradicted, readers take the first and skip the other, and what the first does not have is posted again.

What is confirmed can be taken back by a reorganisation of the layer; then it is open again. Only so many blocks may be
open: the producer is held before there are more, and for good where the layer is not followed. That nothing was
confirmed for too long is said once, whatever the state.

    [*] --start--> awaiting --seen--> catching --begin, seen--> gathering --tick--> submitting --posted--> waiting --seen--> gathering
"""

from typing import Final

from syncfsm.machine import ALWAYS, IGNORE, STAY, Rule
from syncfsm.truth.poster.types import (
    AWAITING,
    BACKING_OFF,
    CATCHING,
    GATHERING,
    HALTED,
    IDLE,
    OVERRULED,
    PAUSED,
    SUBMITTING,
    WAITING,
    Event,
)  # fmt: skip

E = Event
OPEN = (CATCHING, GATHERING, SUBMITTING, WAITING, BACKING_OFF, PAUSED)
OUTCOMES = (E.POSTED, E.UNSURE, E.TOO_BIG, E.REFUSED, E.TROUBLE)

# fmt: off
RULES: Final = (
    Rule(IDLE,       E.START,    ALWAYS,        AWAITING,    "await_layer",  "What was posted is not known, and what was lost here neither, before the layer is read.", "decisions/0026"),
    Rule((AWAITING, *OPEN), E.START, ALWAYS,    STAY,        IGNORE,         "It has begun.", "decisions/0026"),
    Rule((AWAITING, *OPEN), E.SEEN, "is_broken", HALTED,     "halt",         "The layer has broken its word, or has what this node can not have: nothing is made beside it.", "decisions/0026"),
    Rule(AWAITING,   E.SEEN,     "is_all",      CATCHING,    "load",         "All that the layer has is known here.", "decisions/0026"),
    Rule(AWAITING,   E.SEEN,     ALWAYS,        STAY,        IGNORE,         "There is more to read.", "decisions/0026"),
    Rule(AWAITING,   E.TICK,     "is_due",      CATCHING,    "load_unread",  "Soft blocks do not wait for a layer that is out; what was signed, the guard knows.", "decisions/0026"),
    Rule(AWAITING,   E.TICK,     ALWAYS,        STAY,        IGNORE,         "It is not time yet.", "decisions/0026"),
    Rule(OPEN,       E.BEGIN,    "has_other",   OVERRULED,   "begin_in_vain", "What is final on the layer is none of ours.", "decisions/0026"),
    Rule(OPEN,       E.BEGIN,    ALWAYS,        CATCHING,    "begin",        "From where the layer is final on it is looked for what was posted.", "decisions/0026"),

    # ---- The sequencer makes blocks ----
    Rule(OPEN,       E.MADE,     "is_strange",  STAY,        "refuse",       "A block that is left out would be lost.", "decisions/0026"),
    Rule(OPEN,       E.MADE,     ALWAYS,        STAY,        "add",          "It goes into a batch; when too many are open, the producer is held.", "decisions/0026"),

    # ---- The reader goes on, or back ----
    Rule(OPEN,       E.SEEN,     "is_other",    OVERRULED,   "stop",         "The layer is the truth, and to post against it would contradict it.", "decisions/0026"),
    Rule(CATCHING,   E.SEEN,     "is_all",      GATHERING,   "see",          "All that was posted is known.", "decisions/0026"),
    Rule(WAITING,    E.SEEN,     "is_done",     GATHERING,   "see_done",     "The batch is confirmed.", "decisions/0026"),
    Rule(WAITING,    E.SEEN,     "is_in_vain",  GATHERING,   "see_in_vain",  "It landed and was skipped, or was taken back: what is open is posted again.", "decisions/0026"),
    Rule(OPEN,       E.SEEN,     ALWAYS,        STAY,        "see",          "It is noted what is confirmed.", "decisions/0026"),

    # ---- The layer answers ----
    Rule(SUBMITTING, OUTCOMES,   "was_seen",    GATHERING,   "finish",       "The reader has found it already.", "decisions/0026"),
    Rule(SUBMITTING, E.POSTED,   "was_read",    GATHERING,   "go_on",        "It landed and was skipped: what is open is posted again.", "decisions/0026"),
    Rule(SUBMITTING, E.POSTED,   ALWAYS,        WAITING,     "await_it",     "The layer says so; it counts when the reader finds it.", "decisions/0026"),
    Rule(SUBMITTING, E.UNSURE,   ALWAYS,        WAITING,     "look_for_it",  "It may land: it is not given again before it was looked for.", "decisions/0026"),
    Rule(SUBMITTING, E.TROUBLE,  ALWAYS,        BACKING_OFF, "back_off",     "It was not given.", "decisions/0026"),
    Rule(SUBMITTING, E.TOO_BIG,  "is_one",      PAUSED,      "be_stuck",     "One block is too big for the layer.", "decisions/0026"),
    Rule(SUBMITTING, E.TOO_BIG,  ALWAYS,        STAY,        "halve",        "Half of it may fit.", "decisions/0026"),
    Rule(SUBMITTING, E.REFUSED,  ALWAYS,        PAUSED,      "be_stuck",     "To try again soon helps nobody.", "decisions/0026"),
    Rule((CATCHING, GATHERING, WAITING, BACKING_OFF, PAUSED), OUTCOMES,
                                 ALWAYS,        STAY,        IGNORE,         "Nothing was given.", "decisions/0026"),

    # ---- Time, and an operator ----
    Rule(OPEN,       E.TICK,     "is_silent",   STAY,        "tell_silence", "Confirmation is overdue: somebody should look.", "decisions/0026"),
    Rule(GATHERING,  E.TICK,     "is_due",      SUBMITTING,  "submit",       "The oldest block is old enough, or the batch is full.", "decisions/0026"),
    Rule(WAITING,    E.TICK,     "is_due",      GATHERING,   "go_on",        "It was looked for, and is not there.", "decisions/0026"),
    Rule((BACKING_OFF, PAUSED), E.TICK, "is_due", GATHERING, "go_on",        "It is time to try again.", "decisions/0026"),
    Rule(OPEN,       E.TICK,     ALWAYS,        STAY,        IGNORE,         "It is not time yet.", "decisions/0026"),
    Rule((BACKING_OFF, PAUSED), E.RESUME, ALWAYS, GATHERING, "go_on",        "An operator says that it will work now.", "decisions/0026"),
    Rule((CATCHING, GATHERING, SUBMITTING, WAITING), E.RESUME,
                                 ALWAYS,        STAY,        IGNORE,         "It does what it can.", "decisions/0026"),

    Rule(AWAITING, (E.BEGIN, E.MADE, *OUTCOMES, E.RESUME),
                                 ALWAYS,        STAY,        IGNORE,         "What there is will be told when it is asked for.", "decisions/0026"),
    Rule(IDLE, tuple(event for event in E if event is not E.START),
                                 ALWAYS,        STAY,        IGNORE,         "It has not begun.", "decisions/0026"),
    Rule((OVERRULED, HALTED), tuple(E),
                                 ALWAYS,        STAY,        IGNORE,         "Nothing more is posted.", "decisions/0026"),
)
# fmt: on
