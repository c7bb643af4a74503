-------------------------------- MODULE World --------------------------------
(* A few nodes, a line in each direction between those that are linked, and *)
(* an environment with a budget: the worlds of worlds.py. One action here   *)
(* is one action there: a message, a deadline, or a move of the             *)
(* environment, and all that the nodes do about it at once.                 *)
(*                                                                          *)
(* Of sync there is what packets depend on: over which connections blocks   *)
(* go, in which direction, and that they come. What sync says otherwise is  *)
(* not on these lines.                                                      *)
(*                                                                          *)
(* Actions take the row that fires first as an argument, the router's       *)
(* before those of a connection, so that an edge is told by it.             *)
EXTENDS Routing

CONSTANTS Start,    \* the variables below, at the beginning, but for `seen`
          Maker,    \* Maker[b]: who makes block b, if that is known. Blocks are a chain: b is a height, too
          Prompt,   \* does the integrator find each packet valid, at once?
          Bound,    \* nothing new happens at a node while so many messages are on one of its lines
          Moves,    \* what the environment may do
          Times     \* how often it may do each

VARIABLES router, \* router[n]: what n knows of packets
          way,    \* way[n][p]: its end of the connection with p
          tree,   \* tree[n]: its feed; from whom it wants blocks, and who wants them from it
          held,   \* held[n]: the highest block of n
          line,   \* line[n][p]: what is under way from n to p
          left,   \* left[i]: how often move i may still happen
          seen    \* seen[n]: what was judged valid or published at n, and how often each packet was delivered there

vars == <<router, way, tree, held, line, left, seen>>

AnyRow == "any row"
Shut == [open |-> FALSE, queue |-> <<>>]
Fresh == [open |-> TRUE, queue |-> <<>>]

Init ==
    /\ router = Start.router
    /\ way = Start.way
    /\ tree = Start.tree
    /\ held = Start.held
    /\ line = Start.line
    /\ left = Times
    /\ seen = [n \in Node |-> [valid |-> {}, arrived |-> [p \in 1..Len(Packet) |-> 0]]]

-----------------------------------------------------------------------------
(* What a node does in a step: what becomes of it, what it says to whom,    *)
(* and the first row.                                                       *)

Here(n) == [router |-> router[n], way |-> way[n], tree |-> tree[n], held |-> held[n], seen |-> seen[n],
            says |-> [p \in Node |-> <<>>], row |-> "none"]
Fires(d, row) == IF d.row = "none" THEN [d EXCEPT !.row = row] ELSE d
Says(d, p, messages) == [d EXCEPT !.says[p] = @ \o messages]

RECURSIVE Pokes(_, _)
Pokes(d, pokes) ==
    IF pokes = <<>> THEN d
    ELSE LET poke == Head(pokes)
             did == Poked(d.way[poke.peer], poke.what)
         IN  Pokes(Says([d EXCEPT !.way[poke.peer] = did.way], poke.peer, did.says), Tail(pokes))
Routes(d, did) ==
    LET after == [Fires(d, did.row) EXCEPT !.router = did.router]
    IN  Pokes(IF did.arrived = None THEN after ELSE [after EXCEPT !.seen.arrived[did.arrived] = @ + 1], did.pokes)

(* Over these connections blocks go, in one direction or the other.         *)
Edges(d) == d.tree.wanted \cup d.tree.active

Published(d, p) == Routes([d EXCEPT !.seen.valid = @ \cup {p}], OnPublish(d.router, p, Edges(d)))
Found(d, p, valid) ==
    Routes(IF valid THEN [d EXCEPT !.seen.valid = @ \cup {p}] ELSE d, OnJudged(d.router, p, valid, Edges(d)))
Came(d, p, m) ==
    LET did == Routes(d, OnCame(d.router, m, p))
    IN  IF Prompt /\ did.row = "CameJudge" THEN Found(did, m.packet, TRUE) ELSE did

(* A message of packets. *)
Told(d, p, m) ==
    LET did == CASE m.type = "pass"  -> OnPass(d.way[p], m)
                 [] m.type = "have"  -> OnHave(d.way[p], m)
                 [] m.type = "fetch" -> OnFetch(d.way[p], m)
        after == [d EXCEPT !.way[p] = did.way]
        news == Head(did.news)
    IN  CASE did.news = <<>>        -> Fires(after, did.row)
          [] news.event = "came"    -> Came(after, p, m)
          [] news.event = "told"    -> Routes(after, OnTold(d.router, news.what, p))
          [] news.event = "fetched" -> Routes(after, OnFetched(d.router, news.what, p))
          [] news.event = "left"    -> Routes(Fires(after, did.row), OnLeft(d.router, p, Edges(d)))

(* What of sync matters here. A node wants blocks from its feed alone; the  *)
(* first that comes is the feed, and if it goes, another is asked at once.  *)
NoTree == [feed |-> None, wanted |-> {}, active |-> {}]
Joined(d, p) ==
    LET first == d.tree.feed = None
        tree2 == [d.tree EXCEPT !.feed = IF first THEN p ELSE @, !.active = @ \cup {p},
                                !.wanted = IF first THEN @ \cup {p} ELSE @]
        greets == Says([d EXCEPT !.tree = tree2, !.way[p] = Opened], p,
                       IF first THEN <<>> ELSE <<[type |-> "do not want"]>>)
    IN  Routes(greets, OnJoined(d.router, p))
Lost(d, p) ==
    LET rest == {q \in Node : q # p /\ d.way[q].open}
        gone == [d.tree EXCEPT !.wanted = @ \ {p}, !.active = @ \ {p}]
        next == Min(rest)
        turned == IF rest = {} THEN [d EXCEPT !.tree = NoTree]
                  ELSE IF d.tree.feed # p THEN [d EXCEPT !.tree = gone]
                  ELSE Says([d EXCEPT !.tree = [gone EXCEPT !.feed = next, !.wanted = @ \cup {next}]], next,
                            <<[type |-> "want"]>>)
        after == [turned EXCEPT !.way[p] = Closed]
    IN  Routes(after, OnLeft(d.router, p, Edges(after)))
Adopts(d, b, p) ==
    LET on == d.tree.active \ {p}
        sent == [q \in Node |-> IF q \in on THEN Append(d.says[q], [type |-> "block", block |-> b]) ELSE d.says[q]]
    IN  Routes([d EXCEPT !.held = b, !.says = sent], OnTaken(d.router, Maker[b], b, p))

Received(d, p, m) ==
    CASE m.type = "want"        -> Fires([d EXCEPT !.tree.active = @ \cup {p}], "Tree")
      [] m.type = "do not want" -> Fires([d EXCEPT !.tree.active = @ \ {p}], "Tree")
      [] m.type = "block"       -> IF m.block <= d.held THEN Fires(d, "Tree") ELSE Adopts(d, m.block, p)
      [] OTHER                  -> Told(d, p, m)

RECURSIVE AllLate(_)
AllLate(d) ==
    LET due == Deadlines(d.router)
    IN  IF due = {} \/ Min(due) > 0 THEN d ELSE AllLate(Routes(d, OnLate(d.router)))

-----------------------------------------------------------------------------
(* Steps. These nodes become what `does` says, and what they say is put on  *)
(* their lines. (TLC works out a definition once, but an argument of an     *)
(* action whenever it is used.)                                             *)

Put(ln, says) == IF ln.open THEN [ln EXCEPT !.queue = @ \o says] ELSE ln
Becomes(who, does(_), lines, row) ==
    LET after == [n \in Node |-> IF n \in who THEN does(n) ELSE Here(n)]
        put == lines
    IN  /\ row \in {AnyRow, after[Min(who)].row}
        /\ router' = [n \in Node |-> after[n].router]
        /\ way' = [n \in Node |-> after[n].way]
        /\ tree' = [n \in Node |-> after[n].tree]
        /\ held' = [n \in Node |-> after[n].held]
        /\ seen' = [n \in Node |-> after[n].seen]
        /\ line' = [n \in Node |-> [p \in Node |-> Put(put[n][p], after[n].says[p])]]

(* What the protocol does. *)
Deliver(n, p, row) ==
    LET queue == line[p][n].queue
        does(m) == Received(Here(m), p, Head(queue))
    IN  /\ queue # <<>>
        /\ Becomes({n}, does, [line EXCEPT ![p][n].queue = Tail(@)], row)
        /\ left' = left
Wait(n, row) ==
    LET due == Deadlines(router[n])
        time == Max2(0, Min(due))
        does(m) == AllLate([Here(m) EXCEPT !.router = Aged(@, time)])
    IN  /\ due # {}
        /\ Becomes({n}, does, line, row)
        /\ left' = left

Protocol(row) == \E n \in Node : Wait(n, row) \/ \E p \in Node : Deliver(n, p, row)

(* What the environment does. *)
Calm(n) == \A p \in Node : Len(line[n][p].queue) < Bound

Connect(a, b, row) ==
    LET does(n) == Joined(Here(n), a + b - n)
    IN  /\ line[a][b] = Shut /\ line[b][a] = Shut
        /\ Becomes({a, b}, does, [line EXCEPT ![a][b] = Fresh, ![b][a] = Fresh], row)
Cut(a, b, row) ==
    LET does(n) == Lost(Here(n), a + b - n)
    IN  /\ line[a][b].open /\ line[b][a].open
        /\ Becomes({a, b}, does, [line EXCEPT ![a][b] = Shut, ![b][a] = Shut], row)
Publish(n, p, row) ==
    LET does(m) == Published(Here(m), p)
    IN  ~Knows(router[n], p) /\ Becomes({n}, does, line, row)
Verdict(n, p, valid, row) ==
    LET does(m) == Found(Here(m), p, valid)
    IN  p \in Waits(router[n]) /\ Becomes({n}, does, line, row)
Make(n, b, row) ==
    LET does(m) == Adopts(Here(m), b, None)
    IN  held[n] = b - 1 /\ Becomes({n}, does, line, row)

Happens(move, row) ==
    CASE move.kind = "connect" -> Connect(move.node, move.peer, row)
      [] move.kind = "cut"     -> Cut(move.node, move.peer, row)
      [] move.kind = "publish" -> Calm(move.node) /\ Publish(move.node, move.packet, row)
      [] move.kind = "verdict" -> Calm(move.node) /\ Verdict(move.node, move.packet, move.valid, row)
      [] move.kind = "make"    -> Calm(move.node) /\ Make(move.node, move.block, row)
Environment(row) ==
    \E i \in 1..Len(Moves) : left[i] > 0 /\ left' = [left EXCEPT ![i] = @ - 1] /\ Happens(Moves[i], row)

-----------------------------------------------------------------------------
(* The same by row: each is an action of its own, so that TLC names its     *)
(* edges. What sync alone does is "Tree".                                   *)

Does(row) == Protocol(row) \/ Environment(row)

Tree              == /\ Does("Tree")
JoinedGreet       == /\ Does("JoinedGreet")
LeftIsUnknown     == /\ Does("LeftIsUnknown")
LeftLose          == /\ Does("LeftLose")
TakenShowsNoWay   == /\ Does("TakenShowsNoWay")
TakenFindWays     == /\ Does("TakenFindWays")
PublishPublish    == /\ Does("PublishPublish")
CameKnown         == /\ Does("CameKnown")
CameNoPlace       == /\ Does("CameNoPlace")
CameJudge         == /\ Does("CameJudge")
JudgedValid       == /\ Does("JudgedValid")
JudgedRefuse      == /\ Does("JudgedRefuse")
ToldToldNothingNew == /\ Does("ToldToldNothingNew")
ToldNote          == /\ Does("ToldNote")
FetchedKeepsNone  == /\ Does("FetchedKeepsNone")
FetchedServe      == /\ Does("FetchedServe")
LateVerdictIsLate == /\ Does("LateVerdictIsLate")
LateFetch         == /\ Does("LateFetch")
PassBroughtBefore == /\ Does("PassBroughtBefore")
HaveHear          == /\ Does("HaveHear")
FetchToldOfNone   == /\ Does("FetchToldOfNone")

NextByRow ==
    \/ Tree \/ JoinedGreet \/ LeftIsUnknown \/ LeftLose \/ TakenShowsNoWay \/ TakenFindWays
    \/ PublishPublish \/ CameKnown \/ CameNoPlace \/ CameJudge \/ JudgedValid \/ JudgedRefuse
    \/ ToldToldNothingNew \/ ToldNote \/ FetchedKeepsNone \/ FetchedServe \/ LateVerdictIsLate \/ LateFetch
    \/ PassBroughtBefore \/ HaveHear \/ FetchToldOfNone
Next == Does(AnyRow)

(* Only the environment uses up `left`, and only a state at rest has no     *)
(* protocol action: see sync/World.tla.                                     *)
AtRest == \A n \in Node : Deadlines(router[n]) = {} /\ \A p \in Node : line[n][p].queue = <<>>
Fairness == []<>AtRest \/ []<><<left' = left>>_vars
Spec == Init /\ [][Next]_vars
SpecByRow == Init /\ [][NextByRow]_vars
FairSpec == Spec /\ Fairness
FairSpecByRow == SpecByRow /\ Fairness
==============================================================================
