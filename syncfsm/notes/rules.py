"""Payloads about blocks: one table, the same at both ends.

Theory of operation. A payload may refer to a block (``about``), and must not be delivered before that block. Whoever has
one for a peer sends it at once if the peer is known to have the block, or if the block is on its way before it; else it
is held back until the peer has the block. What the peer has is what sync knows of it, which is read and never written
here. Not every payload can be kept: the oldest goes back to the integrator when too many wait, and so does one whose
block left our best chain, or whose connection ended.

    [*] --opened--> open --ended--> [*]
"""

from typing import Final

from syncfsm.machine import ALWAYS, IGNORE, STAY, Rule
from syncfsm.notes.types import CLOSED, OPEN, Event

E = Event

# fmt: off
RULES: Final = (
    Rule(CLOSED, E.OPENED, ALWAYS,             OPEN,   "open",      "The transport is up.", "founding/link-notes#hello-on-start"),
    Rule(OPEN,   E.OPENED, ALWAYS,             STAY,   IGNORE,      "It is open already.", "founding/link-notes#hello-on-start"),
    Rule(OPEN,   E.SAY,    "peer_has_subject", STAY,   "send",      "The peer has the block, or it is already on its way before this.", "founding/requirements#payloads"),
    Rule(OPEN,   E.SAY,    "hold_is_full",     STAY,   "displace",  "Too many wait: the oldest goes back to the integrator.", "founding/requirements#bounded-memory"),
    Rule(OPEN,   E.SAY,    ALWAYS,             STAY,   "hold",      "Wait until the peer has the block.", "founding/requirements#payloads"),
    Rule(OPEN,   E.NOTE,   "subject_held",     STAY,   "deliver",   "A payload is delivered where its block is held.", "founding/requirements#payloads"),
    Rule(OPEN,   E.NOTE,   ALWAYS,             STAY,   IGNORE,      "Its block was refused or dropped here; late is not wrong.", "failure-modes#F16"),
    Rule(OPEN,   E.NEWS,   "none_waits",       STAY,   IGNORE,      "There is nothing to let go.", "founding/requirements#payloads"),
    Rule(OPEN,   E.NEWS,   ALWAYS,             STAY,   "let_go",    "What waited for a block goes as soon as the peer has it, and comes back if it never will.", "founding/requirements#payloads"),
    Rule(OPEN,   E.ENDED,  ALWAYS,             CLOSED, "give_back", "What still waits goes back to the integrator.", "founding/requirements#one-disconnect"),
    Rule(CLOSED, tuple(event for event in E if event is not E.OPENED),
                           ALWAYS,             STAY,   IGNORE,      "The connection is over; what comes late changes nothing.", "failure-modes#F11"),
)
# fmt: on
