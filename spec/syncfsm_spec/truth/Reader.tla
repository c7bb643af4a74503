------------------------------- MODULE Reader -------------------------------
(* The reader's machine. Each row is a line, named by its event and its    *)
(* guard, or by its event and its action if it has no guard; a row of      *)
(* several events is named by the first. The rows of an event are tried    *)
(* from the top. The table is the one in syncfsm/truth/reader/rules.py.    *)
(*                                                                         *)
(* Left out: that nothing is heard for too long, and what is said of blobs *)
(* that are skipped. Time passes only when something waits for it, so it   *)
(* is always now, and `until` is how long is waited.                       *)
EXTENDS Layer

CONSTANTS Window,      \* how many heights are asked for at once, at most
          Finality,    \* how many blocks at the layer's end may be taken back
          Poll,        \* how long a reader at the layer's end waits
          BackOff,     \* how long one waits after the first failure
          BackOffMost  \* and at most

RECURSIVE Pause(_)
Pause(tries) == IF tries = 0 THEN Min2(BackOff, BackOffMost) ELSE Min2(2 * Pause(tries - 1), BackOffMost)

Mark(place, tip) == [place |-> place, tip |-> tip]
(* What of a reader outlives it.                                           *)
Kept(final, trail) == [final |-> final, trail |-> trail]
At(mark) == Kept(mark, <<>>)
Start == At(Mark(Nowhere, Genesis))
(* asked: the heights that were asked for and not judged; early: what came *)
(* before its turn, as the layer said it, lowest first;                    *)
(* width: how many heights are asked for at once.                          *)
Reader(kept) == [state |-> "idle", final |-> kept.final, trail |-> kept.trail, asked |-> {}, early |-> <<>>,
                 width |-> 1, until |-> 0, tries |-> 0, why |-> ""]
NoReader == Reader(At(Mark(Nowhere, None)))

Read(r) == IF r.trail = <<>> THEN r.final ELSE Last(r.trail)
ReadTip(r) == Read(r).tip
NextHeight(r) == Read(r).place.height + 1

(* What a step makes: the row, the reader, the heights that it asks for,   *)
(* whether it is to be kept, and an early answer whose turn it is now, in  *)
(* a sequence of at most one.                                              *)
Row(name, state, did) == [row |-> name, reader |-> [did.reader EXCEPT !.state = state], asks |-> did.asks,
                          keeps |-> did.keeps, turn |-> did.turn]
Did(r, asks, keeps, turn) == [reader |-> r, asks |-> asks, keeps |-> keeps, turn |-> turn]
Same(r) == Did(r, {}, FALSE, <<>>)

-----------------------------------------------------------------------------
(* Guards, and actions. See guards.py and actions.py.                      *)

Follows(r, place) == Read(r).place.id \in {None, place.parent}

(* It asks as far as it may, and what came early may be the next now.      *)
Asking(r, keeps) ==
    LET next == NextHeight(r)
        wanted == next..next + r.width - 1 \ r.asked
        turn == r.early # <<>> /\ r.early[1].place.height = next
    IN  Did([r EXCEPT !.asked = @ \cup wanted], wanted, keeps, IF turn THEN <<r.early[1]>> ELSE <<>>)
Ask(r, width) == Asking([r EXCEPT !.until = 0, !.width = Min2(width, Window)], FALSE)
Judged(r, height) ==
    [r EXCEPT !.asked = @ \ {height}, !.early = SelectSeq(@, LAMBDA a : a.place.height # height)]
Heights(early) == {early[i].place.height : i \in 1..Len(early)}
Dropped(r) == [r EXCEPT !.asked = @ \ Heights(r.early), !.early = <<>>]
Early(r, a) ==
    LET below == SelectSeq(r.early, LAMBDA e : e.place.height < a.place.height)
        above == SelectSeq(r.early, LAMBDA e : e.place.height > a.place.height)
    IN  Same([r EXCEPT !.early = below \o <<a>> \o above])
(* What was kept is as good as long as the same is confirmed and final.    *)
Keeps(r, new) == Asking(new, ReadTip(new) # ReadTip(r) \/ new.final.tip # r.final.tip)
GoOn(r, mark) ==
    LET trail == Append(r.trail, mark)
        deep == Len(trail) > Finality
        new == [Judged(r, NextHeight(r)) EXCEPT !.width = Min2(@ + 1, Window), !.final = IF deep THEN trail[1] ELSE @, !.trail = IF deep THEN Tail(trail) ELSE trail,
                         !.tries = 0, !.why = ""]
    IN  Keeps(r, new)
StepBack(r) == Keeps(r, [Dropped(Judged(r, NextHeight(r))) EXCEPT !.trail = SubSeq(@, 1, Len(@) - 1), !.why = ""])
Ends(r) == [Dropped(Judged(r, NextHeight(r))) EXCEPT !.width = 1]
BreakOff(r, why) == Same([r EXCEPT !.asked = {}, !.early = <<>>, !.until = 0, !.why = why])
Rest(r) == Same([Ends(r) EXCEPT !.until = Poll, !.tries = 0, !.why = ""])
BackOffNow(r) == Same([Ends(r) EXCEPT !.until = Pause(r.tries), !.tries = @ + 1, !.why = "out"])
Lose(r) == Same([Ends(r) EXCEPT !.until = BackOffMost, !.why = ""])

-----------------------------------------------------------------------------
(* The table.                                                              *)

Waiting == {"resting", "troubled", "lost"}

\* It begins at what was kept, or at a mark that somebody gives.
OnMark(r, kept) ==
    IF r.state \in {"idle", "lost"} THEN Row("BeginBegin", "reading", Ask([Reader(kept) EXCEPT !.asked = Dropped(r).asked], 1))
    ELSE Row("BeginIgnore", r.state, Same(r))

\* The layer answers.
OnBlock(r, a) ==
    IF ~Follows(r, a.place) /\ r.trail = <<>> THEN Row("BlobsBreaksFinality", "broken", BreakOff(r, ""))
    ELSE IF ~Follows(r, a.place) THEN Row("BlobsIsOther", r.state, StepBack(r))
    ELSE IF a.type = "blobs"
    THEN Row("BlobsRead", r.state, GoOn(r, Mark(a.place, Confirms(ReadTip(r), a.blobs))))
    ELSE Row("NonePassBy", r.state, GoOn(r, Mark(a.place, ReadTip(r))))
(* What is judged when its turn comes.                                     *)
CanWait(r, a) == a.type \in {"blobs", "none"} \/ (a.type = "future" /\ r.state = "reading")
OnAnswer(r, height, a) ==
    IF r.state \in {"idle", "broken"} THEN Row("BlobsIgnore", r.state, Same(r))
    ELSE IF height \notin r.asked THEN Row("BlobsNotAsked", r.state, Same(r))
    ELSE IF a.type = "broken" THEN Row("BrokeHeed", "broken", BreakOff(r, "broken"))
    ELSE IF CanWait(r, a) /\ height > NextHeight(r) THEN Row("BlobsIsEarly", r.state, Early(r, a))
    ELSE IF r.state \in Waiting THEN Row("BlobsForget", r.state, Same(Judged(r, height)))
    ELSE IF height > NextHeight(r) THEN Row("PrunedIsEarly", r.state, Same(Judged(r, height)))
    ELSE IF height < NextHeight(r) THEN Row("BlobsIsPast", r.state, Same(Judged(r, height)))
    ELSE CASE a.type \in {"blobs", "none"} -> OnBlock(r, a)
           [] a.type = "future"  -> Row("FutureRest", "resting", Rest(r))
           [] a.type = "pruned"  -> Row("PrunedLose", "lost", Lose(r))
           [] a.type = "trouble" -> Row("TroubleBackOff", "troubled", BackOffNow(r))

\* The node can not follow what was read.
OnRefused(r) ==
    IF r.state \in {"idle", "broken"} THEN Row("RefusedIgnore", r.state, Same(r))
    ELSE Row("RefusedGiveUp", "broken", BreakOff(r, ""))

\* The layer says where its end is.
OnNews(r, head) ==
    IF r.state \in {"resting", "troubled"} /\ head >= NextHeight(r)
    THEN Row("NewsIsFurther", "reading", Ask(r, head - NextHeight(r) + 1))
    ELSE Row("NewsIgnore", r.state, Same(r))

\* As much time passes as is waited for.
OnTime(r) ==
    IF r.state \in Waiting THEN Row("TickIsDue", "reading", Ask(r, 1)) ELSE Row("TickIgnore", r.state, Same(r))
=============================================================================
