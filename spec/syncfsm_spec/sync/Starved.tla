------------------------------ MODULE Starved -------------------------------
(* The worlds of Relay.tla in which one node is watched: for how long it   *)
(* knows that a correct peer has more, and does not ask it; and how soon   *)
(* it asks again. Whoever is watched is one that loses patience before its *)
(* feed is late.                                                           *)
EXTENDS RelayPromises

CONSTANTS Watched, Correct  \* the node, and its peer

VARIABLES watch,  \* thousandths of a second for which it has known, and not asked
          pause   \* since it last asked, at most Patience; below 0 once it asked again too soon

Unasked ==
    LET l == link[Watched][Correct]
    IN  l # Closed /\ ~l.wanted /\ feed[Watched].peer # Correct /\ Ahead(l, View(chain[Watched]))
Asks == \E p \in Linked[Watched] : SaysA("want", Watched, p)

(* A step of that node, in which so much time passes, if it `waits`.       *)
Noted(waits, time) ==
    LET now == IF pause < 0 THEN pause ELSE Min2(pause + time, Patience)
    IN  /\ watch' = IF waits /\ Unasked THEN watch + time ELSE IF Unasked' THEN watch ELSE 0
        /\ pause' = IF ~Asks THEN now ELSE IF now >= Patience THEN 0 ELSE -1

Takes(move) ==
    CASE move.kind = "lie"                -> FALSE
      [] move.kind \in {"connect", "cut"} -> Watched \in {move.node, move.peer}
      [] OTHER                            -> move.node = Watched
Noting(move) == IF move.kind = "wait" THEN Noted(TRUE, move.time) ELSE Noted(FALSE, 0)

Init == Begins /\ watch = 0 /\ pause = Patience
Next ==
    \/ Heeds(Watched) /\ Noted(FALSE, 0)
    \/ Late(Watched) /\ Noted(TRUE, UntilLate(Watched))
    \/ \E n \in Node \ {Watched} : (Heeds(n) \/ Late(n)) /\ UNCHANGED <<watch, pause>>
    \/ \E i \in 1..Len(Moves) : Move(i) /\ IF Takes(Moves[i]) THEN Noting(Moves[i]) ELSE UNCHANGED <<watch, pause>>
Spec == Init /\ [][Next]_<<vars, watch, pause>>
FairSpec == Spec /\ Fairness

-----------------------------------------------------------------------------
(* No correct peer waits for longer than the node is patient; and the node *)
(* is patient anew before it asks again.                                   *)
NotStarved == watch <= Patience
OneFeedInTime == pause >= 0
=============================================================================
