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

CONSTANTS Finality,    \* how many blocks at the layer's end may be taken back
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
Reader(kept) == [state |-> "idle", final |-> kept.final, trail |-> kept.trail, until |-> 0, tries |-> 0, why |-> ""]
NoReader == Reader(At(Mark(Nowhere, None)))

Read(r) == IF r.trail = <<>> THEN r.final ELSE Last(r.trail)
ReadTip(r) == Read(r).tip
NextHeight(r) == Read(r).place.height + 1

(* What a step makes: the row, the reader, the height that it asks for,    *)
(* and whether it is to be kept.                                           *)
Row(name, state, did) == [row |-> name, reader |-> [did.reader EXCEPT !.state = state], asks |-> did.asks,
                          keeps |-> did.keeps]
Did(r, asks, keeps) == [reader |-> r, asks |-> asks, keeps |-> keeps]
Same(r) == Did(r, None, FALSE)

-----------------------------------------------------------------------------
(* Guards, and actions. See guards.py and actions.py.                      *)

Follows(r, place) == Read(r).place.id \in {None, place.parent}

Ask(r) == Did([r EXCEPT !.until = 0], NextHeight(r), FALSE)
(* What was kept is as good as long as the same is confirmed and final.    *)
Keeps(r, new) == Did(new, NextHeight(new), ReadTip(new) # ReadTip(r) \/ new.final.tip # r.final.tip)
GoOn(r, mark) ==
    LET trail == Append(r.trail, mark)
        deep == Len(trail) > Finality
        new == [r EXCEPT !.final = IF deep THEN trail[1] ELSE @, !.trail = IF deep THEN Tail(trail) ELSE trail,
                         !.tries = 0, !.why = ""]
    IN  Keeps(r, new)
StepBack(r) == Keeps(r, [r EXCEPT !.trail = SubSeq(@, 1, Len(@) - 1), !.why = ""])
Rest(r) == Same([r EXCEPT !.until = Poll, !.tries = 0, !.why = ""])
BackOffNow(r) == Same([r EXCEPT !.until = Pause(r.tries), !.tries = @ + 1, !.why = "out"])
Lose(r) == Same([r EXCEPT !.until = BackOffMost, !.why = ""])

-----------------------------------------------------------------------------
(* The table.                                                              *)

Waiting == {"resting", "troubled", "lost"}

\* It begins at what was kept, or at a mark that somebody gives.
OnMark(r, kept) ==
    IF r.state \in {"idle", "lost"} THEN Row("BeginBegin", "reading", Ask(Reader(kept)))
    ELSE Row("BeginIgnore", r.state, Same(r))

\* The layer answers.
OnBlock(r, a) ==
    IF a.place.height # NextHeight(r) THEN Row("BlobsNotAsked", r.state, Same(r))
    ELSE IF ~Follows(r, a.place) /\ r.trail = <<>> THEN Row("BlobsBreaksFinality", "broken", Same(r))
    ELSE IF ~Follows(r, a.place) THEN Row("BlobsIsOther", r.state, StepBack(r))
    ELSE IF a.type = "blobs"
    THEN Row("BlobsRead", r.state, GoOn(r, Mark(a.place, Confirms(ReadTip(r), a.blobs))))
    ELSE Row("NonePassBy", r.state, GoOn(r, Mark(a.place, ReadTip(r))))
OnAnswer(r, a) ==
    IF r.state # "reading" THEN Row("BlobsIgnore", r.state, Same(r))
    ELSE CASE a.type \in {"blobs", "none"} -> OnBlock(r, a)
           [] a.type = "future"  -> Row("FutureRest", "resting", Rest(r))
           [] a.type = "pruned"  -> Row("PrunedLose", "lost", Lose(r))
           [] a.type = "trouble" -> Row("TroubleBackOff", "troubled", BackOffNow(r))

\* The layer says where its end is.
OnNews(r, head) ==
    IF r.state \in {"resting", "troubled"} /\ head >= NextHeight(r) THEN Row("NewsIsFurther", "reading", Ask(r))
    ELSE Row("NewsIgnore", r.state, Same(r))

\* As much time passes as is waited for.
OnTime(r) ==
    IF r.state \in Waiting THEN Row("TickIsDue", "reading", Ask(r)) ELSE Row("TickIgnore", r.state, Same(r))
=============================================================================
