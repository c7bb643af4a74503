------------------------------- MODULE Relay --------------------------------
(* The worlds of relay.py: a network, and what is promised of it. Those in *)
(* which it counts how long something takes are in Starved.tla.            *)
EXTENDS RelayPromises

Init == Begins
Next == Protocol \/ Environment
Spec == Init /\ [][Next]_vars
FairSpec == Spec /\ Fairness
=============================================================================
