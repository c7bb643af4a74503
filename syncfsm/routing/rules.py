"""Packets on a connection: one table, the same at both ends.

Theory of operation. What is decided across peers (``router/rules.py``) says what a peer gets: a packet, or word that it is
here. This table keeps what the peer has told and brought, so that it gets nothing that it has; holds a packet about a
block back until the peer has that block; and gives what was told of once to who asks for it. So a peer gets a packet
once, whatever it asks, and one that brings a packet twice is no correct one.

    [*] --opened--> open --ended, fault--> [*]
"""

from typing import Final

from syncfsm.machine import ALWAYS, IGNORE, STAY, VIOLATION, Rule
from syncfsm.routing.types import CLOSED, OPEN, Event

E = Event

# fmt: off
RULES: Final = (
    Rule(CLOSED, E.OPENED, ALWAYS,             OPEN,   "open",      "The transport is up.", "decisions/0024"),
    Rule(OPEN,   E.OPENED, ALWAYS,             STAY,   IGNORE,      "It is open already.", "decisions/0024"),

    # ---- What the peer says ----
    Rule(OPEN,   E.PASS,   "brought_before",   CLOSED, VIOLATION,   "A correct peer sends a packet once.", "founding/requirements#peer-mistake"),
    Rule(OPEN,   E.PASS,   "subject_lacking",  STAY,   IGNORE,      "Its block was refused or dropped here; late is not wrong.", "failure-modes#F16"),
    Rule(OPEN,   E.PASS,   ALWAYS,             STAY,   "bring",     "The router decides what becomes of it.", "founding/link-notes#judged-before-forwarding"),
    Rule(OPEN,   E.HAVE,   ALWAYS,             STAY,   "hear",      "It is not told of these, and may be asked for them.", "decisions/0024"),
    Rule(OPEN,   E.FETCH,  "told_of_none",     STAY,   IGNORE,      "What it was not told of, or has got, it does not get.", "founding/requirements#peer-mistake"),
    Rule(OPEN,   E.FETCH,  ALWAYS,             STAY,   "give",      "It gets each of these once.", "decisions/0024"),

    # ---- What the router decides ----
    Rule(OPEN,   E.SEND,   "peer_has_packet",  STAY,   IGNORE,      "It has the packet.", "decisions/0024"),
    Rule(OPEN,   E.SEND,   "peer_has_subject", STAY,   "send",      "It has the block, or that is on its way before the packet.", "founding/requirements#payloads"),
    Rule(OPEN,   E.SEND,   "hold_is_full",     STAY,   "displace",  "Too many wait: the oldest is dropped.", "founding/requirements#bounded-memory"),
    Rule(OPEN,   E.SEND,   ALWAYS,             STAY,   "hold",      "Wait until the peer has the block.", "founding/requirements#payloads"),
    Rule(OPEN,   E.TELL,   "peer_has_all",     STAY,   IGNORE,      "It has them.", "decisions/0024"),
    Rule(OPEN,   E.TELL,   ALWAYS,             STAY,   "tell",      "It gets them elsewhere, or asks.", "decisions/0024"),
    Rule(OPEN,   E.ASK,    ALWAYS,             STAY,   "ask",       "Nobody has brought them in time.", "decisions/0024"),
    Rule(OPEN,   E.BLAME,  ALWAYS,             CLOSED, VIOLATION,   "It is not signed by its origin, or the integrator says so.", "founding/requirements#peer-mistake"),

    Rule(OPEN,   E.NEWS,   "none_waits",       STAY,   IGNORE,      "No packet waits to be let go.", "founding/requirements#payloads"),
    Rule(OPEN,   E.NEWS,   ALWAYS,             STAY,   "let_go",    "What waited for a block goes as soon as the peer has it.", "founding/requirements#payloads"),
    Rule(OPEN,   E.FAULT,  ALWAYS,             CLOSED, VIOLATION,   "What came is no message of this protocol.", "founding/requirements#peer-mistake"),
    Rule(OPEN,   E.ENDED,  ALWAYS,             CLOSED, "end",       "The connection is over.", "founding/requirements#one-disconnect"),
    Rule(CLOSED, tuple(event for event in E if event is not E.OPENED),
                           ALWAYS,             STAY,   IGNORE,      "It is over; what comes late changes nothing.", "failure-modes#F11"),
)
# fmt: on
