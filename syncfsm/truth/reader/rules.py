"""Reading the DA layer: one table, one value a node.

Theory of operation. The layer is read height by height, and never a height without the one before it, so that two readers
that have read as far have found the same. Several heights are asked for at once, as an answer may take longer than the layer
takes for a block; one that comes before its turn waits for it. Where the layer ends, one is asked for. Each answer brings
the id of the layer's block and of its parent. If it does not follow what was read before, the layer has reorganised: the
reader goes back, place by place, until one agrees, and reads on from there. What lies deeper than the layer's finality is
final, and forgotten but for the last: should that one be taken back, nothing that the layer says is worth reading.

Of the six answers each leads elsewhere: what is there is read, none is passed by, the future is waited for, what is pruned
is lost here for good, trouble is asked again, later and later, and a layer that says that it broke its word is left.
Whatever the answers are, what is confirmed stands until the layer itself takes it back.

    [*] --begin--> reading --future--> resting --tick, news--> reading
"""

from typing import Final

from syncfsm.machine import ALWAYS, IGNORE, STAY, Rule
from syncfsm.truth.reader.types import BROKEN, IDLE, LOST, READING, RESTING, TROUBLED, Event

E = Event
OTHERS = (E.BLOBS, E.NONE, E.FUTURE, E.PRUNED, E.TROUBLE)
ANSWERS = (*OTHERS, E.BROKE)
WAITING = (RESTING, TROUBLED, LOST)

# fmt: off
RULES: Final = (
    Rule((IDLE, LOST), E.BEGIN,     ALWAYS,            READING,  "begin",        "At the places that were kept, or at a mark that somebody gave.", "decisions/0026"),
    Rule((READING, RESTING, TROUBLED, BROKEN),
                   E.BEGIN,         ALWAYS,            STAY,     IGNORE,         "It has begun, and goes its own way.", "decisions/0026"),

    # ---- The layer answers ----
    Rule((READING, *WAITING), ANSWERS, "not_asked",    STAY,     IGNORE,         "Nobody waits for it.", "decisions/0026"),
    Rule((READING, *WAITING), E.BROKE, ALWAYS,         BROKEN,   "heed",         "The layer itself has seen that what was final is gone, at whatever height.", "decisions/0029"),
    Rule(READING,  (E.BLOBS, E.NONE, E.FUTURE), "is_early", STAY, "keep",        "It is judged when those before it were: also that the layer ends there.", "decisions/0026"),
    Rule(WAITING,  (E.BLOBS, E.NONE), "is_early",      STAY,     "keep",         "There is more, and it need not be asked for again.", "decisions/0026"),
    Rule(READING,  (E.PRUNED, E.TROUBLE), "is_early",  STAY,     "forget",  "What is there is known when its turn comes: it is asked for again.", "decisions/0026"),
    Rule(READING,  OTHERS,          "is_past",         STAY,     "forget",       "Its place is known by a mark meanwhile.", "decisions/0026"),
    Rule(READING,  (E.BLOBS, E.NONE), "breaks_finality", BROKEN, "break_off",    "What was final is not there any more.", "decisions/0026"),
    Rule(READING,  (E.BLOBS, E.NONE), "is_other",      STAY,     "step_back",    "The layer has reorganised: the place before it is read anew.", "decisions/0026"),
    Rule(READING,  E.BLOBS,         ALWAYS,            STAY,     "read",         "The first valid batch for a height wins, and all others are skipped.", "decisions/0026"),
    Rule(READING,  E.NONE,          ALWAYS,            STAY,     "pass_by",      "There is nothing for us at this height.", "decisions/0026"),
    Rule(READING,  E.FUTURE,        ALWAYS,            RESTING,  "rest",         "All that there is has been read; this height is not passed by.", "decisions/0026"),
    Rule(READING,  E.PRUNED,        ALWAYS,            LOST,     "lose",         "It was there, and is not kept: that is neither none nor the future.", "decisions/0026"),
    Rule(READING,  E.TROUBLE,       ALWAYS,            TROUBLED, "back_off",     "Nothing is known; the same height is asked again.", "decisions/0026"),
    Rule(WAITING,  OTHERS,          ALWAYS,            STAY,     "forget",       "The height that is read next is asked for again in any case.", "decisions/0026"),
    Rule((IDLE, BROKEN), ANSWERS,   ALWAYS,            STAY,     IGNORE,         "Nothing was asked.", "decisions/0026"),

    # ---- The node can not follow ----
    Rule((READING, *WAITING), E.REFUSED, ALWAYS,       BROKEN,   "give_up",      "What contradicts what is final there, or is banned, is for somebody to look at.", "decisions/0026"),
    Rule((IDLE, BROKEN), E.REFUSED, ALWAYS,            STAY,     IGNORE,         "Nothing is read.", "decisions/0026"),

    # ---- Time, and news ----
    Rule((RESTING, TROUBLED), E.NEWS, "is_further",    READING,  "ask",          "There is more: it need not be waited for.", "decisions/0026"),
    Rule((RESTING, TROUBLED), E.NEWS, ALWAYS,          STAY,     IGNORE,         "That was read.", "decisions/0026"),
    Rule((IDLE, READING, LOST, BROKEN), E.NEWS,
                                    ALWAYS,            STAY,     IGNORE,         "It helps nobody here.", "decisions/0026"),
    Rule((READING, *WAITING), E.TICK, "is_silent",     STAY,     "tell_silence", "Nothing was heard for too long: somebody should look.", "decisions/0026"),
    Rule(WAITING,  E.TICK,          "is_due",          READING,  "ask",          "It is time to look again.", "decisions/0026"),
    Rule((READING, *WAITING), E.TICK, ALWAYS,          STAY,     IGNORE,         "It is not time yet.", "decisions/0026"),
    Rule((IDLE, BROKEN), E.TICK,    ALWAYS,            STAY,     IGNORE,         "It does nothing.", "decisions/0026"),
)
# fmt: on
