------------------------------- MODULE Lines --------------------------------
(* The line of a connection, in one direction: what is under way, and the  *)
(* room that its sender is owed for what arrived. And what is the same for *)
(* a node with one peer (World.tla) and with several (Relay.tla): what it  *)
(* sees, what a link makes of a message, and how blocks of its own come.   *)
EXTENDS Link

Shut == [open |-> FALSE, queue |-> <<>>, owed |-> 0]
Fresh == [open |-> TRUE, queue |-> <<>>, owed |-> 0]
End == [type |-> "end"]

CostOf(m) == CASE m.type = "block" -> Cost[m.block] [] m.type = "hello" -> HelloCost [] OTHER -> 0

(* A closed line swallows what is put on it.                               *)
Put(ln, says) ==
    IF ~ln.open \/ (ln.queue # <<>> /\ Last(ln.queue) = End) THEN ln ELSE [ln EXCEPT !.queue = @ \o says]
Ended(ln) == IF ln.open THEN [ln EXCEPT !.queue = Append(@, End), !.owed = 0] ELSE ln

(* A line after the message at this place has arrived. Only the oldest may *)
(* be the end.                                                             *)
TakenFrom(ln, at) ==
    LET m == ln.queue[at]
        rest == SubSeq(ln.queue, 1, at - 1) \o SubSeq(ln.queue, at + 1, Len(ln.queue))
        ending == rest # <<>> /\ Last(rest) = End
    IN  IF m = End THEN Shut
        ELSE [open |-> TRUE, queue |-> rest, owed |-> IF ending THEN 0 ELSE ln.owed + CostOf(m)]

(* Small messages may go ahead of blocks.                                  *)
SmallOf(queue) == {i \in 1..Len(queue) : queue[i].type \notin {"block", "end"}}
FirstSmall(queue) == Min(SmallOf(queue))
CanOvertake(queue) == SmallOf(queue) # {} /\ FirstSmall(queue) > 1

-----------------------------------------------------------------------------
(* What a node does when a message comes. `c` is the chain before.         *)

View(c) == [c |-> c, floor |-> Height[c.base]]

BringsNew(m, c) == m.type = "block" /\ m.block \notin c.held /\ Fits(c, m.block)

OnMessage(l, m, v, c) ==
    CASE m.type = "hello"       -> OnHello(l, m, v)
      [] m.type = "found"       -> OnFound(l, m.common, v)
      [] m.type = "block"       -> OnBlock(l, m.block, v, c)
      [] m.type = "final"       -> OnFinal(l, m.point, v)
      [] m.type = "has"         -> OnHas(l, m.head, v)
      [] m.type = "want"        -> OnWant(l, m.insist)
      [] m.type = "do not want" -> OnDoNotWant(l, v)
      [] m.type = "give"        -> OnGive(l)
      [] m.type = "busy"        -> OnBusy(l, m.off)
      [] m.type = "bye"         -> OnBye(l)
      [] m.type = "end"         -> OnLost(l)

(* The row that names a step. To give room is what a turn begins with: if  *)
(* a link uses it at once, that says more.                                 *)
First(rows) ==
    IF rows = <<>> THEN "none"
    ELSE IF Head(rows) = "RoomGain" /\ Len(rows) > 1 THEN rows[2] ELSE Head(rows)

-----------------------------------------------------------------------------
(* Blocks of the node's own. Can all of a run be held?                     *)

RECURSIVE CanMake(_, _)
CanMake(c, run) ==
    IF run = <<>> THEN TRUE
    ELSE IF Head(run) \in c.held \/ Fits(c, Head(run)) THEN CanMake([c EXCEPT !.held = @ \cup {Head(run)}], Tail(run))
    ELSE FALSE
RECURSIVE Made(_, _)
Made(c, run) == IF run = <<>> THEN c ELSE Made(IF Head(run) \in c.held THEN c ELSE Insert(c, Head(run)), Tail(run))

(* The source of truth brings blocks, and they pin the chain.              *)
NotFinal(c, run) == SelectSeq(run, LAMBDA x : Height[x] > Height[c.final])
CanRead(c, run, b) == LET new == NotFinal(c, run) IN CanMake(c, new) /\ CanConfirm(Made(c, new), b)
HasRead(c, run, b) == Confirm(Made(c, NotFinal(c, run)), b)
=============================================================================
