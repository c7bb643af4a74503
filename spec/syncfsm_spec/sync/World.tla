------------------------------- MODULE World --------------------------------
(* Two nodes, a line in each direction, and an environment with a budget:  *)
(* the worlds of worlds.py. One action here is one action there: a         *)
(* message, or a move of the environment, and all that the nodes do about  *)
(* it at once. So the states are the same, one to one.                     *)
(*                                                                         *)
(* Actions take the row that fires first as an argument, so that Rows.tla  *)
(* can tell them apart by it; here any will do.                            *)
EXTENDS Feed, Lines

CONSTANTS Start,      \* Start[n]: the chain of a node at the beginning; nothing of it is left to prune
          Bound,      \* nothing new happens at a node while this many messages are on its line
          Overtaking, \* may small messages overtake blocks?
          Moves,      \* what the environment may do
          Times       \* how often it may do each

VARIABLES chain,  \* chain[n]: what the node holds
          link,   \* link[n]: its end of the connection, or Closed
          feed,   \* feed[n]: what it decides across its peers
          line,   \* line[n]: what is under way from n to its peer, and the room that n is owed for what arrived
          left    \* left[i]: how often move i may still happen

vars == <<chain, link, feed, line, left>>

Node == {1, 2}
Peer(n) == 3 - n
AnyRow == "any row"

Begun(n) == Chain(Start[n].confirmed, Start[n].final, Start[n].base, Start[n].held, Start[n].banned)
Init ==
    /\ chain = [n \in Node |-> Begun(n)]
    /\ link = [n \in Node |-> Closed]
    /\ feed = [n \in Node |-> NoFeed]
    /\ line = [n \in Node |-> Shut]
    /\ left = Times

-----------------------------------------------------------------------------
(* A node's step: its new chain, and what its link did.                    *)

(* The chain changes: every link looks at it, and only then is it pruned.  *)
Adopted(c, d, l) ==
    LET final == c.final # d.final
        after == IF final THEN Pruned(d) ELSE d
        v == [c |-> d, floor |-> Height[after.base]]
        told == IF final /\ l # Closed THEN Pumped(OnFinalised(l, v), v) ELSE Nothing(l)
        best == final \/ c.head # d.head
        looks == told.link # Closed /\ (best \/ told.link.state \in Greeting \/ told.link.claims # {})
        moved == Then(told, OnMoved(told.link, IsAncestor(c.head, d.head), best, v))
    IN  [c |-> after, r |-> IF looks THEN Pumped(moved, v) ELSE told]

Before(news, r) == [r EXCEPT !.news = <<news>> \o @]
Received(c, l, m) ==
    LET fresh == BringsNew(m, c)
        d == IF fresh THEN Insert(c, m.block) ELSE c
        r == OnMessage(l, m, View(d), c)
    IN  [c |-> d, r |-> Pumped(IF fresh THEN Before("gained", r) ELSE r, View(d))]

(* What a node is after a step, and its lines in and out: it did this.     *)
Became(node, did) ==
    LET decided == Decided(did.r, node.feed, View(did.c))
        l == decided.r.link
        ended == node.link # Closed /\ l = Closed
        put == Put(node.out, decided.r.says)
    IN  [chain |-> did.c, link |-> l, feed |-> decided.feed, in |-> IF ended THEN Shut ELSE node.in,
         out |-> IF ended THEN Ended(put) ELSE put, rows |-> decided.r.rows]
With(n, in, out) == [chain |-> chain[n], link |-> link[n], feed |-> feed[n], in |-> in, out |-> out, rows |-> <<>>]
Is(n, node) ==
    /\ chain' = [chain EXCEPT ![n] = node.chain]
    /\ link' = [link EXCEPT ![n] = node.link]
    /\ feed' = [feed EXCEPT ![n] = node.feed]
    /\ line' = [line EXCEPT ![n] = node.out, ![Peer(n)] = node.in]

(* Node n takes a step, with these lines in and out. (TLC works out a      *)
(* definition once, but an argument of an action whenever it is used.)     *)
Steps(n, does, in, out, row) ==
    LET node == Became(With(n, in, out), does) IN row \in {AnyRow, First(node.rows)} /\ Is(n, node)

DeliverAt(n, at, row) ==
    LET ln == line[Peer(n)]
    IN  /\ Steps(n, Received(chain[n], link[n], ln.queue[at]), TakenFrom(ln, at), line[n], row)
        /\ left' = left

-----------------------------------------------------------------------------
(* What the protocol does.                                                 *)

Deliver(n, row) == line[Peer(n)].queue # <<>> /\ DeliverAt(n, 1, row)

Overtake(n, row) ==
    LET queue == line[Peer(n)].queue
    IN  Overtaking /\ CanOvertake(queue) /\ DeliverAt(n, FirstSmall(queue), row)

GiveBack(n, row) ==
    LET v == View(chain[n])
        did == [c |-> chain[n], r |-> Pumped(OnRoom(link[n], line[n].owed), v)]
    IN  /\ line[n].owed > 0
        /\ Steps(n, did, line[Peer(n)], [line[n] EXCEPT !.owed = 0], row)
        /\ left' = left

Protocol(row) == \E n \in Node : Deliver(n, row) \/ Overtake(n, row) \/ GiveBack(n, row)

-----------------------------------------------------------------------------
(* What the environment does.                                              *)

Adopts(n, d, row) == Steps(n, Adopted(chain[n], d, link[n]), line[Peer(n)], line[n], row)

Connect(row) ==
    LET r(n) == OnConnect(View(chain[n]), TRUE)
    IN  /\ row \in {AnyRow, "ConnectOpen"}
        /\ \A n \in Node : line[n] = Shut
        /\ link' = [n \in Node |-> r(n).link]
        /\ line' = [n \in Node |-> Put(Fresh, r(n).says)]
        /\ UNCHANGED <<chain, feed>>

Cut(row) ==
    /\ row \in {AnyRow, "LostLose"}
    /\ \A n \in Node : line[n].open
    /\ link' = [n \in Node |-> Closed]
    /\ feed' = [n \in Node |-> NoFeed]
    /\ line' = [n \in Node |-> Shut]
    /\ UNCHANGED chain

Make(n, run, row) ==
    LET d == Made(chain[n], run)
        did == Adopted(chain[n], d, link[n])
    IN  /\ CanMake(chain[n], run) /\ d # chain[n]
        /\ Steps(n, [did EXCEPT !.r = Before("made", @)], line[Peer(n)], line[n], row)
Settle(n, b, row) == CanFinalise(chain[n], b) /\ Adopts(n, Finalise(chain[n], b), row)
Read(n, run, b, row) ==
    LET d == HasRead(chain[n], run, b) IN CanRead(chain[n], run, b) /\ d # chain[n] /\ Adopts(n, d, row)
Forbid(n, b, row) == CanBan(chain[n], b) /\ Adopts(n, Ban(chain[n], b), row)
Allow(n, b, row) == b \in chain[n].banned /\ Adopts(n, Unban(chain[n], b), row)
Leave(n, reason, row) ==
    /\ link[n] # Closed
    /\ Steps(n, [c |-> chain[n], r |-> OnLeave(link[n], reason)], line[Peer(n)], line[n], row)
Turn(n, off, row) ==
    LET v == View(chain[n])
    IN  /\ link[n] # Closed
        /\ Steps(n, [c |-> chain[n], r |-> Pumped(OnSwitch(link[n], off, v), v)], line[Peer(n)], line[n], row)

Calm(n) == Len(line[n].queue) < Bound

Happens(move, row) ==
    CASE move.kind = "connect"  -> Connect(row)
      [] move.kind = "cut"      -> Cut(row)
      [] move.kind = "make"     -> Calm(move.node) /\ Make(move.node, move.run, row)
      [] move.kind = "finalise" -> Calm(move.node) /\ Settle(move.node, move.block, row)
      [] move.kind = "confirm"  -> Calm(move.node) /\ Read(move.node, move.run, move.block, row)
      [] move.kind = "ban"      -> Calm(move.node) /\ Forbid(move.node, move.block, row)
      [] move.kind = "unban"    -> Calm(move.node) /\ Allow(move.node, move.block, row)
      [] move.kind = "leave"    -> Calm(move.node) /\ Leave(move.node, move.reason, row)
      [] move.kind = "switch"   -> Calm(move.node) /\ Turn(move.node, move.off, row)

Move(i, row) ==
    /\ left[i] > 0
    /\ left' = [left EXCEPT ![i] = @ - 1]
    /\ Happens(Moves[i], row)

Environment(row) == \E i \in 1..Len(Moves) : Move(i, row)

-----------------------------------------------------------------------------
Next == Protocol(AnyRow) \/ Environment(AnyRow)

(* Only the environment uses up `left`, and only a state at rest has no    *)
(* protocol action. So the second line is WF_vars(Protocol(AnyRow)), in a  *)
(* form that TLC can check in good time: the environment may stop at any   *)
(* time, the protocol may not.                                             *)
AtRest == \A n \in Node : line[n].queue = <<>> /\ line[n].owed = 0
Fairness == []<>AtRest \/ []<><<left' = left>>_vars
Spec == Init /\ [][Next]_vars
FairSpec == Spec /\ Fairness
=============================================================================
