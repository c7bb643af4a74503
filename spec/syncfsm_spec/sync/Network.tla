------------------------------ MODULE Network -------------------------------
(* Nodes with several peers: how new blocks travel through a network. Each *)
(* node has an end of a connection for each peer (Link.tla), one feed      *)
(* (Feeds.tla), and a line to each peer. One action here is one action of  *)
(* the worlds of relay.py: a message, a move of the environment, or a feed *)
(* that is late, and all that the nodes do about it at once, in the order  *)
(* of syncfsm/node/step.py. So the states are the same, one to one.        *)
(* Relay.tla puts the actions together, and so does Starved.tla.           *)
(*                                                                         *)
(* Nodes are numbers in the order of their names. Those that are not ours  *)
(* say by themselves nothing, and hear nothing: what they say is a move of *)
(* the environment.                                                        *)
(*                                                                         *)
(* Left out: what is left out in Link.tla and in Feeds.tla.                *)
EXTENDS Lines

CONSTANTS Linked,     \* Linked[n]: the nodes that may be linked with n
          Ours,       \* the nodes that are ours
          Begin,      \* the nodes and their lines at the beginning
          Bound,      \* nothing new happens at a node while this many messages are on one of its lines
          Overtaking, \* may small messages overtake blocks?
          Lateness,   \* when a feed may be late: "ever", "never", or "unless" somebody else is ahead
          Moves,      \* what the environment may do
          Times,      \* how often it may do each
          Graft, GraftMost, Early, Rival, Patience, Lead, Gates, Pressed, MostLost  \* see Feeds.tla

VARIABLES chain,  \* chain[n]: what the node holds
          link,   \* link[n][p]: its end of the connection with p, or Closed
          feed,   \* feed[n]: what it decides across its peers
          line,   \* line[n][p]: what is under way from n to p, and the room that n is owed for what arrived
          left,   \* left[i]: how often move i may still happen
          since   \* how many blocks were made in peace since anything else happened

vars == <<chain, link, feed, line, left, since>>

Node == 1..Len(Linked)
F == INSTANCE Feeds

Begins ==
    /\ chain = Begin.chain
    /\ link = Begin.link
    /\ feed = Begin.feed
    /\ line = Begin.line
    /\ left = Times
    /\ since = 0

-----------------------------------------------------------------------------
(* A node within a step: what it is, what it has said to each peer, and    *)
(* the news for its feed, each with the peer that it is of. What a link    *)
(* did is noted with `Does`; that it has ended is news, too.               *)

Of(w, n) == [v |-> View(w.chain[n]), link |-> w.link[n], feed |-> w.feed[n],
             says |-> [p \in Node |-> <<>>], news |-> <<>>]
News(what, p) == <<[what |-> what, peer |-> p]>>
Before(s, news) == [s EXCEPT !.news = @ \o news]

Does(s, p, r) ==
    LET news == [i \in 1..Len(r.news) |-> [what |-> r.news[i], peer |-> p]]
        ends == s.link[p] # Closed /\ r.link = Closed
    IN  [s EXCEPT !.link[p] = r.link, !.says[p] = @ \o r.says,
                  !.news = @ \o news \o (IF ends THEN News("left", p) ELSE <<>>)]

RECURSIVE InOrder(_)
InOrder(S) == IF S = {} THEN <<>> ELSE <<Min(S)>> \o InOrder(S \ {Min(S)})

(* The chain is this one now, and these links look at it, one after the    *)
(* other.                                                                  *)
RECURSIVE Shown(_, _, _, _)
Shown(s, peers, extends, best) ==
    IF peers = <<>> THEN s
    ELSE LET p == Head(peers)
             l == s.link[p]
             looks == l # Closed /\ (best \/ l.state \in Greeting \/ l.claims # {})
             moved == Pumped(OnMoved(l, extends, best, s.v), s.v)
         IN  Shown(IF looks THEN Does(s, p, moved) ELSE s, Tail(peers), extends, best)
ShownTo(s, c, peers) ==
    LET d == s.v.c
    IN  Shown(s, InOrder(peers), IsAncestor(c.head, d.head), c.head # d.head \/ c.final # d.final)

(* Who brought a block knows of it; the others look at the new chain.      *)
Received(s, p, m) ==
    LET c == s.v.c
        fresh == BringsNew(m, c)
        now == [s EXCEPT !.v = IF fresh THEN View(Insert(c, m.block)) ELSE @,
                         !.news = IF fresh THEN @ \o News("gained", p) ELSE @]
        told == Does(now, p, Pumped(OnMessage(s.link[p], m, now.v, c), now.v))
    IN  IF fresh THEN ShownTo(told, c, Node \ {p}) ELSE told

(* The chain changes: all links are told of a new final point and look at  *)
(* the chain, and only then is it pruned.                                  *)
RECURSIVE Finalised(_, _)
Finalised(s, peers) ==
    IF peers = <<>> THEN s
    ELSE LET p == Head(peers)
             told == Pumped(OnFinalised(s.link[p], s.v), s.v)
         IN  Finalised(IF s.link[p] = Closed THEN s ELSE Does(s, p, told), Tail(peers))
Adopted(s, d) ==
    LET c == s.v.c
        final == c.final # d.final
        after == IF final THEN Pruned(d) ELSE d
        now == [s EXCEPT !.v = [c |-> d, floor |-> Height[after.base]]]
    IN  [ShownTo(IF final THEN Finalised(now, InOrder(Node)) ELSE now, c, Node) EXCEPT !.v = View(after)]

-----------------------------------------------------------------------------
(* What the feed decides at the end of a step, about all that happened and *)
(* about deadlines that have come, until all is said.                      *)

More(s) == {p \in Node : Ahead(s.link[p], s.v)}
Greeted(s) == {p \in Node : s.link[p].final # None}
LackOurs(s) == {p \in Node : s.link[p].mode # "off" /\ Lacks(s.link[p], s.v)}
OffTo(s) == {p \in Node : s.link[p].mode = "off"}

Said == {"ahead", "given", "busy", "off", "wanted", "insists", "unwanted"}
OnNews(s, what, p) ==
    LET f == s.feed
    IN  CASE what = "joined"   -> F!OnJoined(f, p)
          [] f.peer = None     -> F!Row("LeftIgnore", f, <<>>)
          [] what \in Said /\ p \notin {f.peer} \cup F!Range(f.others) -> F!Row("AheadHasLeft", f, <<>>)
          [] what = "left"     -> F!OnLeft(f, p, More(s))
          [] what = "gained"   -> F!OnGained(f, p, More(s), LackOurs(s))
          [] what = "made"     -> F!OnMade(f, More(s), OffTo(s))
          [] what = "late"     -> F!OnLate(f, More(s))
          [] what = "ahead"    -> F!OnAhead(f, p, More(s), Greeted(s))
          [] what = "given"    -> F!OnGiven(f, p)
          [] what = "busy"     -> F!OnRefused(f, p, FALSE, More(s))
          [] what = "off"      -> F!OnRefused(f, p, TRUE, More(s))
          [] what = "wanted"   -> F!OnWanted(f, p, FALSE)
          [] what = "insists"  -> F!OnWanted(f, p, TRUE)
          [] what = "unwanted" -> F!OnUnwanted(f, p)

(* What the feed says to a link is done at once. Greeting is what begins   *)
(* one, and for those that are over it comes too late.                     *)
OnPoke(l, what, v) ==
    CASE what = "greet"        -> OnConnect(v, TRUE)
      [] what = "greet beside" -> OnConnect(v, FALSE)
      [] l = Closed            -> Nothing(l)
      [] what = "ask"          -> Pumped(OnAsk(l, FALSE, v), v)
      [] what = "insist"       -> Pumped(OnAsk(l, TRUE, v), v)
      [] what = "shut"         -> Pumped(OnShut(l, v), v)
      [] what = "serve"        -> Pumped(OnServe(l, TRUE, v), v)
      [] what = "give"         -> Pumped(OnServe(l, FALSE, v), v)
      [] what = "refuse"       -> Pumped(OnRefuse(l, v), v)

RECURSIVE Poked(_, _)
Poked(s, pokes) ==
    IF pokes = <<>> THEN s
    ELSE LET p == Head(pokes).peer
         IN  Poked(Does(s, p, OnPoke(s.link[p], Head(pokes).what, s.v)), Tail(pokes))

IsLate(f) == LET due == F!Deadlines(f) IN due # {} /\ Min(due) <= 0

RECURSIVE Decided(_)
Decided(s) ==
    IF s.news = <<>> /\ ~IsLate(s.feed) THEN s
    ELSE LET news == IF s.news = <<>> THEN News("late", None) ELSE s.news
             did == OnNews(s, Head(news).what, Head(news).peer)
         IN  Decided(Poked([s EXCEPT !.feed = did.feed, !.news = Tail(news)], did.pokes))

-----------------------------------------------------------------------------
(* All nodes and lines within an action.                                   *)

All == [chain |-> chain, link |-> link, feed |-> feed, line |-> line]
OnLine(w, a, b, ln) == [w EXCEPT !.line[a][b] = ln]

(* Node n has done this, in all: what it said is on its lines. Where its   *)
(* link ended, so does its line, and what was under way to it is lost.     *)
Done(w, n, did) ==
    LET s == Decided(did)
        ended == {p \in Node : w.link[n][p] # Closed /\ s.link[p] = Closed}
        out(p) == LET put == Put(w.line[n][p], s.says[p]) IN IF p \in ended THEN Ended(put) ELSE put
    IN  [chain |-> [w.chain EXCEPT ![n] = s.v.c], link |-> [w.link EXCEPT ![n] = s.link],
         feed |-> [w.feed EXCEPT ![n] = s.feed],
         line |-> [a \in Node |-> IF a = n THEN [p \in Node |-> out(p)]
                                  ELSE IF a \in ended THEN [w.line[a] EXCEPT ![n] = Shut] ELSE w.line[a]]]

Is(w) == chain' = w.chain /\ link' = w.link /\ feed' = w.feed /\ line' = w.line

(* The node hears, if it is ours and the connection is not over for it.    *)
Hears(w, n, p, m) == IF n \notin Ours \/ w.link[n][p] = Closed THEN w ELSE Done(w, n, Received(Of(w, n), p, m))

-----------------------------------------------------------------------------
(* What the protocol does.                                                 *)

DeliverAt(a, n, at) ==
    LET ln == line[a][n] IN Is(Hears(OnLine(All, a, n, TakenFrom(ln, at)), n, a, ln.queue[at]))
Deliver(a, n) == line[a][n].queue # <<>> /\ DeliverAt(a, n, 1)
Overtake(a, n) ==
    LET queue == line[a][n].queue IN Overtaking /\ CanOvertake(queue) /\ DeliverAt(a, n, FirstSmall(queue))

GiveBack(n, p) ==
    LET w == OnLine(All, n, p, [line[n][p] EXCEPT !.owed = 0])
        s == Of(w, n)
        did == Does(s, p, Pumped(OnRoom(s.link[p], line[n][p].owed), s.v))
    IN  line[n][p].owed > 0 /\ Is(IF n \in Ours THEN Done(w, n, did) ELSE w)

(* Time passes for one node, until its feed is late.                       *)
MayBeLate(n) ==
    /\ Lateness # "never" /\ F!Deadlines(feed[n]) # {}
    /\ Lateness = "unless" => feed[n].ahead = <<>>
UntilLate(n) == Max2(0, Min(F!Deadlines(feed[n])))
Passed(w, n, time) == LET s == Of(w, n) IN Done(w, n, [s EXCEPT !.feed = F!Aged(@, time)])

Heeds(n) == (\E p \in Linked[n] : Deliver(p, n) \/ Overtake(p, n) \/ GiveBack(n, p)) /\ UNCHANGED <<left, since>>
Late(n) == n \in Ours /\ MayBeLate(n) /\ Is(Passed(All, n, UntilLate(n))) /\ UNCHANGED <<left, since>>
Protocol == \E n \in Node : Heeds(n) \/ Late(n)

-----------------------------------------------------------------------------
(* What the environment does.                                              *)

Joined(w, n, p) == IF n \in Ours THEN Done(w, n, Before(Of(w, n), News("joined", p))) ELSE w
Connect(a, b) ==
    /\ line[a][b] = Shut /\ line[b][a] = Shut
    /\ Is(Joined(Joined(OnLine(OnLine(All, a, b, Fresh), b, a, Fresh), a, b), b, a))

Cut(a, b) ==
    /\ line[a][b].open /\ line[b][a].open
    /\ Is(Hears(Hears(OnLine(OnLine(All, a, b, Shut), b, a, Shut), a, b, End), b, a, End))

Make(n, run) ==
    LET c == chain[n]
        d == Made(c, run)
    IN  /\ CanMake(c, run) /\ d # c
        /\ Is(Done(All, n, Adopted(Before(Of(All, n), News("made", None)), d)))

Adopts(n, d) == Is(Done(All, n, Adopted(Of(All, n), d)))
Settle(n, b) == CanFinalise(chain[n], b) /\ Adopts(n, Finalise(chain[n], b))
Read(n, run, b) ==
    CanRead(chain[n], run, b) /\ HasRead(chain[n], run, b) # chain[n] /\ Adopts(n, HasRead(chain[n], run, b))
Forbid(n, b) == CanBan(chain[n], b) /\ Adopts(n, Ban(chain[n], b))
Allow(n, b) == b \in chain[n].banned /\ Adopts(n, Unban(chain[n], b))

(* The operator turns blocks to these peers off, or on again.              *)
RECURSIVE Switched(_, _, _)
Switched(s, peers, off) ==
    IF peers = <<>> THEN s
    ELSE LET l == s.link[Head(peers)]
         IN  Switched(Does(s, Head(peers), Pumped(OnSwitch(l, off, s.v), s.v)), Tail(peers), off)
Switch(n, peers, off) ==
    LET here == {p \in peers : link[n][p] # Closed}
    IN  here # {} /\ Is(Done(All, n, Switched(Of(All, n), InOrder(here), off)))

(* Time passes, and the node notices, unless it is `late` to: then         *)
(* something else may come before.                                         *)
Wait(n, time, late) ==
    Is(IF late THEN [All EXCEPT !.feed[n] = F!Aged(@, time)] ELSE Passed(All, n, time))

(* One that is not ours says something.                                    *)
Lie(n, p, m) == Is(OnLine(All, n, p, Put(line[n][p], <<m>>)))

Calm(n) == \A p \in Linked[n] : Len(line[n][p].queue) < Bound
Still == (\A a \in Node : \A b \in Linked[a] : line[a][b].queue = <<>>) /\ \A n \in Ours : ~MayBeLate(n)

Changes(n, move) ==
    CASE move.kind = "make"     -> (move.still => Still) /\ Make(n, move.run)
      [] move.kind = "finalise" -> Settle(n, move.block)
      [] move.kind = "confirm"  -> Read(n, move.run, move.block)
      [] move.kind = "ban"      -> Forbid(n, move.block)
      [] move.kind = "unban"    -> Allow(n, move.block)

Happens(move) ==
    CASE move.kind = "connect" -> Connect(move.node, move.peer)
      [] move.kind = "cut"     -> Cut(move.node, move.peer)
      [] move.kind = "switch"  -> Calm(move.node) /\ Switch(move.node, move.peers, move.off)
      [] move.kind = "wait"    -> Calm(move.node) /\ Wait(move.node, move.time, move.late)
      [] move.kind = "lie"     -> Len(line[move.node][move.peer].queue) < Bound /\ Lie(move.node, move.peer, move.says)
      [] OTHER                 -> Calm(move.node) /\ Changes(move.node, move)

(* Blocks that wait until all is still are made in peace.                  *)
InPeace(move) == move.kind = "make" /\ move.still
Move(i) ==
    /\ left[i] > 0
    /\ left' = [left EXCEPT ![i] = @ - 1]
    /\ since' = IF InPeace(Moves[i]) THEN since + 1 ELSE 0
    /\ Happens(Moves[i])

Environment == \E i \in 1..Len(Moves) : Move(i)

(* See World.tla: the environment may stop at any time, the protocol may   *)
(* not.                                                                    *)
AtRest ==
    /\ \A a \in Node : \A b \in Linked[a] : line[a][b].queue = <<>> /\ line[a][b].owed = 0
    /\ \A n \in Ours : ~MayBeLate(n)
Fairness == []<>AtRest \/ []<><<left' = left>>_vars
=============================================================================
