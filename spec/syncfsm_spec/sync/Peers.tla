-------------------------------- MODULE Peers --------------------------------
(* What a node decides across several peers: from whom it has its blocks,   *)
(* and to whom it sends them. One node, its feed, and an environment to     *)
(* which it listens: of each peer it is known whether it says that it has   *)
(* more, and nothing else of the links: all have greeted, none is off, and  *)
(* none is known to lack anything. Relay.tla has nodes with their links,    *)
(* which say less to a feed than here is tried.                             *)
EXTENDS Feeds

CONSTANTS Start,         \* a feed
          Moves, Times   \* what may happen, and how often

VARIABLES feed,  \* what it has decided
          more,  \* who says that it has more than we
          did,   \* the row that fired last, and what was said to whom
          left   \* left[i]: how often move i may still happen
vars == <<feed, more, did, left>>

-----------------------------------------------------------------------------
(* What happens.                                                            *)

Init == feed = Start /\ more = {} /\ did = [row |-> "", pokes |-> <<>>] /\ left = Times

Becomes(does, m) ==
    LET after == does
    IN  /\ feed' = after.feed
        /\ did' = [row |-> after.row, pokes |-> after.pokes]
        /\ more' = m

RECURSIVE AllLate(_, _)
AllLate(r, m) ==
    LET due == Deadlines(r.feed)
        late == OnLate(r.feed, m)
    IN  IF due = {} \/ Min(due) > 0 THEN r
        ELSE AllLate(Row(IF r.row = "" THEN late.row ELSE r.row, late.feed, r.pokes \o late.pokes), m)
Late ==
    LET due == Deadlines(feed)
    IN  /\ due # {}
        /\ Becomes(AllLate(Row("", Aged(feed, Max({0, Min(due)})), <<>>), more), more)
        /\ left' = left

Happens(move) ==
    LET p == move.peer
        here == {feed.peer} \cup Range(feed.others)
        ahead == more \cup {p}
        rest == more \ {p}
    IN  /\ feed.peer # None \/ move.kind = "join"
        /\ IF move.kind = "join" THEN p \notin here ELSE move.kind = "made" \/ p \in here
        /\ CASE move.kind = "join"     -> Becomes(OnJoined(feed, p), more)
             [] move.kind = "left"     -> Becomes(OnLeft(feed, p, rest), rest)
             [] move.kind = "ahead"    -> Becomes(OnAhead(feed, p, ahead, here), ahead)
             [] move.kind = "all"      -> Becomes(OnGained(feed, p, {}, {}), {})
             [] move.kind = "some"     -> Becomes(OnGained(feed, p, more, {}), more)
             [] move.kind = "made"     -> Becomes(OnMade(feed, more, {}), more)
             [] move.kind = "given"    -> Becomes(OnGiven(feed, p), more)
             [] move.kind = "busy"     -> Becomes(OnRefused(feed, p, FALSE, more), more)
             [] move.kind = "off"      -> Becomes(OnRefused(feed, p, TRUE, more), more)
             [] move.kind = "wanted"   -> Becomes(OnWanted(feed, p, FALSE), more)
             [] move.kind = "insists"  -> Becomes(OnWanted(feed, p, TRUE), more)
             [] move.kind = "unwanted" -> Becomes(OnUnwanted(feed, p), more)

Next ==
    \/ Late
    \/ \E i \in 1..Len(Moves) : left[i] > 0 /\ left' = [left EXCEPT ![i] = @ - 1] /\ Happens(Moves[i])
Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* What must hold: the feed's part of OneFeed. Whoever waits for nobody     *)
(* else has no deadline.                                                    *)
OneFeed ==
    LET asked == [i \in 1..Len(feed.asked) |-> feed.asked[i].peer]
    IN  /\ feed.peer = None => feed = NoFeed
        /\ feed.peer \notin Range(feed.others) \cup Range(feed.ahead) \cup Range(asked)
        /\ Range(feed.ahead) \cup Range(asked) \subseteq Range(feed.others)
        /\ Cardinality(Range(asked)) = Len(asked) /\ Range(asked) \cap Range(feed.ahead) = {}
        /\ feed.waits = <<>> <=> feed.ahead = <<>> /\ \A a \in Range(feed.asked) : a.why = "race"

(* AllHeard: who says that it has more is the feed, was asked, or is to be; *)
(* unless it gives none.                                                    *)
AllHeard ==
    LET here == {feed.peer} \cup Range(feed.others)
    IN  more \cap here \subseteq {feed.peer} \cup Range(feed.ahead) \cup Askeds(feed) \cup Range(feed.off)
==============================================================================
