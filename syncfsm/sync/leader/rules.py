"""Whom a node that is behind turns to: one table, one value a node.

Theory of operation. If a node that is behind greeted all its peers, each would send it the same blocks. So it greets one
that may have more than it (the leader), and lets the others wait. Who will send nothing, because its head is held here or
is worse, is greeted at once: it is harmless. When the leader's head has been reached, or it is gone, the next one leads:
one that has said that it has more, before one that has said nothing. Patience is the node's, and goes on from one leader
to the next, so that many who bring nothing cost no more than one: when it ends, ``Limits.patience`` after a leader last
brought something new, and ``Limits.lead`` after the first of them, all are greeted.

    free --look--> led,   led --reached, left--> free,   led --tired--> all are greeted
"""

from typing import Final

from syncfsm.machine import ALWAYS, IGNORE, STAY, Rule
from syncfsm.sync.leader.types import FREE, LED, TIRED, Event

E = Event
ANY = (FREE, LED, TIRED)

# fmt: off
RULES: Final = (
    Rule(ANY,   E.JOINED, ALWAYS,              STAY,  "wait",           "Not greeted yet: it is looked at at the end of the step.", "decisions/0004"),
    Rule(LED,   E.LEFT,   "leads",             FREE,  "lose",           "The leader is gone.", "decisions/0004"),
    Rule(TIRED, E.LEFT,   "leads",             TIRED, "lose",           "The leader is gone, and all others are being greeted.", "decisions/0004"),
    Rule(ANY,   E.LEFT,   ALWAYS,              STAY,  "forget",         "It waits no longer, if it did.", "decisions/0004"),
    Rule(ANY,   E.HEARD,  "leader_spoke",      STAY,  "set_goal",       "Its head is what we want to reach.", "decisions/0004"),
    Rule(ANY,   E.HEARD,  ALWAYS,              STAY,  IGNORE,           "Its link keeps what it said.", "decisions/0004"),
    Rule(ANY,   E.GAINED, "leads",             STAY,  "be_helped",      "The leader brought something new: it is waited for as long again.", "decisions/0004"),
    Rule(ANY,   E.GAINED, ALWAYS,              STAY,  IGNORE,           "News from somebody else says nothing of the leader.", "decisions/0004"),
    Rule(FREE,  E.LOOK,   "first_is_harmless", FREE,  "greet_harmless", "It will send us nothing.", "decisions/0004"),
    Rule(FREE,  E.LOOK,   "one_is_ahead",      LED,   "follow_ahead",   "It says that it has more: follow it.", "decisions/0004"),
    Rule(FREE,  E.LOOK,   "one_waits",         LED,   "follow",         "It may have more than we: follow it.", "decisions/0004"),
    Rule(FREE,  E.LOOK,   ALWAYS,              STAY,  IGNORE,           "Nobody waits.", "decisions/0004"),
    Rule(LED,   E.LOOK,   "reached",           FREE,  "let_go",         "What the leader said it has, we have.", "decisions/0004"),
    Rule(LED,   E.LOOK,   "tired",             TIRED, "start_anew",     "It took too long.", "decisions/0004"),
    Rule(LED,   E.LOOK,   "harmless_waits",    LED,   "greet_harmless", "It will send us nothing.", "decisions/0004"),
    Rule(LED,   E.LOOK,   ALWAYS,              STAY,  IGNORE,           "The others wait.", "decisions/0004"),
    Rule(TIRED, E.LOOK,   "first_is_harmless", TIRED, "greet_harmless", "It will send us nothing.", "decisions/0004"),
    Rule(TIRED, E.LOOK,   "one_waits",         TIRED, "follow",         "All are greeted; the last one that may have more leads.", "decisions/0004"),
    Rule(TIRED, E.LOOK,   "nobody_leads",      FREE,  "let_go",         "All are greeted, and the leader is gone.", "decisions/0004"),
    Rule(TIRED, E.LOOK,   ALWAYS,              LED,   "keep",           "All are greeted.", "decisions/0004"),
)
# fmt: on
