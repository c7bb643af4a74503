------------------------------- MODULE Routing -------------------------------
(* Packets: what is said of them on one connection, and what a node         *)
(* decides across its peers. A way is a record: what there is between a     *)
(* node and one peer. A router is one, too: all that a node knows of        *)
(* packets.                                                                 *)
(*                                                                          *)
(* Each row is a line, named by its event and its guard, or by its event    *)
(* and its action if it has no guard; the rows of an event are tried from   *)
(* the top. The tables are those in syncfsm/routing/rules.py and            *)
(* syncfsm/routing/router/rules.py. Nodes, which are producers and origins  *)
(* too, and packets are numbers from 1; 0 is none.                          *)
(*                                                                          *)
(* Left out: packets about a block and so those that are held back, what    *)
(* incorrect peers send, and the limit on ways to producers.                *)
EXTENDS Integers, Sequences, FiniteSets, TLC

CONSTANTS Nodes,    \* how many there are
          Packet,   \* Packet[p]: its origin, sequence, reach ("all", "producers", "one"), and producer, `to`
          Hops,     \* connections that a packet may go over
          Kept, Judging, JudgingOne, Refused, Origins, Window, Missing, Fetched,  \* limits, by their names
          Judge, Graft, GraftMost  \* the limits that are times, in thousandths of a second

None == 0
Node == 1..Nodes
Range(s) == {s[i] : i \in 1..Len(s)}
Min(S) == CHOOSE x \in S : \A y \in S : y >= x
Max(S) == CHOOSE x \in S : \A y \in S : y <= x
Max2(a, b) == IF a >= b THEN a ELSE b
Newest(s, most) == SubSeq(s, Max2(1, Len(s) - most + 1), Len(s))
Without(s, x) == SelectSeq(s, LAMBDA y : y # x)
In(s, S) == SelectSeq(s, LAMBDA y : y \in S)
RECURSIVE Ascending(_)
Ascending(S) == IF S = {} THEN <<>> ELSE LET x == Min(S) IN <<x>> \o Ascending(S \ {x})

-----------------------------------------------------------------------------
(* One connection: syncfsm/routing/rules.py. A row makes a new way, what it *)
(* says to the peer, and the news for the router, each at most one.         *)

Closed == [open |-> FALSE, brought |-> <<>>, has |-> <<>>, told |-> <<>>]
Opened == [Closed EXCEPT !.open = TRUE]

Way(name, w, says, news) == [row |-> name, way |-> w, says |-> says, news |-> news]
Quiet(name, w) == Way(name, w, <<>>, <<>>)
News(event, what) == <<[event |-> event, what |-> what]>>

Pass(p, hops) == [type |-> "pass", packet |-> p, hops |-> hops]
Have(ids) == [type |-> "have", ids |-> ids]
Fetch(ids) == [type |-> "fetch", ids |-> ids]

HasPacket(w) == Range(w.has) \cup Range(w.brought)
Remembered(old, new) == Newest(old \o new, Kept)

OnPass(w, m) ==
    CASE m.packet \in Range(w.brought) -> Way("PassBroughtBefore", Closed, <<>>, News("left", None))
      [] OTHER -> Way("PassBring", [w EXCEPT !.brought = Remembered(@, <<m.packet>>)], <<>>, News("came", m))

OnHave(w, m) ==
    LET new == SelectSeq(m.ids, LAMBDA p : p \notin HasPacket(w))
        told == SelectSeq(w.told, LAMBDA p : p \notin Range(new))
    IN  Way("HaveHear", [w EXCEPT !.has = Remembered(@, new), !.told = told], <<>>,
            IF new = <<>> THEN <<>> ELSE News("told", new))

OnFetch(w, m) ==
    LET asked == In(w.told, Range(m.ids))
    IN  IF asked = <<>> THEN Quiet("FetchToldOfNone", w)
        ELSE Way("FetchGive", [w EXCEPT !.told = SelectSeq(@, LAMBDA p : p \notin Range(asked))], <<>>,
                 News("fetched", asked))

OnSend(w, m) ==
    IF m.packet \in HasPacket(w) THEN Quiet("SendPeerHasPacket", w)
    ELSE Way("SendPeerHasSubject", w, <<m>>, <<>>)

OnTell(w, m) ==
    LET new == SelectSeq(m.ids, LAMBDA p : p \notin HasPacket(w))
    IN  IF new = <<>> THEN Quiet("TellPeerHasAll", w)
        ELSE Way("TellTell", [w EXCEPT !.told = Remembered(@, new)], <<Have(new)>>, <<>>)

OnAsk(w, m) == Way("AskAsk", w, <<m>>, <<>>)

(* What the router says to a connection. Over one that is closed, nothing.  *)
Poked(w, m) ==
    CASE ~w.open            -> Quiet("ClosedIgnore", w)
      [] m.type = "pass"    -> OnSend(w, m)
      [] m.type = "have"    -> OnTell(w, m)
      [] m.type = "fetch"   -> OnAsk(w, m)

-----------------------------------------------------------------------------
(* The router: syncfsm/routing/router/rules.py. A row makes a new router,   *)
(* says things to its peers, and delivers a packet or none.                 *)

NoWindow == [top |-> None, before |-> {}]        \* nothing came of this origin
NoRoad == [height |-> 0, peer |-> None, here |-> FALSE]
Router == [peers |-> {}, windows |-> [o \in Node |-> NoWindow], waiting |-> <<>>, refused |-> <<>>, kept |-> <<>>,
           missing |-> <<>>, roads |-> [o \in Node |-> NoRoad]]

Row(name, r, pokes) == [row |-> name, router |-> r, pokes |-> pokes, arrived |-> None]
Poke(peer, m) == [peer |-> peer, what |-> m]
Knows(r, p) ==
    LET w == r.windows[Packet[p].origin]
        s == Packet[p].sequence
    IN  w.top # None /\ (s = w.top \/ s < w.top - Window \/ s \in w.before)
Marked(r, p) ==
    LET o == Packet[p].origin
        w == r.windows[o]
        s == Packet[p].sequence
        top == Max2(w.top, s)
        before == {b \in (w.before \cup {w.top, s}) \ {None, top} : b >= top - Window}
    IN  [r EXCEPT !.windows[o] = [top |-> top, before |-> before]]
Takes(r, p) == r.windows[Packet[p].origin] # NoWindow \/ Cardinality({o \in Node : r.windows[o] # NoWindow}) < Origins

Waits(r) == {r.waiting[i].packet : i \in 1..Len(r.waiting)}
UnderJudgement(r) == Waits(r) \cup Range(r.refused)
WaitingFor(r, p) == r.waiting[CHOOSE i \in 1..Len(r.waiting) : r.waiting[i].packet = p]

(* A packet goes on: along the ways to whom it is for, or to everybody. The *)
(* edges are the peers to whom or from whom blocks go.                      *)
Roads(r, k) ==
    LET q == Packet[k.packet]
        road == r.roads[q.to]
        leads_back == road.peer # None /\ road.peer = k.source
    IN  IF q.reach = "all" THEN {}
        ELSE IF q.reach = "one" THEN (IF road = NoRoad \/ leads_back THEN {} ELSE {road})
        ELSE {r.roads[o] : o \in Node} \ {NoRoad}
Broadcast(r, k) == LET roads == Roads(r, k) IN roads = {} \/ \E road \in roads : road.peer = None /\ ~road.here

Routed(r, k, edges) ==
    LET been == {k.source} \cup Range(k.over)
        next == Ascending({road.peer : road \in Roads(r, k)} \ (been \cup {None}))
        rest == Ascending(r.peers \ been)
        carried == Pass(k.packet, k.hops)
        said(p) == Poke(p, IF p \in edges THEN carried ELSE Have(<<k.packet>>))
    IN  IF Broadcast(r, k)
        THEN [kept |-> [k EXCEPT !.spread = TRUE, !.over = <<>>], pokes |-> [i \in 1..Len(rest) |-> said(rest[i])]]
        ELSE [kept |-> [k EXCEPT !.over = @ \o next], pokes |-> [i \in 1..Len(next) |-> Poke(next[i], carried)]]

PassedOn(name, r, p, hops, source, edges) ==
    LET known == [Marked(r, p) EXCEPT !.missing = SelectSeq(@, LAMBDA m : m.packet # p)]
        new == [packet |-> p, hops |-> hops, spread |-> FALSE, source |-> source, over |-> <<>>]
        did == Routed(known, new, edges)
    IN  IF hops > Hops THEN Row(name, known, <<>>)
        ELSE Row(name, [known EXCEPT !.kept = Newest(Append(@, did.kept), Kept)], did.pokes)

(* Who is there. *)
OnJoined(r, peer) ==
    LET spread == SelectSeq(r.kept, LAMBDA k : k.spread)
        ids == [i \in 1..Len(spread) |-> spread[i].packet]
    IN  Row("JoinedGreet", [r EXCEPT !.peers = @ \cup {peer}], IF ids = <<>> THEN <<>> ELSE <<Poke(peer, Have(ids))>>)

(* What went along the connection that is over goes anew, one after the     *)
(* other.                                                                   *)
RECURSIVE Anew(_, _, _, _)
Anew(r, kept, peer, edges) ==
    IF kept = <<>> THEN [kept |-> <<>>, pokes |-> <<>>]
    ELSE LET k == Head(kept)
             k2 == [k EXCEPT !.source = IF @ = peer THEN None ELSE @, !.over = Without(@, peer)]
             did == IF peer \in Range(k.over) THEN Routed(r, k2, edges) ELSE [kept |-> k2, pokes |-> <<>>]
             more == Anew(r, Tail(kept), peer, edges)
         IN  [kept |-> <<did.kept>> \o more.kept, pokes |-> did.pokes \o more.pokes]
OnLeft(r, peer, edges) ==
    LET untold(m) == [m EXCEPT !.tellers = Without(@, peer), !.asked = IF @ = peer THEN None ELSE @]
        lost == [r EXCEPT
            !.peers = @ \ {peer},
            !.roads = [o \in Node |-> IF @[o].peer = peer THEN [@[o] EXCEPT !.peer = None] ELSE @[o]],
            !.missing = [i \in 1..Len(@) |-> untold(@[i])]]
        did == Anew(lost, r.kept, peer, edges)
    IN  IF peer \in r.peers THEN Row("LeftLose", [lost EXCEPT !.kept = did.kept], did.pokes)
        ELSE Row("LeftIsUnknown", r, <<>>)

(* Blocks have come, the highest of them of this height and by this         *)
(* producer; `peer` is None if they are this node's own.                    *)
OnTaken(r, maker, height, peer) ==
    IF maker = None \/ r.roads[maker].height >= height THEN Row("TakenShowsNoWay", r, <<>>)
    ELSE LET over == IF peer \in r.peers THEN peer ELSE None
         IN  Row("TakenFindWays",
                 [r EXCEPT !.roads[maker] = [height |-> height, peer |-> over, here |-> peer = None]], <<>>)

(* A packet comes, and is judged. *)
OnPublish(r, p, edges) == PassedOn("PublishPublish", r, p, 1, None, edges)

OnCame(r, m, peer) ==
    LET p == m.packet
        of_peer == Len(SelectSeq(r.waiting, LAMBDA w : w.peer = peer))
        waits == [packet |-> p, hops |-> m.hops, peer |-> peer, since |-> 0]
    IN  IF Knows(r, p) \/ p \in UnderJudgement(r) THEN Row("CameKnown", r, <<>>)
        ELSE IF Len(r.waiting) >= Judging \/ of_peer >= JudgingOne \/ ~Takes(r, p) THEN Row("CameNoPlace", r, <<>>)
        ELSE Row("CameJudge", [r EXCEPT !.waiting = Append(@, waits),
                                        !.missing = SelectSeq(@, LAMBDA x : x.packet # p)], <<>>)

NoLonger(r, S) == [r EXCEPT !.waiting = SelectSeq(@, LAMBDA w : w.packet \notin S)]
TurnedDown(r, S) ==
    LET gone == SelectSeq(r.waiting, LAMBDA w : w.packet \in S)
    IN  [NoLonger(r, S) EXCEPT !.refused = Newest(@ \o [i \in 1..Len(gone) |-> gone[i].packet], Refused)]

OnJudged(r, p, valid, edges) ==
    IF p \notin Waits(r) THEN Row("JudgedNotWaiting", r, <<>>)
    ELSE LET w == WaitingFor(r, p)
         IN  IF valid /\ Takes(r, p) /\ ~Knows(r, p)
             THEN [PassedOn("JudgedValid", NoLonger(r, {p}), p, w.hops + 1, w.peer, edges) EXCEPT !.arrived = p]
             ELSE Row("JudgedRefuse", TurnedDown(r, {p}), <<>>)

(* Repair. *)
Settled(r, p) == Knows(r, p) \/ p \in UnderJudgement(r)

RECURSIVE Noted(_, _, _)
Noted(r, ids, peer) ==
    IF ids = <<>> THEN r
    ELSE LET p == Head(ids)
             of_peer == Len(SelectSeq(r.missing, LAMBDA m : peer \in Range(m.tellers)))
             at == {i \in 1..Len(r.missing) : r.missing[i].packet = p}
             i == Min(at)
             new == [packet |-> p, tellers |-> <<peer>>, due |-> Graft, asked |-> None]
             noted == IF at = {} THEN [r EXCEPT !.missing = Append(@, new)]
                      ELSE IF peer \in Range(r.missing[i].tellers) THEN r
                      ELSE [r EXCEPT !.missing[i].tellers = Append(@, peer)]
         IN  Noted(IF of_peer >= Missing \/ Settled(r, p) THEN r ELSE noted, Tail(ids), peer)
OnTold(r, ids, peer) ==
    IF \A i \in 1..Len(ids) : Settled(r, ids[i]) THEN Row("ToldToldNothingNew", r, <<>>)
    ELSE Row("ToldNote", Noted(r, ids, peer), <<>>)

OnFetched(r, ids, peer) ==
    LET kept == SelectSeq(r.kept, LAMBDA k : k.packet \in Range(ids))
    IN  IF kept = <<>> THEN Row("FetchedKeepsNone", r, <<>>)
        ELSE Row("FetchedServe", r, [i \in 1..Len(kept) |-> Poke(peer, Pass(kept[i].packet, kept[i].hops))])

(* Time passes, and a deadline has come. What is remembered of time is how  *)
(* far it is from now.                                                      *)
Deadlines(r) ==
    {r.missing[i].due : i \in 1..Len(r.missing)}
    \cup (IF r.waiting = <<>> THEN {} ELSE {Head(r.waiting).since + Judge})
Aged(r, time) == [r EXCEPT !.missing = [i \in 1..Len(@) |-> [@[i] EXCEPT !.due = @ - time]],
                           !.waiting = [i \in 1..Len(@) |-> [@[i] EXCEPT !.since = @ - time]]]
IsLate(w) == w.since + Judge <= 0

(* Of what is missing: what is left of it, and of whom what is asked. Who   *)
(* was asked in vain is forgotten.                                          *)
RECURSIVE Asking(_, _, _)
Asking(todo, busy, did) ==
    IF todo = <<>> THEN did
    ELSE LET m == Head(todo)
             who == Head(m.tellers)
             later == [m EXCEPT !.due = Graft, !.asked = None]
             asks == [m EXCEPT !.due = GraftMost, !.asked = who, !.tellers = Tail(@)]
             still(x) == [did EXCEPT !.missing = Append(@, x)]
         IN  IF m.due > 0 THEN Asking(Tail(todo), busy, still(m))
             ELSE IF m.tellers = <<>> THEN Asking(Tail(todo), busy, did)
             ELSE IF busy[who] >= Fetched THEN Asking(Tail(todo), busy, still(later))
             ELSE Asking(Tail(todo), [busy EXCEPT ![who] = @ + 1],
                         [still(asks) EXCEPT !.first = IF who \in Range(@) THEN @ ELSE Append(@, who),
                                             !.asked[who] = Append(@, m.packet)])
OnLate(r) ==
    LET late == {w \in Range(r.waiting) : IsLate(w)}
        busy == [p \in Node |-> Len(SelectSeq(r.missing, LAMBDA m : m.asked = p /\ m.due > 0))]
        did == Asking(r.missing, busy, [missing |-> <<>>, first |-> <<>>, asked |-> [p \in Node |-> <<>>]])
    IN  IF late # {} THEN Row("LateVerdictIsLate", TurnedDown(r, {w.packet : w \in late}), <<>>)
        ELSE Row("LateFetch", [r EXCEPT !.missing = did.missing],
                 [i \in 1..Len(did.first) |-> Poke(did.first[i], Fetch(did.asked[did.first[i]]))])
=============================================================================
