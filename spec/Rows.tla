-------------------------------- MODULE Rows --------------------------------
(* The same next-state relation as in World.tla, with one action for each  *)
(* row of the table, so that the edges of a dumped graph carry its name:   *)
(* the row that fires first. A row that fires only after another one in    *)
(* the same step has no action of its own. (Each is written as a list of   *)
(* one conjunct, because TLC names an edge after the innermost operator    *)
(* that it can split.)                                                     *)
EXTENDS World

Fires(row) == Protocol(row) \/ Environment(row)

ConnectOpen == /\ Fires("ConnectOpen")

HelloFinalsContradict   == /\ Fires("HelloFinalsContradict")
HelloNothingShared      == /\ Fires("HelloNothingShared")
HelloCommonAndLacking   == /\ Fires("HelloCommonAndLacking")
HelloCommon             == /\ Fires("HelloCommon")
HelloWorseAndAsked      == /\ Fires("HelloWorseAndAsked")
HelloWorse              == /\ Fires("HelloWorse")
HelloCanNarrow          == /\ Fires("HelloCanNarrow")
HelloRemember           == /\ Fires("HelloRemember")
HelloBetterAndCanNarrow == /\ Fires("HelloBetterAndCanNarrow")
HelloBetter             == /\ Fires("HelloBetter")
HelloAsked              == /\ Fires("HelloAsked")
HelloSearch             == /\ Fires("HelloSearch")
HelloHasAll             == /\ Fires("HelloHasAll")
HelloNoteHas            == /\ Fires("HelloNoteHas")

FoundNotHeld         == /\ Fires("FoundNotHeld")
FoundFoundAndLacking == /\ Fires("FoundFoundAndLacking")
FoundTakeFound       == /\ Fires("FoundTakeFound")
FoundFoundAll        == /\ Fires("FoundFoundAll")
FoundNoteFound       == /\ Fires("FoundNoteFound")

BlocksOutOfStep       == /\ Fires("BlocksOutOfStep")
BlocksTakenAndLacking == /\ Fires("BlocksTakenAndLacking")
BlocksTakeBlocks      == /\ Fires("BlocksTakeBlocks")

MovedNothingShared        == /\ Fires("MovedNothingShared")
MovedHeadLearntAndLacking == /\ Fires("MovedHeadLearntAndLacking")
MovedHeadLearnt           == /\ Fires("MovedHeadLearnt")
MovedExtends              == /\ Fires("MovedExtends")
MovedWorseThanHeard       == /\ Fires("MovedWorseThanHeard")
MovedHelloAgain           == /\ Fires("MovedHelloAgain")
MovedPrunedPastPeer       == /\ Fires("MovedPrunedPastPeer")
MovedLacksHead            == /\ Fires("MovedLacksHead")
MovedRebase               == /\ Fires("MovedRebase")

FinalisedTheirFinalContradicts == /\ Fires("FinalisedTheirFinalContradicts")
FinalisedTellFinal             == /\ Fires("FinalisedTellFinal")
FinalClaimContradicts          == /\ Fires("FinalClaimContradicts")
FinalNoteFinal                 == /\ Fires("FinalNoteFinal")

RoomCanStepBack == /\ Fires("RoomCanStepBack")
RoomRestFits    == /\ Fires("RoomRestFits")
RoomStream      == /\ Fires("RoomStream")
RoomGainRoom    == /\ Fires("RoomGainRoom")

ByeTakeLeave == /\ Fires("ByeTakeLeave")
LeaveLeave   == /\ Fires("LeaveLeave")
LostLose     == /\ Fires("LostLose")

NoRow == /\ Fires("none")  \* the chain of a node without a link changes, or a link in step need not look

NextByRow ==
    \/ ConnectOpen
    \/ HelloFinalsContradict \/ HelloNothingShared \/ HelloCommonAndLacking \/ HelloCommon \/ HelloWorseAndAsked
    \/ HelloWorse \/ HelloCanNarrow \/ HelloRemember \/ HelloBetterAndCanNarrow \/ HelloBetter \/ HelloAsked
    \/ HelloSearch \/ HelloHasAll \/ HelloNoteHas
    \/ FoundNotHeld \/ FoundFoundAndLacking \/ FoundTakeFound \/ FoundFoundAll \/ FoundNoteFound
    \/ BlocksOutOfStep \/ BlocksTakenAndLacking \/ BlocksTakeBlocks
    \/ MovedNothingShared \/ MovedHeadLearntAndLacking \/ MovedHeadLearnt \/ MovedExtends \/ MovedWorseThanHeard
    \/ MovedHelloAgain \/ MovedPrunedPastPeer \/ MovedLacksHead \/ MovedRebase
    \/ FinalisedTheirFinalContradicts \/ FinalisedTellFinal \/ FinalClaimContradicts \/ FinalNoteFinal
    \/ RoomCanStepBack \/ RoomRestFits \/ RoomStream \/ RoomGainRoom
    \/ ByeTakeLeave \/ LeaveLeave \/ LostLose
    \/ NoRow

SpecByRow == Init /\ [][NextByRow]_vars
=============================================================================
