"""The connection: one table, the same at both ends.

Theory of operation. A connection begins when the transport is up and both sides have greeted, and ends exactly once. It
has one purse, ``room``, from which every protocol pays for the blocks that it hands to the transport, and which the
transport fills again as it writes them; so no protocol needs a bound of its own on what may be under way. Whatever
arrives is a sign of life. Who gives none for ``keepalive`` is asked for one, and given up after ``silence``. This is the
only table that ends a connection: an essential protocol that cannot go on asks for it (``leave``). When it ends, the
other protocols are told first, so that its last words (bye, disconnect) are the last.

    [*] --connect--> open --tick, bye, leave, lost, fault--> [*]
"""

from typing import Final

from syncfsm.machine import ALWAYS, IGNORE, STAY, VIOLATION, Rule
from syncfsm.peer.types import CLOSED, OPEN, Event

E = Event

# fmt: off
RULES: Final = (
    Rule(CLOSED, E.CONNECT, ALWAYS,   OPEN,   "open",        "The transport is up.", "founding/link-notes#hello-on-start"),
    Rule(OPEN,   E.CONNECT, ALWAYS,   STAY,   "misuse",      "A connection has one name, and starts once.", "founding/requirements#local-error"),

    # ---- Signs of life ----
    Rule(OPEN,   E.HEARD,   ALWAYS,   STAY,   "note_life",   "Whatever arrives is a sign of life.", "founding/requirements#signs-of-life"),
    Rule(OPEN,   E.PING,    ALWAYS,   STAY,   "pong",        "A sign of life.", "founding/requirements#signs-of-life"),
    Rule(OPEN,   E.PONG,    ALWAYS,   STAY,   IGNORE,        "Its arrival was the sign.", "founding/requirements#signs-of-life"),
    Rule(OPEN,   E.TICK,    "silent", CLOSED, "part_silent", "No sign of life within the limit.", "failure-modes#F47"),
    Rule(OPEN,   E.TICK,    "quiet",  STAY,   "ping",        "Ask for a sign of life.", "founding/requirements#signs-of-life"),
    Rule(OPEN,   E.TICK,    ALWAYS,   STAY,   IGNORE,        "Nothing is due.", "founding/requirements#signs-of-life"),

    # ---- The purse ----
    Rule(OPEN,   E.SPENT,   ALWAYS,   STAY,   "spend",       "What is handed to the transport takes room until it is written.", "founding/link-notes#ordering-constraints"),
    Rule(OPEN,   E.ROOM,    ALWAYS,   STAY,   "gain",        "The transport has written it, and can take more.", "founding/link-notes#ordering-constraints"),

    # ---- A connection ends, once ----
    Rule(OPEN,   E.BYE,     ALWAYS,   CLOSED, "take_leave",  "The peer said why.", "founding/requirements#one-disconnect"),
    Rule(OPEN,   E.LEAVE,   ALWAYS,   CLOSED, "leave",       "We say why.", "founding/requirements#one-disconnect"),
    Rule(OPEN,   E.LOST,    ALWAYS,   CLOSED, "lose",        "Nothing can be said any more.", "failure-modes#F11"),
    Rule(OPEN,   E.FAULT,   ALWAYS,   CLOSED, VIOLATION,     "What came is no message.", "founding/requirements#peer-mistake"),
    Rule(CLOSED, tuple(event for event in E if event is not E.CONNECT),
                            ALWAYS,   STAY,   IGNORE,        "The connection is over; what comes late changes nothing.", "failure-modes#F11"),
)
# fmt: on
