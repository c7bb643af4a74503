------------------------------ MODULE Posting -------------------------------
(* A sequencer with its reader and its poster before a layer, and an       *)
(* environment with a budget: it is killed, answers are lost, the layer    *)
(* takes blocks back. The layer answers its reader at once, so an action   *)
(* has all that is read then.                                              *)
(*                                                                         *)
(* Actions are named by a row of the poster: the first that fires, other   *)
(* than `SeenSee`, if there is one.                                        *)
EXTENDS Poster

CONSTANTS Run,    \* the blocks that the sequencer makes, in order
          Moves,  \* what the environment may do
          Times   \* how often it may do each

VARIABLES seq,    \* the sequencer: what it has made, and what its reader keeps, survive it;
          \* rested: was all read? waited: or long enough for that?
          layer,
          left    \* left[i]: how often move i may still happen

vars == <<seq, layer, left>>
AnyRow == "any row"

Down(kept, made) == [poster |-> NoPoster, reader |-> NoReader, kept |-> kept, made |-> made, rested |-> FALSE,
                     waited |-> FALSE]

Init ==
    /\ seq = Down(Start, 0)
    /\ layer = Empty
    /\ left = Times

-----------------------------------------------------------------------------
(* The poster makes a step, `r`. What it asks for is told, and what the    *)
(* reader knows. `rows` are those of the poster.                           *)
Knows(p, reader) ==
    OnSeen(p, Read(reader).place.height, ReadTip(reader), reader.final.tip, reader.state = "resting",
           reader.state = "broken")
Told(s, r, rows) ==
    LET final == s.reader.final.tip
        at == Min2(Height[final], s.made)
        above == SelectSeq(SubSeq(Run, 1, s.made), LAMBDA b : Height[b] > Height[final])
        began == OnBegin(r.poster, final, IF at = 0 THEN Genesis ELSE Run[at], above)
        knows == Knows(began.poster, s.reader)
    IN  IF r.loads THEN [s |-> [s EXCEPT !.poster = knows.poster], rows |-> rows \o <<r.row, began.row, knows.row>>]
        ELSE [s |-> [s EXCEPT !.poster = r.poster], rows |-> Append(rows, r.row)]

(* The reader makes a step, and the poster learns of it; what is asked for *)
(* is answered; it is one height at a time.                                *)
RECURSIVE Reads(_, _, _, _)
Reads(s, l, r, rows) ==
    LET new == [s EXCEPT !.reader = r.reader, !.kept = IF r.keeps THEN Kept(r.reader.final, r.reader.trail) ELSE @,
                         !.rested = @ \/ r.reader.state = "resting"]
        told == IF r.reader.state = "idle" THEN [s |-> new, rows |-> rows]
                ELSE Told(new, Knows(new.poster, new.reader), rows)
        height == CHOOSE h \in r.asks : TRUE
    IN  IF r.asks = {} THEN [s |-> told.s, l |-> l, rows |-> told.rows]
        ELSE Reads(told.s, l, OnAnswer(told.s.reader, height, Answer(l, height)), told.rows)

Named(rows) ==
    LET tells == SelectSeq(rows, LAMBDA row : row # "SeenSee")
    IN  IF rows = <<>> THEN "NoRow" ELSE IF tells = <<>> THEN "SeenSee" ELSE tells[1]

Becomes(did, row) == /\ row \in {AnyRow, Named(did.rows)} /\ seq' = did.s /\ layer' = did.l
(* The poster makes a step, and may give a blob, unless the layer is out.  *)
Posts(r, l, row) ==
    /\ row \in {AnyRow, r.row}
    /\ r.gives # NoBlob => ~l.out
    /\ seq' = [seq EXCEPT !.poster = r.poster]
    /\ layer' = IF r.gives = NoBlob THEN l ELSE [l EXCEPT !.given = r.gives]
Changes(l, row) == row \in {AnyRow, "NoRow"} /\ layer' = l /\ UNCHANGED seq

-----------------------------------------------------------------------------
(* What the protocol does.                                                 *)

Begins(row) ==
    LET start == OnStart(seq.poster)
    IN  /\ seq.poster.state = "idle"
        /\ Becomes(Reads([seq EXCEPT !.poster = start.poster], layer, OnMark(seq.reader, seq.kept), <<start.row>>), row)

IsDue(row) ==
    /\ Due(seq.poster) # <<>>
    /\ IF seq.poster.state = "awaiting"
       THEN LET told == Told([seq EXCEPT !.waited = TRUE], OnDue(seq.poster), <<>>)
            IN  Becomes([s |-> told.s, l |-> layer, rows |-> told.rows], row)
       ELSE Posts(OnDue(seq.poster), layer, row)
Wakes(row) == layer.due /\ Becomes(Reads(seq, [layer EXCEPT !.due = FALSE], OnTime(seq.reader), <<>>), row)
IsTaken(row) == layer.given # NoBlob /\ Changes(Takes(layer), row)
IsIncluded(row) == ~layer.out /\ \E i \in 1..Len(layer.pending) : Changes(Includes(layer, i), row)
IsTold(row) ==
    /\ layer.landed # None
    /\ Posts(OnOutcome(seq.poster, "posted", layer.landed, ""), [layer EXCEPT !.landed = None], row)

Protocol(row) ==
    /\ Begins(row) \/ IsDue(row) \/ Wakes(row) \/ IsTaken(row) \/ IsIncluded(row) \/ IsTold(row)
    /\ left' = left

-----------------------------------------------------------------------------
(* What the environment does.                                              *)

Make(row) ==
    /\ seq.poster.state # "idle" /\ ~seq.poster.held /\ seq.made < Len(Run)
    /\ LET r == OnMade(seq.poster, Run[seq.made + 1])
       IN  /\ row \in {AnyRow, r.row}
           /\ seq' = [seq EXCEPT !.poster = r.poster, !.made = @ + 1]
           /\ UNCHANGED layer

Crash(taken, row) ==
    /\ row \in {AnyRow, "NoRow"}
    /\ seq.poster.state # "idle"
    /\ seq' = Down(seq.kept, seq.made)
    /\ layer' = Orphaned(layer, taken)

Happens(move, row) ==
    CASE move.kind = "make"   -> Make(row)
      [] move.kind = "crash"  -> Crash(move.taken, row)
      [] move.kind = "resume" -> Posts(OnResume(seq.poster), layer, row)
      [] move.kind = "say"    -> /\ layer.given # NoBlob
                                 /\ Posts(OnOutcome(seq.poster, move.outcome, None, move.why), Replied(layer, move.taken), row)
      [] move.kind = "out"    -> layer.out # move.out /\ Changes(IsOut(layer, move.out), row)
      [] move.kind = "grow"   -> Changes(Grown(layer, move.blobs), row)
      [] move.kind = "back"   -> Top(layer) >= move.depth /\ Changes(GoesBack(layer, move.depth, move.blobs, move.keep), row)

Environment(row) ==
    \E i \in 1..Len(Moves) :
        /\ left[i] > 0
        /\ left' = [left EXCEPT ![i] = @ - 1]
        /\ Happens(Moves[i], row)

NextBy(row) == Protocol(row) \/ Environment(row)
Next == NextBy(AnyRow)

(* A blob that is due is not given to a layer that is out.                 *)
AtRest ==
    /\ seq.poster.state # "idle"
    /\ LayerRests(layer)
    /\ Due(seq.poster) = <<>> \/ (seq.poster.state = "gathering" /\ layer.out)
Fairness == []<>AtRest \/ []<><<left' = left>>_vars
Spec == Init /\ [][Next]_vars
FairSpec == Spec /\ Fairness

-----------------------------------------------------------------------------
(* The same, with one action for each row, so that edges carry its name.   *)

StartAwaitLayer == /\ NextBy("StartAwaitLayer")
BeginIgnore     == /\ NextBy("BeginIgnore")
StartIgnore     == /\ NextBy("StartIgnore")
MadeAdd         == /\ NextBy("MadeAdd")

SeenIsOther  == /\ NextBy("SeenIsOther")
SeenIsBroken == /\ NextBy("SeenIsBroken")
SeenIsAll    == /\ NextBy("SeenIsAll")
SeenIsDone   == /\ NextBy("SeenIsDone")
SeenIsInVain == /\ NextBy("SeenIsInVain")
SeenIgnore   == /\ NextBy("SeenIgnore")
SeenSee      == /\ NextBy("SeenSee")

PostedWasSeen   == /\ NextBy("PostedWasSeen")
PostedWasRead   == /\ NextBy("PostedWasRead")
PostedAwaitIt   == /\ NextBy("PostedAwaitIt")
PostedIgnore    == /\ NextBy("PostedIgnore")
UnsureLookForIt == /\ NextBy("UnsureLookForIt")
TroubleBackOff  == /\ NextBy("TroubleBackOff")
TooBigIsOne     == /\ NextBy("TooBigIsOne")
TooBigHalve     == /\ NextBy("TooBigHalve")
RefusedBeStuck  == /\ NextBy("RefusedBeStuck")

TickIsDue    == /\ NextBy("TickIsDue")
ResumeGoOn   == /\ NextBy("ResumeGoOn")
ResumeIgnore == /\ NextBy("ResumeIgnore")

(* The layer changes, and nobody knows it yet; or the process ends.        *)
NoRow == /\ NextBy("NoRow")

NextByRow ==
    \/ StartAwaitLayer \/ BeginIgnore \/ StartIgnore \/ MadeAdd
    \/ SeenIsOther \/ SeenIsBroken \/ SeenIsAll \/ SeenIsDone \/ SeenIsInVain \/ SeenIgnore \/ SeenSee
    \/ PostedWasSeen \/ PostedWasRead \/ PostedAwaitIt \/ PostedIgnore \/ UnsureLookForIt \/ TroubleBackOff
    \/ TooBigIsOne \/ TooBigHalve \/ RefusedBeStuck
    \/ TickIsDue \/ ResumeGoOn \/ ResumeIgnore
    \/ NoRow
SpecByRow == Init /\ [][NextByRow]_vars
FairSpecByRow == SpecByRow /\ Fairness

-----------------------------------------------------------------------------
(* The promises, by the names in promises.py.                              *)

CONSTANT Alone  \* does nobody else post with the sequencer's key?

Newest == IF seq.made = 0 THEN Genesis ELSE Run[seq.made]
NothingLost ==
    AtRest /\ ~layer.out /\ Alone =>
        /\ seq.poster.state = "gathering" /\ Open(seq.poster) = <<>>
        /\ Newest = Tip(layer) /\ Newest = Done(seq.poster)
Settles == <>[]AtRest

Gave == layer'.given \notin {NoBlob, layer.given}
NeverContradictsStep ==
    Gave => /\ Running(seq.poster) /\ seq.poster.state # "catching"
            /\ seq.rested
            /\ Parent[layer'.given[1]] = ReadTip(seq.reader)
            /\ \A i \in 1..Len(layer'.given) : \E j \in 1..Len(Run) : layer'.given[i] = Run[j]
NeverContradicts == [][NeverContradictsStep]_vars

IsSaid(outcome) ==
    \E i \in 1..Len(Moves) : left'[i] # left[i] /\ Moves[i].kind = "say" /\ Moves[i].outcome = outcome
OneAtATimeStep ==
    /\ Gave /\ seq.poster.state \in {"submitting", "waiting"} => seq.poster.state = "submitting" /\ IsSaid("too-big")
    /\ IsSaid("unsure") /\ seq.poster.state = "submitting" =>
           seq'.poster.state = "waiting" \/ Height[Done(seq'.poster)] >= Height[seq.poster.sent]
OneAtATime == [][OneAtATimeStep]_vars

IsMade == seq'.made > seq.made
KnowsFirstStep == IsMade => (seq.rested \/ seq.waited) /\ seq.reader.state # "broken"
KnowsFirst == [][KnowsFirstStep]_vars
(* A producer is not held without need.                                    *)
LivesWithoutDA ==
    AtRest => ~seq.poster.held \/ Len(Open(seq.poster)) >= Unconfirmed \/ seq.poster.state \in Over

CappedStep == IsMade => Len(Open(seq.poster)) < Unconfirmed
Capped == [][CappedStep]_vars
=============================================================================
