"""Where packets go: one table, one value a node.

Theory of operation. Nothing is passed on that the integrator has not judged: a packet that comes, and is new, and whose
signature is its origin's, waits for the verdict. Found valid, it is delivered, which its number remembers for good, and
goes on.

A broadcast goes along the edges over which blocks go, in both directions: they span the network. All other peers are told
that it is here. Who is told of a packet that does not come within ``Limits.graft`` asks for it, one teller after the
other. A peer that joins is told of all that is kept. So a packet comes once where the tree holds, and over any connection
where it is broken.

A packet to a producer goes the way that its newest block came. These ways lead to it without a circle, as each node on
them had that block before the one behind it; where there is none, the packet is broadcast from there. If the connection
that it went along ends, it goes anew.
"""

from typing import Final

from syncfsm.machine import ALWAYS, IGNORE, STAY, Rule
from syncfsm.routing.router.types import ROUTING, Event

E = Event

# fmt: off
RULES: Final = (
    # ---- Who is there ----
    Rule(ROUTING, E.JOINED,   "is_there",      STAY, IGNORE,     "It was told already.", "decisions/0024"),
    Rule(ROUTING, E.JOINED,   ALWAYS,          STAY, "greet",    "It is told of all that is kept: it may have missed it.", "decisions/0024"),
    Rule(ROUTING, E.LEFT,     "is_unknown",    STAY, IGNORE,     "It did not speak this protocol, or broke it.", "decisions/0024"),
    Rule(ROUTING, E.LEFT,     ALWAYS,          STAY, "lose",     "What went along this connection goes anew.", "founding/link-notes#transport-layer"),
    Rule(ROUTING, E.LEFT_OUT, ALWAYS,          STAY, "leave_out", "What went along this connection goes anew.", "founding/requirements#peer-mistake"),

    # ---- Ways to producers ----
    Rule(ROUTING, E.TAKEN,    "shows_no_way",  STAY, IGNORE,     "It is not known who made them, or higher blocks came from elsewhere.", "decisions/0024"),
    Rule(ROUTING, E.TAKEN,    ALWAYS,          STAY, "find_ways", "The way to a producer is the way that its blocks come.", "founding/link-notes#transport-layer"),

    # ---- A packet comes ----
    Rule(ROUTING, E.PUBLISH,  "unfit",         STAY, "reject",   "No peer would take it: a mistake of the caller.", "founding/requirements#local-error"),
    Rule(ROUTING, E.PUBLISH,  ALWAYS,          STAY, "publish",  "A packet of this node's own.", "founding/link-notes#transport-layer"),
    Rule(ROUTING, E.CAME,     "known",         STAY, IGNORE,     "It is here, or was, or is being judged.", "decisions/0024"),
    Rule(ROUTING, E.CAME,     "no_place",      STAY, IGNORE,     "Too many wait for a verdict, or it is one origin too many.", "founding/requirements#bounded-memory"),
    Rule(ROUTING, E.CAME,     "forged",        STAY, "blame",    "It is not signed by its origin.", "founding/requirements#peer-mistake"),
    Rule(ROUTING, E.CAME,     ALWAYS,          STAY, "judge",    "The integrator judges it before it goes anywhere.", "founding/link-notes#judged-before-forwarding"),
    Rule(ROUTING, E.JUDGED,   "not_waiting",   STAY, IGNORE,     "The verdict came late, or again.", "decisions/0024"),
    Rule(ROUTING, E.JUDGED,   "valid",         STAY, "accept",   "It is delivered and passed on.", "founding/link-notes#judged-before-forwarding"),
    Rule(ROUTING, E.JUDGED,   "penalised",     STAY, "condemn",  "No correct peer would have passed it on.", "founding/requirements#peer-mistake"),
    Rule(ROUTING, E.JUDGED,   ALWAYS,          STAY, "refuse",   "It goes no further.", "founding/link-notes#judged-before-forwarding"),

    # ---- Repair ----
    Rule(ROUTING, E.TOLD,     "told_nothing_new", STAY, IGNORE,  "All of it is here, or was.", "decisions/0024"),
    Rule(ROUTING, E.TOLD,     ALWAYS,          STAY, "note",     "They will come from another; if not in time, they are asked for.", "decisions/0024"),
    Rule(ROUTING, E.FETCHED,  "keeps_none",    STAY, IGNORE,     "It is not kept any more.", "founding/requirements#bounded-memory"),
    Rule(ROUTING, E.FETCHED,  ALWAYS,          STAY, "serve",    "It did not come to that peer otherwise.", "decisions/0024"),
    Rule(ROUTING, E.LATE,     "verdict_is_late", STAY, "drop",   "The integrator has not judged it in time.", "founding/requirements#bounded-memory"),
    Rule(ROUTING, E.LATE,     ALWAYS,          STAY, "fetch",    "It was told of, and nobody brought it: who told is asked.", "decisions/0024"),
)
# fmt: on
