"""Where a node has its blocks from, and where it sends them: one table, one value a node.

Theory of operation. A node greets all its peers, and wants blocks from one of them, its feed; the others only tell it
what their head is. Trees follow from that: what all nodes have for a feed spans the network, with the one that makes
blocks at its root, and each block goes to each node once.

A node that hears of a block waits for its feed to bring it, about twice as long as that took lately. If it does not come,
the node asks one who told of it, and then the next: all who told, once it has waited for ``Limits.patience``. Who brings
blocks first becomes the feed, and the others are shut. What a feed has said that it has it is to bring; when it is the
feed no longer, it is one of those that are to be asked for that. So a feed that dies, falls silent, slows down or lies costs
this time once; it is worn, and asked when nobody else can be. A peer that several times in a row has told of blocks well
before the feed brought them is asked to race it: who brings the next one first is the feed.

Where blocks begin to come from another side of the network, since another node makes them, the edges on the way are
turned round by those who bring them (they ``give``), with no time lost. Whoever makes a block gives it to its feed.

    alone --joined--> fed --left--> alone
"""

from typing import Final

from syncfsm.machine import ALWAYS, IGNORE, STAY, Rule
from syncfsm.sync.feed.types import ALONE, FED, Event

E = Event

# fmt: off
RULES: Final = (
    # ---- Who is there ----
    Rule(ALONE, E.JOINED,   ALWAYS,                FED,   "adopt",           "The first that comes is the feed.", "decisions/0023"),
    Rule(FED,   E.JOINED,   "is_there",            STAY,  IGNORE,            "It is greeted already.", "decisions/0023"),
    Rule(FED,   E.JOINED,   ALWAYS,                STAY,  "greet_beside",    "It is greeted, and tells its head; blocks come from the feed.", "founding/link-notes#prune-incoming"),
    Rule(FED,   E.LEFT,     "feeds_alone",         ALONE, "lose",            "The feed is gone, and nobody else is there.", "decisions/0023"),
    Rule(FED,   E.LEFT,     "feeds",               STAY,  "turn",            "The feed is gone: at once to another.", "failure-modes#F18"),
    Rule(FED,   E.LEFT,     ALWAYS,                STAY,  "forget",          "Blocks come from the feed as before.", "decisions/0023"),

    Rule(FED,   (E.AHEAD, E.WANTED, E.UNWANTED, E.GIVEN, E.REFUSED),
                            "has_left",            STAY,  IGNORE,            "It is gone.", "failure-modes#F11"),

    # ---- Blocks come ----
    Rule(FED,   E.GAINED,   "rival_is_due",        STAY,  "race",            "Another has told of it well before, several times in a row: let the two race.", "failure-modes#F21"),
    Rule(FED,   E.GAINED,   "race_is_lost",        STAY,  "end_race",        "The feed was first several times in a row: it is the faster one.", "failure-modes#F21"),
    Rule(FED,   E.GAINED,   "feeds",               STAY,  "be_helped",       "The feed brought it: who was asked beside it, and has no more, is shut.", "founding/link-notes#prune-incoming"),
    Rule(FED,   E.GAINED,   "gives",               STAY,  "turn_round",      "Blocks come from its side now: it is the feed, and the old one gets them from us.", "founding/link-notes#spanning-tree"),
    Rule(FED,   E.GAINED,   "asked",               STAY,  "graft",           "The first to deliver is the feed: the old one is shut.", "founding/link-notes#backup-receives"),
    Rule(FED,   E.GAINED,   ALWAYS,                STAY,  IGNORE,            "It was under way when it was shut.", "founding/link-notes#backup-receives"),
    Rule(FED,   E.MADE,     "is_given",            STAY,  IGNORE,            "They go to those that are served.", "decisions/0023"),
    Rule(FED,   E.MADE,     "gift_declined",       STAY,  "turn_to_child",   "What we make it has from another: a child is our feed, as it brings nothing twice.", "decisions/0023"),
    Rule(FED,   E.MADE,     ALWAYS,                STAY,  "give",            "A producer's own blocks always go out in full to its feed: the network beyond has them from there.", "founding/link-notes#spanning-tree"),

    # ---- A peer says that it has more ----
    Rule(FED,   (E.AHEAD, E.GIVEN),
                            "feed_is_on_again",    STAY,  "ask_feed_again",  "Its operator lets it send us blocks again.", "founding/link-notes#off"),
    Rule(FED,   E.AHEAD,    "said_by_feed",        STAY,  IGNORE,            "It will bring it.", "decisions/0023"),
    Rule(FED,   E.AHEAD,    "asked_already",       STAY,  IGNORE,            "It was asked.", "decisions/0023"),
    Rule(FED,   E.AHEAD,    "feed_has_no_more",    STAY,  "ask_at_once",     "The feed is new, and says that it has no more than we.", "decisions/0023"),
    Rule(FED,   E.AHEAD,    ALWAYS,                STAY,  "note_ahead",      "The feed will bring it; if not in time, it is asked.", "failure-modes#F17"),

    # ---- Time ----
    Rule(FED,   E.LATE,     "asked_in_vain",       STAY,  "give_up",         "It told of a block and did not bring it, or the race is over: it is shut.", "failure-modes#F20"),
    Rule(FED,   E.LATE,     "patience_ends",       STAY,  "ask_all",         "Too long without what there is: all who told of it are asked.", "failure-modes#F22"),
    Rule(FED,   E.LATE,     "one_is_ahead",        STAY,  "ask_next",        "The feed is late: who told of the block first is asked.", "failure-modes#F17"),
    Rule(FED,   E.LATE,     ALWAYS,                STAY,  "calm",            "All that was told of is here.", "decisions/0023"),

    # ---- A peer sends no blocks ----
    Rule(FED,   E.GIVEN,    "said_by_feed",        STAY,  IGNORE,            "It is the feed.", "decisions/0023"),
    Rule(FED,   E.GIVEN,    ALWAYS,                STAY,  "take_offer",      "If it brings blocks first, it is the feed.", "founding/link-notes#backup-receives"),
    Rule(FED,   E.REFUSED,  "feed_refuses_others_left", STAY, "turn_to_another", "The feed sends to as many as it may: to another.", "decisions/0023"),
    Rule(FED,   E.REFUSED,  "feed_is_off",         STAY,  "stand_still",     "Its operator wants us to have no blocks from there, and nobody else is left.", "founding/link-notes#off"),
    Rule(FED,   E.REFUSED,  "said_by_feed",        STAY,  "insist",          "Nobody else is left: a node yields to one that has no alternative.", "failure-modes#F22"),
    Rule(FED,   E.REFUSED,  ALWAYS,                STAY,  "be_refused",      "The others are asked before it.", "decisions/0023"),

    # ---- Whom we send blocks ----
    Rule(FED,   E.WANTED,   "serves",              STAY,  "serve",           "It gets them already.", "decisions/0023"),
    Rule(FED,   E.WANTED,   "has_gate",            STAY,  "serve",           "It gets what it lacks, and what comes.", "founding/link-notes#active"),
    Rule(FED,   E.WANTED,   ALWAYS,                STAY,  "refuse",          "As many are served as may be: it is told of others.", "decisions/0023"),
    Rule(FED,   E.UNWANTED, ALWAYS,                STAY,  "unserve",         "It has its blocks from another.", "founding/link-notes#prune-incoming"),

    # ---- Nobody is there ----
    Rule(ALONE, tuple(event for event in E if event is not E.JOINED),
                            ALWAYS,                STAY,  IGNORE,            "Nobody is there.", "decisions/0023"),
)
# fmt: on
