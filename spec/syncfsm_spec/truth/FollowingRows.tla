--------------------------- MODULE FollowingRows ----------------------------
(* The same next-state relation as in Following.tla, with one action for   *)
(* each row that fires in these worlds, so that edges carry its name: a    *)
(* step of the reader, and of the node with it, that of a row of the       *)
(* reader's; any other of a node, that of a row of sync's, as in Rows.tla. *)
EXTENDS Following

S == INSTANCE Rows

ReaderBeginBegin     == /\ Truth("BeginBegin")
ReaderBlobsIsOther   == /\ Truth("BlobsIsOther")
ReaderBlobsRead      == /\ Truth("BlobsRead")
ReaderNonePassBy     == /\ Truth("NonePassBy")
ReaderFutureRest     == /\ Truth("FutureRest")
ReaderPrunedLose     == /\ Truth("PrunedLose")
ReaderTroubleBackOff == /\ Truth("TroubleBackOff")
ReaderRefusedGiveUp  == /\ Truth("RefusedGiveUp")
ReaderTickIsDue      == /\ Truth("TickIsDue")
ReaderTickIgnore     == /\ Truth("TickIgnore")

ConnectOpen           == /\ S!ConnectOpen /\ UNCHANGED truth
HelloNothingShared    == /\ S!HelloNothingShared /\ UNCHANGED truth
HelloCommonAndLacking == /\ S!HelloCommonAndLacking /\ UNCHANGED truth
HelloCommon           == /\ S!HelloCommon /\ UNCHANGED truth
HelloWorse            == /\ S!HelloWorse /\ UNCHANGED truth
HelloCanNarrow        == /\ S!HelloCanNarrow /\ UNCHANGED truth
HelloAsked            == /\ S!HelloAsked /\ UNCHANGED truth
HelloSearch           == /\ S!HelloSearch /\ UNCHANGED truth
HelloHasAll           == /\ S!HelloHasAll /\ UNCHANGED truth
HelloLearnHas         == /\ S!HelloLearnHas /\ UNCHANGED truth
FoundNotHeld          == /\ S!FoundNotHeld /\ UNCHANGED truth
FoundFoundAndLacking  == /\ S!FoundFoundAndLacking /\ UNCHANGED truth
FoundTakeFound        == /\ S!FoundTakeFound /\ UNCHANGED truth
BlocksTakenAndLacking == /\ S!BlocksTakenAndLacking /\ UNCHANGED truth
BlocksTakeBlocks      == /\ S!BlocksTakeBlocks /\ UNCHANGED truth
MovedExtends          == /\ S!MovedExtends /\ UNCHANGED truth
MovedHelloAgain       == /\ S!MovedHelloAgain /\ UNCHANGED truth
MovedLacksHead        == /\ S!MovedLacksHead /\ UNCHANGED truth
MovedRebase           == /\ S!MovedRebase /\ UNCHANGED truth
FinalisedTellFinal    == /\ S!FinalisedTellFinal /\ UNCHANGED truth
FinalLearnFinal       == /\ S!FinalLearnFinal /\ UNCHANGED truth
TurnIgnore            == /\ S!TurnIgnore /\ UNCHANGED truth
TurnRestFits          == /\ S!TurnRestFits /\ UNCHANGED truth
TurnStream            == /\ S!TurnStream /\ UNCHANGED truth
RoomGain              == /\ S!RoomGain /\ UNCHANGED truth
ByeTakeLeave          == /\ S!ByeTakeLeave /\ UNCHANGED truth
LostLose              == /\ S!LostLose /\ UNCHANGED truth

(* The layer changes, or the chain of a node without a link does.          *)
NoRow == /\ LayerMoves("NoRow") \/ (S!NoRow /\ UNCHANGED truth)

NextByRow ==
    \/ ReaderBeginBegin \/ ReaderBlobsIsOther \/ ReaderBlobsRead \/ ReaderNonePassBy \/ ReaderFutureRest
    \/ ReaderPrunedLose \/ ReaderTroubleBackOff \/ ReaderRefusedGiveUp \/ ReaderTickIsDue \/ ReaderTickIgnore
    \/ ConnectOpen \/ HelloNothingShared \/ FinalisedTellFinal \/ HelloCommonAndLacking \/ HelloCommon \/ HelloWorse \/ HelloCanNarrow \/ HelloAsked
    \/ HelloSearch \/ HelloHasAll \/ HelloLearnHas \/ FoundNotHeld \/ FoundFoundAndLacking \/ FoundTakeFound
    \/ BlocksTakenAndLacking \/ BlocksTakeBlocks \/ MovedExtends \/ MovedHelloAgain \/ MovedLacksHead
    \/ MovedRebase \/ FinalLearnFinal \/ TurnIgnore \/ TurnRestFits \/ TurnStream \/ RoomGain \/ ByeTakeLeave
    \/ LostLose
    \/ NoRow
SpecByRow == Init /\ [][NextByRow]_vars
FairSpecByRow == SpecByRow /\ Fairness
=============================================================================
