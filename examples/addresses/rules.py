"""Addresses of further peers: one table, the same at both ends.

Theory of operation. Each side may ask the other, once in a while; the other's integrator is told (``Wanted``) and
answers in its own time (``Tell``). Who asks too often, or answers what was not asked, ends this protocol on the
connection, and nothing else.

    [*] --opened--> ready --ask--> asked --here--> ready,   any --ended, fault--> [*]
"""

from typing import Final

from addresses.types import ASKED, CLOSED, READY, Event
from syncfsm.machine import ALWAYS, IGNORE, STAY, VIOLATION, Rule

E = Event
OPEN = (READY, ASKED)
OURS = "examples/addresses"

# fmt: off
RULES: Final = (
    Rule(CLOSED, E.OPENED, ALWAYS,         READY,  "begin",   "The transport is up.", OURS),
    Rule(OPEN,   E.OPENED, ALWAYS,         STAY,   IGNORE,    "It is open already.", OURS),
    Rule(READY,  E.ASK,    "learnt_lately", STAY,  IGNORE,    "The peer would take it for a flood.", OURS),
    Rule(READY,  E.ASK,    ALWAYS,         ASKED,  "ask",     "We want to know more peers.", OURS),
    Rule(ASKED,  E.ASK,    ALWAYS,         STAY,   IGNORE,    "One question at a time.", OURS),
    Rule(OPEN,   E.PLEASE, "too_soon",     CLOSED, VIOLATION, "No correct peer asks so often.", OURS),
    Rule(OPEN,   E.PLEASE, ALWAYS,         STAY,   "want",    "The integrator knows addresses, we do not.", OURS),
    Rule(OPEN,   E.TELL,   "not_asked",    STAY,   IGNORE,    "Nobody asked, or the answer is given.", OURS),
    Rule(OPEN,   E.TELL,   ALWAYS,         STAY,   "tell",    "The answer, cut to what an answer may hold.", OURS),
    Rule(ASKED,  E.HERE,   "too_many",     CLOSED, VIOLATION, "No correct peer tells so many.", OURS),
    Rule(ASKED,  E.HERE,   ALWAYS,         READY,  "learn",   "What we asked for.", OURS),
    Rule(READY,  E.HERE,   ALWAYS,         CLOSED, VIOLATION, "Nobody asked.", OURS),
    Rule(OPEN,   E.FAULT,  ALWAYS,         CLOSED, VIOLATION, "What came is no message of this protocol.", OURS),
    Rule(OPEN,   E.ENDED,  ALWAYS,         CLOSED, "end",     "The connection is over.", OURS),
    Rule(CLOSED, tuple(event for event in E if event is not E.OPENED),
                           ALWAYS,         STAY,   IGNORE,    "It is over; what comes late changes nothing.", OURS),
)
# fmt: on
