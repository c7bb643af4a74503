------------------------------ MODULE Promises -------------------------------
(* What must hold in every world, by the names of promises.py. That nothing *)
(* is judged that its origin did not sign has no formula here: all packets  *)
(* are signed.                                                              *)
EXTENDS World

-----------------------------------------------------------------------------
(* States.                                                                  *)

AtMostOnce ==
    \A n \in Node : \A p \in 1..Len(Packet) :
        seen[n].arrived[p] <= IF Packet[p].origin = n THEN 0 ELSE 1

(* The packets that a message gives or tells of. *)
Names(m) == CASE m.type = "pass" -> {m.packet} [] m.type = "have" -> Range(m.ids) [] OTHER -> {}
JudgedFirst ==
    \A n \in Node :
        /\ \A p \in 1..Len(Packet) : seen[n].arrived[p] > 0 \/ Knows(router[n], p) => p \in seen[n].valid
        /\ \A q \in Node : \A i \in 1..Len(line[n][q].queue) : Names(line[n][q].queue[i]) \subseteq seen[n].valid

(* A way is followed for no more steps than there are nodes: it ends at the *)
(* producer, or where none is known.                                        *)
RECURSIVE Leads(_, _, _)
Leads(n, maker, steps) ==
    LET road == router[n].roads[maker]
    IN  CASE road.here         -> n = maker
          [] road.peer = None  -> TRUE
          [] OTHER             -> steps > 0 /\ Leads(road.peer, maker, steps - 1)
RoutesConverge ==
    \A n \in Node : \A maker \in Node :
        /\ Leads(n, maker, Nodes - 1)
        /\ router[n].roads[maker].peer \in router[n].peers \cup {None}

(* At rest, of what n keeps, the peer that it was to go to has it, or has   *)
(* turned it down.                                                          *)
Has(n, p) == Knows(router[n], p) \/ p \in Range(router[n].refused)
ReachesAll ==
    AtRest => \A n \in Node : \A k \in Range(router[n].kept) :
        \A p \in IF k.spread THEN router[n].peers ELSE Range(k.over) : n \in router[p].peers => Has(p, k.packet)

Bounded ==
    \A n \in Node :
        LET r == router[n]
            of(p) == Len(SelectSeq(r.waiting, LAMBDA w : w.peer = p))
            told(p) == Len(SelectSeq(r.missing, LAMBDA m : p \in Range(m.tellers)))
        IN  /\ Len(r.waiting) <= Judging /\ Len(r.refused) <= Refused /\ Len(r.kept) <= Kept
            /\ Cardinality({o \in Node : r.windows[o] # NoWindow}) <= Origins
            /\ \A p \in Node : of(p) <= JudgingOne /\ told(p) <= Missing
            /\ \A p \in Node : LET w == way[n][p]
                               IN  Len(w.brought) <= Kept /\ Len(w.has) <= Kept /\ Len(w.told) <= Kept

NoPunishHonest == \A n \in Node : \A p \in Node : way[n][p].open <=> line[n][p].open

-----------------------------------------------------------------------------
(* Steps, and the end of every run.                                         *)

(* What was delivered is never forgotten. *)
NeverForgets == [][\A n \in Node : \A p \in 1..Len(Packet) : Knows(router[n], p) => Knows(router[n], p)']_vars

Settles == <>[]AtRest
==============================================================================
