-------------------------------- MODULE Rows --------------------------------
(* The same next-state relation as in World.tla, with one action for each  *)
(* row of sync's table, and of the connection's for those that begin or    *)
(* end it or give it room; so the edges of a dumped graph carry a row's    *)
(* name: the first that fires, as `First` says. A row that fires only      *)
(* after another one in the same step has no action of its own. (Each is   *)
(* written as a list of one conjunct, because TLC names an edge after the  *)
(* innermost operator that it can split.)                                  *)
EXTENDS World

(* Where each row can fire first, on what and in which states of the link. *)
Open == Greeting \cup InStep
Gets(type, source, row) ==
    \E n \in Node :
        LET queue == line[Peer(n)].queue
        IN  /\ link[n].state \in source
            /\ \/ queue # <<>> /\ Head(queue).type = type /\ Deliver(n, row)
               \/ Overtaking /\ (\E i \in 1..Len(queue) : queue[i].type = type) /\ Overtake(n, row)
Writes(source, row) == \E n \in Node : link[n].state \in source /\ GiveBack(n, row)
Changes == {"make", "confirm", "ban", "unban"}
Does(kinds, row) == \E i \in 1..Len(Moves) : Moves[i].kind \in kinds /\ Move(i, row)
Learns(kinds, source, row) ==
    \E i \in 1..Len(Moves) : Moves[i].kind \in kinds /\ link[Moves[i].node].state \in source /\ Move(i, row)

ConnectOpen == /\ Does({"connect"}, "ConnectOpen")

HelloFinalsContradict   == /\ Gets("hello", Open, "HelloFinalsContradict")
HelloNothingShared      == /\ Gets("hello", Greeting, "HelloNothingShared")
HelloCommonAndLacking   == /\ Gets("hello", Greeting, "HelloCommonAndLacking")
HelloCommon             == /\ Gets("hello", Greeting, "HelloCommon")
HelloWorseAndAsked      == /\ Gets("hello", {"start"}, "HelloWorseAndAsked")
HelloWorse              == /\ Gets("hello", {"start"}, "HelloWorse")
HelloCanNarrow          == /\ Gets("hello", {"start"}, "HelloCanNarrow")
HelloRemember           == /\ Gets("hello", {"start"}, "HelloRemember")
HelloBetterAndCanNarrow == /\ Gets("hello", {"init"}, "HelloBetterAndCanNarrow")
HelloBetter             == /\ Gets("hello", {"init"}, "HelloBetter")
HelloAsked              == /\ Gets("hello", {"init"}, "HelloAsked")
HelloSearch             == /\ Gets("hello", {"init"}, "HelloSearch")
HelloHasAll             == /\ Gets("hello", {"syncing"}, "HelloHasAll")
HelloLearnHas           == /\ Gets("hello", InStep, "HelloLearnHas")

FoundNotHeld         == /\ Gets("found", Greeting, "FoundNotHeld")
FoundFoundAndLacking == /\ Gets("found", Open, "FoundFoundAndLacking")
FoundTakeFound       == /\ Gets("found", Open, "FoundTakeFound")

BlocksRefusedIsFinal  == /\ Gets("block", Open, "BlocksRefusedIsFinal")
BlocksOutOfStep       == /\ Gets("block", Open, "BlocksOutOfStep")
BlocksTooMuchAside    == /\ Gets("block", Open, "BlocksTooMuchAside")
BlocksTakenAndLacking == /\ Gets("block", Open, "BlocksTakenAndLacking")
BlocksTakeBlocks      == /\ Gets("block", Open, "BlocksTakeBlocks")

MovedNothingShared        == /\ Learns(Changes, Greeting, "MovedNothingShared")
MovedHeadLearntAndLacking == /\ Learns(Changes, Greeting, "MovedHeadLearntAndLacking")
MovedHeadLearnt           == /\ Learns(Changes, Greeting, "MovedHeadLearnt")
MovedExtends              == /\ Learns(Changes, Greeting, "MovedExtends")
MovedWorseThanHeard       == /\ Learns(Changes, Greeting, "MovedWorseThanHeard")
MovedHelloAgain           == /\ Learns(Changes, Greeting, "MovedHelloAgain")
MovedPrunedPastPeer       == /\ Learns(Changes, InStep, "MovedPrunedPastPeer")
MovedMustTellLacking      == /\ Learns(Changes, InStep, "MovedMustTellLacking")
MovedMustTell             == /\ Learns(Changes, InStep, "MovedMustTell")
MovedLacksHead            == /\ Learns(Changes, InStep, "MovedLacksHead")
MovedRebase               == /\ Learns(Changes, InStep, "MovedRebase")

FinalisedTheirFinalContradicts == /\ Learns({"finalise"}, Open, "FinalisedTheirFinalContradicts")
FinalisedTellFinal             == /\ Learns({"finalise"}, Open, "FinalisedTellFinal")

FinalClaimContradicts  == /\ Gets("final", Open, "FinalClaimContradicts")
FinalClaimNamesRefused == /\ Gets("final", Open, "FinalClaimNamesRefused")
FinalLearnFinal        == /\ Gets("final", Open, "FinalLearnFinal")

TurnCanStepBack == /\ Writes({"init"}, "TurnCanStepBack")
TurnIgnore      == /\ Writes({"init"}, "TurnIgnore")
TurnRestFits    == /\ Writes({"syncing"}, "TurnRestFits")
TurnBackup      == /\ Writes({"syncing"}, "TurnBackup")
TurnOff         == /\ Writes({"syncing"}, "TurnOff")
TurnStream      == /\ Writes({"syncing"}, "TurnStream")
RoomGain        == /\ Writes(Open, "RoomGain")

HasHasOurHead == /\ Gets("has", InStep, "HasHasOurHead")
HasLearnHead  == /\ Gets("has", InStep, "HasLearnHead")
WantOff       == /\ Gets("want", Open, "WantOff")
WantBeAsked   == /\ Gets("want", Open, "WantBeAsked")
GiveBeGiven   == /\ Gets("give", Open, "GiveBeGiven")
BusyBeRefused == /\ Gets("busy", Open, "BusyBeRefused")

(* A block that is not our head is made, and the first to be given.        *)
ServeBackup == /\ Learns({"make"}, InStep, "ServeBackup")
ServeIgnore == /\ Learns({"make"}, InStep, "ServeIgnore")

SwitchTurnsOff == /\ Does({"switch"}, "SwitchTurnsOff")
SwitchTurnsOn  == /\ Does({"switch"}, "SwitchTurnsOn")
SwitchIgnore   == /\ Does({"switch"}, "SwitchIgnore")

ByeTakeLeave == /\ Gets("bye", Open, "ByeTakeLeave")
LeaveLeave   == /\ Does({"leave"}, "LeaveLeave")
LostLose     == /\ Does({"cut"}, "LostLose") \/ Gets("end", Open, "LostLose")

(* The chain of a node without a link changes, or a link need not look.    *)
NoRow == /\ Does(Changes \cup {"finalise"}, "none")

NextByRow ==
    \/ ConnectOpen
    \/ HelloFinalsContradict \/ HelloNothingShared \/ HelloCommonAndLacking \/ HelloCommon \/ HelloWorseAndAsked
    \/ HelloWorse \/ HelloCanNarrow \/ HelloRemember \/ HelloBetterAndCanNarrow \/ HelloBetter \/ HelloAsked
    \/ HelloSearch \/ HelloHasAll \/ HelloLearnHas
    \/ FoundNotHeld \/ FoundFoundAndLacking \/ FoundTakeFound
    \/ BlocksRefusedIsFinal \/ BlocksOutOfStep \/ BlocksTooMuchAside \/ BlocksTakenAndLacking
    \/ BlocksTakeBlocks
    \/ MovedNothingShared \/ MovedHeadLearntAndLacking \/ MovedHeadLearnt \/ MovedExtends \/ MovedWorseThanHeard
    \/ MovedHelloAgain \/ MovedPrunedPastPeer \/ MovedMustTellLacking \/ MovedMustTell \/ MovedLacksHead \/ MovedRebase
    \/ FinalisedTheirFinalContradicts \/ FinalisedTellFinal \/ FinalClaimContradicts
    \/ FinalClaimNamesRefused \/ FinalLearnFinal
    \/ TurnCanStepBack \/ TurnIgnore \/ TurnRestFits \/ TurnBackup \/ TurnOff \/ TurnStream \/ RoomGain
    \/ HasHasOurHead \/ HasLearnHead \/ WantOff \/ WantBeAsked \/ GiveBeGiven \/ BusyBeRefused
    \/ ServeBackup \/ ServeIgnore \/ SwitchTurnsOff \/ SwitchTurnsOn \/ SwitchIgnore
    \/ ByeTakeLeave \/ LeaveLeave \/ LostLose
    \/ NoRow

SpecByRow == Init /\ [][NextByRow]_vars
FairSpecByRow == SpecByRow /\ Fairness
=============================================================================
