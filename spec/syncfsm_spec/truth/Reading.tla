------------------------------ MODULE Reading -------------------------------
(* A reader before a layer, and an environment with a budget: the worlds   *)
(* of worlds.py that have no sequencer. One action here is one action      *)
(* there. Actions take the row that fires as an argument, so that          *)
(* `NextByRow` can tell them apart by it; elsewhere any will do.           *)
EXTENDS Reader

CONSTANTS Moves,  \* what the environment may do
          Times   \* how often it may do each

VARIABLES reader,
          layer,
          left    \* left[i]: how often move i may still happen

vars == <<reader, layer, left>>
AnyRow == "any row"

Init ==
    /\ reader = NoReader
    /\ layer = Empty
    /\ left = Times

(* The reader takes a step, and those whose turn comes by it.              *)
RECURSIVE Turned(_, _)
Turned(r, asks) ==
    LET more == asks \cup r.asks
    IN  IF r.turn = <<>> THEN [reader |-> r.reader, asks |-> more]
        ELSE Turned(OnAnswer(r.reader, r.turn[1].place.height, r.turn[1]), more)
Steps(does, l, row) ==
    LET first == does
        did == Turned(first, {})
    IN  /\ row \in {AnyRow, first.row}
        /\ reader' = did.reader
        /\ layer' = [l EXCEPT !.asked = @ \cup did.asks]

-----------------------------------------------------------------------------
Begins(row) == reader.state = "idle" /\ Steps(OnMark(reader, Start), layer, row)
Answers(row) ==
    \E h \in layer.asked : Steps(OnAnswer(reader, h, Answer(layer, h)), Answered(layer, h), row)
Wakes(row) == layer.asked = {} /\ layer.due /\ Steps(OnTime(reader), [layer EXCEPT !.due = FALSE], row)

Protocol(row) == (Begins(row) \/ Answers(row) \/ Wakes(row)) /\ left' = left

Changes(l, row) == row \in {AnyRow, "NoRow"} /\ layer' = l /\ UNCHANGED reader

Happens(move, row) ==
    CASE move.kind = "grow"  -> Changes(Grown(layer, move.blobs), row)
      [] move.kind = "back"  -> Top(layer) >= move.depth /\ Changes(GoesBack(layer, move.depth, move.blobs, move.keep), row)
      [] move.kind = "out"   -> layer.out # move.out /\ Changes(IsOut(layer, move.out), row)
      [] move.kind = "confess" -> Changes(Confesses(layer), row)
      [] move.kind = "prune" -> CanPrune(layer) /\ Changes(Prunes(layer), row)
      [] move.kind = "tell"  -> Steps(OnNews(reader, Top(layer)), layer, row)
      [] move.kind = "mark"  -> /\ layer.oldest > 1
                                /\ LET at == layer.oldest
                                   IN  Steps(OnMark(reader, At(Mark(PlaceAt(layer, at), TipAt(layer, at)))), layer, row)

Environment(row) ==
    \E i \in 1..Len(Moves) :
        /\ left[i] > 0
        /\ left' = [left EXCEPT ![i] = @ - 1]
        /\ Happens(Moves[i], row)

NextBy(row) == Protocol(row) \/ Environment(row)
Next == NextBy(AnyRow)

(* Only the environment uses up `left`, and only a state at rest has no    *)
(* protocol action: see World.tla of sync.                                 *)
AtRest == reader.state # "idle" /\ LayerRests(layer)
Fairness == []<>AtRest \/ []<><<left' = left>>_vars
Spec == Init /\ [][Next]_vars
FairSpec == Spec /\ Fairness

-----------------------------------------------------------------------------
(* The same, with one action for each row, so that edges carry its name.   *)

BeginBegin  == /\ NextBy("BeginBegin")
BeginIgnore == /\ NextBy("BeginIgnore")

BlobsNotAsked       == /\ NextBy("BlobsNotAsked")
BlobsIsPast         == /\ NextBy("BlobsIsPast")
BlobsIsEarly        == /\ NextBy("BlobsIsEarly")
PrunedIsEarly       == /\ NextBy("PrunedIsEarly")
BlobsForget         == /\ NextBy("BlobsForget")
BlobsBreaksFinality == /\ NextBy("BlobsBreaksFinality")
BlobsIsOther        == /\ NextBy("BlobsIsOther")
BlobsRead           == /\ NextBy("BlobsRead")
NonePassBy          == /\ NextBy("NonePassBy")
FutureRest          == /\ NextBy("FutureRest")
PrunedLose          == /\ NextBy("PrunedLose")
TroubleBackOff      == /\ NextBy("TroubleBackOff")
BrokeHeed           == /\ NextBy("BrokeHeed")
BlobsIgnore         == /\ NextBy("BlobsIgnore")

NewsIsFurther == /\ NextBy("NewsIsFurther")
NewsIgnore    == /\ NextBy("NewsIgnore")
TickIsDue     == /\ NextBy("TickIsDue")
TickIgnore    == /\ NextBy("TickIgnore")

(* The layer changes, and the reader does not know it yet.                 *)
NoRow == /\ NextBy("NoRow")

NextByRow ==
    \/ BeginBegin \/ BeginIgnore
    \/ BlobsNotAsked \/ BlobsIsPast \/ BlobsIsEarly \/ PrunedIsEarly \/ BlobsForget
    \/ BlobsBreaksFinality \/ BlobsIsOther \/ BlobsRead \/ NonePassBy
    \/ FutureRest \/ PrunedLose \/ TroubleBackOff \/ BrokeHeed \/ BlobsIgnore
    \/ NewsIsFurther \/ NewsIgnore \/ TickIsDue \/ TickIgnore
    \/ NoRow
SpecByRow == Init /\ [][NextByRow]_vars
FairSpecByRow == SpecByRow /\ Fairness

-----------------------------------------------------------------------------
(* The promises, by the names in promises.py.                              *)

CONSTANT Stands  \* does the layer keep what is final?

TruthWins ==
    AtRest =>
        IF layer.broken /\ (~layer.out \/ reader.state = "broken") THEN reader.state = "broken"
        ELSE IF layer.out THEN reader.state = "troubled" \/ layer.blocks = <<>>
        ELSE \/ reader.state = "broken" /\ ~Stands
             \/ reader.state = "lost" /\ NextHeight(reader) < layer.oldest
             \/ reader.state = "resting" /\ NextHeight(reader) = Top(layer) + 1 /\ ReadTip(reader) = Tip(layer)
Settles == <>[]AtRest

(* What happens in a step: somebody gives a mark, or the layer shows a     *)
(* block, or neither.                                                      *)
IsMark == \/ reader.state = "idle"
          \/ \E i \in 1..Len(Moves) : left'[i] # left[i] /\ Moves[i].kind = "mark"
IsAnswer(types) ==
    \E h \in layer.asked :
        LET a == Answer(layer, h)
        IN  left' = left /\ a.type \in types /\ reader' = Turned(OnAnswer(reader, h, a), {}).reader
IsBlock == IsAnswer({"blobs", "none"})
IsBroken == IsAnswer({"broken"}) /\ reader.state # "broken"

(* What came early is passed by when its turn has come.                    *)
NoneSkippedStep == IsMark \/ NextHeight(reader') - NextHeight(reader) \in -1..1 + Len(reader.early)
NoneSkipped == [][NoneSkippedStep]_vars

RECURSIVE IsAncestor(_, _)
IsAncestor(a, b) == a = b \/ (b # None /\ IsAncestor(a, Parent[b]))
Stays == ReadTip(reader') = ReadTip(reader) /\ reader'.final = reader.final
FinalOnlyAdvancesStep ==
    /\ IsBroken => Stays /\ reader'.state = "broken"
    /\ IsMark \/ /\ reader'.final.place.height >= reader.final.place.height
                 /\ IsAncestor(reader.final.tip, reader'.final.tip)
FinalOnlyAdvances == [][FinalOnlyAdvancesStep]_vars
FinalIsThere ==
    LET place == reader.final.place
    IN  Stands => place.id = None \/ (place.height <= Top(layer) /\ PlaceAt(layer, place.height) = place)

LivesWithoutDAStep ==
    IsMark \/ IsBlock \/ IsBroken \/ (Stays /\ (reader'.state = "broken") = (reader.state = "broken"))
LivesWithoutDA == [][LivesWithoutDAStep]_vars
=============================================================================
