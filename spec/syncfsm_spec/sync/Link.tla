-------------------------------- MODULE Link --------------------------------
(* The link machine: one end of a connection. A link is a record: sync's   *)
(* value, and `room`, which is the connection's. A row of the tables below *)
(* makes a new one and the messages that it sends.                         *)
(*                                                                         *)
(* Each row is a line, named by its event and its guard, or by its event   *)
(* and its action if it has no guard; the rows of an event are tried from  *)
(* the top. The table is the one in syncfsm/sync/rules.py; of the one in   *)
(* syncfsm/peer/rules.py there are the rows that begin or end a            *)
(* connection, or give it room. `v` is what a link sees of its node: the   *)
(* chain before anything is pruned, `v.c`, and the height of the oldest    *)
(* block that will be held after, `v.floor`.                               *)
(*                                                                         *)
(* A step also has news for what the node decides across its peers: see    *)
(* Feed.tla for a node with one peer and Feeds.tla for one with several,   *)
(* which poke the link in return.                                          *)
(*                                                                         *)
(* Left out, because time stands still for a link: the limits on rates and *)
(* the timers. Left out too: payloads, pings, older releases, and what     *)
(* only incorrect peers send.                                              *)
EXTENDS Tree

CONSTANTS Streaming,  \* the strategy: TRUE for streaming, FALSE for locator
          Points,     \* points a locator hello offers
          Gaps,       \* Gaps[n + 1]: depths offered by an opening hello if n blocks are below the head
          HelloCost,  \* bytes that a hello counts against the room
          Room,       \* bytes a link may have under way
          Branches,   \* branches we left of which a link remembers what the peer has
          Join,       \* of how many new heads a peer that has them is told at once
          Aside,      \* bytes of blocks that a peer may give beside our best chain
          Counting    \* FALSE if all blocks together are no more than that: then none are counted

NoHello == [head |-> None]
Closed == [state |-> "closed", said |-> NoHello, heard |-> NoHello, final |-> None, cursor |-> None,
           sent |-> None, received |-> None, left |-> <<>>, claims |-> {}, dropped |-> FALSE,
           mode |-> "active", wanted |-> TRUE, says |-> None, owes |-> 0, aside |-> 0, pending |-> 0, room |-> 0]

Greeting == {"start", "init"}
InStep == {"syncing", "idle"}

Last(s) == s[Len(s)]

(* What a step makes: the rows that fired, the link, what it says, and the *)
(* news for the feed.                                                      *)
Row(name, state, did) ==
    [rows |-> <<name>>, link |-> [did.link EXCEPT !.state = state], says |-> did.says, news |-> did.news]
Tell(l, says, news) == [link |-> l, says |-> says, news |-> news]
Did(l, says) == Tell(l, says, <<>>)
Nothing(l) == [rows |-> <<>>, link |-> l, says |-> <<>>, news |-> <<>>]
Then(r, s) ==
    [rows |-> r.rows \o s.rows, link |-> s.link, says |-> r.says \o s.says, news |-> r.news \o s.news]

-----------------------------------------------------------------------------
(* What a hello offers, and what it tells. See syncfsm/sync/discovery.py.  *)

OldestHeld(v) == BestAt(v.c, v.floor)

Hello(v, head, points, ceiling, about) ==
    [type |-> "hello", head |-> head, final |-> v.c.final, base |-> OldestHeld(v),
     points |-> points, ceiling |-> ceiling, about |-> about]

Opening(v, about) ==
    LET head == v.c.head
        gaps == IF Streaming THEN <<0>> ELSE Gaps[Height[head] - v.floor + 1]
    IN  Hello(v, head, [i \in 1..Len(gaps) |-> At[head][Height[head] - gaps[i]]], Height[head] + 1, about)

Offer(l, v, point, about) == Hello(v, l.said.head, <<point>>, Height[point] + 1, about)

(* Heights from `high` down to `low`, `Points` at most, evenly spread.     *)
Even(low, high) ==
    LET span == high - low
    IN  IF span < Points THEN [i \in 1..span + 1 |-> high + 1 - i]
        ELSE [i \in 1..Points |-> low + ((span + 1) * (Points - i)) \div Points]

Narrower(l, m, a, v) ==
    IF a.relation = "common" /\ a.has # None THEN Offer(l, v, a.has, m.head)
    ELSE LET top == Height[l.said.head]
             low == Min2(Max2(IF a.common = None THEN 0 ELSE Height[a.common], v.floor), top)
             ceiling == Max2(low + 1, Min2(a.ceiling, top + 1))
             held(h) == h <= Height[v.c.head]
             heights == SelectSeq(Even(low, ceiling - 1), held)
         IN  Hello(v, l.said.head, [i \in 1..Len(heights) |-> At[v.c.head][heights[i]]], ceiling, m.head)

(* The next point of a streaming search, or None.                          *)
NextPoint(l, v) ==
    LET oldest == l.heard.base
        last == IF l.cursor = None THEN l.said.head ELSE l.cursor
        theirs == IF l.final = None THEN 0 ELSE Height[l.final]
        bottom == Max2(Max2(v.floor, Height[oldest]), Min2(Height[v.c.final], theirs))
        height == Min2(Height[last] - 1, Height[l.heard.head])
    IN  IF oldest \in v.c.held /\ Height[oldest] >= v.floor /\ ~OnBest(v.c, oldest)
        THEN IF l.cursor = oldest THEN None ELSE oldest
        ELSE IF Height[last] > bottom THEN BestAt(v.c, Max2(height, bottom)) ELSE None

Contradicts(final, c) ==
    IF Height[final] > Height[c.final] THEN final \in c.held /\ ~IsAncestor(c.final, final)
    ELSE Height[c.base] <= Height[final] /\ BestAt(c, Height[final]) # final

NothingIsShared(m, c) ==
    IF Height[m.base] >= Height[c.base] THEN m.base \notin c.held ELSE Height[m.head] < Height[c.base]

Found(relation, better, knows, common, has, ceiling) ==
    [relation |-> relation, better |-> better, knows |-> knows, common |-> common, has |-> has, ceiling |-> ceiling]

Bracket(m, better, c) ==
    LET known == {i \in 1..Len(m.points) : m.points[i] \in c.held}
        passed == IF known = {} THEN 1..Len(m.points) ELSE 1..Min(known) - 1
        above == {Height[m.points[i]] : i \in {j \in passed : Height[m.points[j]] > Height[c.base]}}
        ceiling == Min({m.ceiling} \cup above)
    IN  IF known = {} THEN Found("bracket", better, FALSE, None, None, ceiling)
        ELSE LET has == m.points[Min(known)]
                 common == Common[c.head][has]
                 exact == common # has \/ ceiling - Height[has] <= 1
             IN  Found(IF exact THEN "common" ELSE "bracket", better, FALSE, common, has, ceiling)

Assess(m, said, c) ==
    LET better == said = NoHello \/ m.head > said.head
    IN  IF Contradicts(m.final, c) THEN Found("contradiction", better, FALSE, None, None, 0)
        ELSE IF m.head \in c.held
        THEN LET common == Common[c.head][m.head]
             IN  Found("common", better, TRUE, common, m.head, Height[common] + 1)
        ELSE IF NothingIsShared(m, c) THEN Found("nothing", better, FALSE, None, None, 0)
        ELSE Bracket(m, better, c)

-----------------------------------------------------------------------------
(* Head tracking. See syncfsm/sync/tracking.py.                            *)

Raised(sent, known, v) ==
    IF known = None \/ known \notin v.c.held \/ (sent # None /\ Height[known] <= Height[sent]) THEN sent
    ELSE LET common == Common[v.c.head][known]
         IN  IF sent = None \/ Height[common] > Height[sent] THEN common ELSE sent

RECURSIVE RaisedByAll(_, _, _)
RaisedByAll(sent, known, v) ==
    IF known = <<>> THEN sent ELSE RaisedByAll(Raised(sent, Head(known), v), Tail(known), v)

RECURSIVE HighestFirst(_)
HighestFirst(S) ==
    IF S = {} THEN <<>>
    ELSE LET before(x, y) == Height[x] > Height[y] \/ (Height[x] = Height[y] /\ x <= y)
             b == CHOOSE x \in S : \A y \in S : before(x, y)
         IN  <<b>> \o HighestFirst(S \ {b})

(* What the peer named when it was not held here, and is held now.         *)
Learnt(l, v) == HighestFirst(l.claims \cap v.c.held)
Claimed(l, points, v) == {b \in l.claims \cup points : Height[b] > Height[v.c.final] /\ b \notin v.c.held}

Rebased(l, told, v) ==
    LET sent == IF l.sent = None \/ OnBest(v.c, l.sent) THEN l.sent ELSE Raised(None, l.sent, v)
    IN  RaisedByAll(sent, <<l.received>> \o l.left \o Learnt(l, v) \o <<told>>, v)

After(l, b, v) == Rebased(l, IF b \in v.c.held THEN b ELSE Parent[b], v)

RECURSIVE Uncovered(_, _, _, _)
Uncovered(known, kept, by, v) ==
    IF known = <<>> THEN kept
    ELSE LET b == Head(known)
             covered == \E x \in by : x \in v.c.held /\ IsAncestor(b, x)
         IN  IF b \in v.c.held /\ ~covered THEN Uncovered(Tail(known), Append(kept, b), by \cup {b}, v)
             ELSE Uncovered(Tail(known), kept, by, v)

Leaving(l, received, sent, told, v) ==
    LET known(b) == b # None
        old == SelectSeq(<<l.sent, l.received>>, known)
        more == l.left \o Learnt(l, v) \o SelectSeq(<<told>>, known)
        follows(b) == received # None /\ Parent[received] = b
        none == \A i \in 1..Len(old) : old[i] \in {sent, received} \/ follows(old[i])
        kept == Uncovered(old \o more, <<>>, {sent, received} \ {None}, v)
    IN  IF none /\ more = <<>> THEN <<>> ELSE SubSeq(kept, 1, Min2(Len(kept), Branches))

(* What the peer gives us beside our best chain: bytes of a block that is  *)
(* new here, `c` the chain before; and how all of them count then.         *)
Beside(b, v, c) ==
    IF Counting /\ b \in v.c.held /\ b \notin c.held /\ ~OnBest(v.c, b) THEN Cost[b] ELSE 0
Counted(l, received, more, v) ==
    LET last == l.received
        goesOn == {last, received} \subseteq v.c.held /\ IsAncestor(last, received)
        pending == IF goesOn THEN l.pending ELSE 0
    IN  IF received # None /\ OnBest(v.c, received) THEN [aside |-> l.aside - pending, pending |-> 0]
        ELSE [aside |-> l.aside + more, pending |-> pending + more]

(* The next blocks for the peer: one more for as long as room is left.     *)
RECURSIVE Batch(_, _, _)
Batch(after, room, v) ==
    IF room <= 0 \/ after = v.c.head THEN <<>>
    ELSE LET b == At[v.c.head][Height[after] + 1] IN <<b>> \o Batch(b, room - Cost[b], v)

RECURSIVE Total(_)
Total(blocks) == IF blocks = <<>> THEN 0 ELSE Cost[Head(blocks)] + Total(Tail(blocks))

(* The head that the peer says it has, while it is not held and may be.    *)
Unheld(b, v) == IF b # None /\ b \notin v.c.held /\ Height[b] > Height[v.c.final] THEN b ELSE None

(* The peer says that it has more: a better head, or a final block that we *)
(* lack.                                                                   *)
Ahead(l, v) == (l.says # None /\ l.says > v.c.head) \/ Unheld(l.final, v) # None
IfAhead(l, v) == IF Ahead(l, v) THEN <<"ahead">> ELSE <<>>

-----------------------------------------------------------------------------
(* Guards. See syncfsm/sync/guards.py.                                     *)

Lacking(sent, v) == sent # v.c.head
Stale(l, m) == m.about # None /\ (l.said = NoHello \/ m.about # l.said.head)
CommonKnown(l, m, a) == a.knows \/ (a.relation = "common" /\ ~a.better /\ ~Stale(l, m))
Asked(l, m) == m.about # None /\ ~Stale(l, m) /\ ~Streaming
CanNarrow(l, m, a, v) ==
    (m.points[1] = m.head \/ ~Stale(l, m)) /\ (Len(m.points) > 1 \/ a.has # None)
OutOfStep(l, b, c) ==
    IF BelowFinal(c, b) THEN l.sent = None /\ Parent[b] \notin c.held
    ELSE l.sent = None \/ ~l.dropped
Extends(l, extends, v) ==
    extends /\ v.floor <= Height[l.said.base] /\ Height[v.c.final] <= Height[l.said.head]
WorseThanHeard(l, v) == l.heard # NoHello /\ l.heard.head > v.c.head

(* See syncfsm/sync/relay.py. Quiet: what we have, no blocks may tell.     *)
Quiet(l) == l.mode # "off" /\ ~(l.mode = "active" /\ l.wanted)
MustTell(l, best, sent, v) ==
    best /\ Quiet(l) /\ IF Lacking(sent, v) THEN l.mode = "backup" ELSE l.owes + 1 >= Join

-----------------------------------------------------------------------------
(* Actions. See syncfsm/sync/actions.py.                                   *)

Say(l, m) == Did([l EXCEPT !.said = m, !.cursor = None, !.room = @ - HelloCost], <<m>>)
Has(v) == [type |-> "has", head |-> v.c.head]
Hear(l, m, a, v) ==
    [l EXCEPT !.heard = m, !.final = m.final, !.left = Leaving(l, l.received, l.sent, a.has, v), !.says = Unheld(m.head, v),
              !.claims = Claimed(l, {m.head} \cup {m.points[i] : i \in 1..Len(m.points)}, v)]
(* `heard` is the link after that.                                         *)
HearNews(l, heard, v) ==
    (IF l.mode = "active" /\ l.heard = NoHello THEN <<"wanted">> ELSE <<>>) \o IfAhead(heard, v)

(* What came since our hello, if no block will tell it.                    *)
Owed(l, v) == l.said # NoHello /\ l.mode = "backup" /\ (l.said.head # v.c.head \/ l.owes > 0)
Since(l, v) == IF Owed(l, v) THEN <<Has(v)>> ELSE <<>>

Track(l, sent, received, more, v) ==
    LET counted == Counted(l, received, more, v)
    IN  [l EXCEPT !.sent = sent, !.received = received, !.left = Leaving(l, received, sent, None, v),
                  !.claims = Claimed(l, {}, v), !.says = Unheld(@, v),
                  !.aside = counted.aside, !.pending = counted.pending]
Synced(l, sent, received, more, v) ==
    LET heard == IF l.heard = NoHello \/ l.heard.about = None THEN NoHello
                 ELSE [l.heard EXCEPT !.points = <<Last(@)>>]
    IN  [Track(l, sent, received, more, v) EXCEPT !.said = NoHello, !.heard = heard, !.cursor = None,
                                                  !.owes = IF Owed(l, v) THEN 0 ELSE @]
ToldOf(l, sent, has, v) ==
    LET better == has # None /\ (l.received \notin v.c.held \/ Height[has] > Height[l.received])
    IN  Synced(l, sent, IF better THEN has ELSE l.received, 0, v)

(* Whether a peer that wants blocks gets any is for the feed to decide, at *)
(* the end of the step: until then it gets none. If it is to get none, and *)
(* lacks some, what our head is is owed.                                   *)
Lacks(l, v) == l.sent # None /\ Lacking(l.sent, v)
Heard(l, says, news, v) ==
    IF news = <<>> \/ Head(news) # "wanted" THEN Tell(l, says, news)
    ELSE Tell([l EXCEPT !.mode = "backup", !.owes = IF Lacks(l, v) THEN @ + 1 ELSE @], says, news)

Remember(l, m, a, v) == LET heard == Hear(l, m, a, v) IN Heard(heard, <<>>, HearNews(l, heard, v), v)
Search(l, m, a, v) ==
    LET anew == l.heard = NoHello \/ m.head # l.heard.head \/ m.points[1] = m.head
        heard == Hear(l, m, a, v)
    IN  Heard([heard EXCEPT !.cursor = IF anew THEN None ELSE @], <<>>, HearNews(l, heard, v), v)
Narrow(l, m, a, v) ==
    LET heard == Hear(l, m, a, v)
    IN  Heard([heard EXCEPT !.room = @ - HelloCost], <<Narrower(l, m, a, v)>>, HearNews(l, heard, v), v)
Conclude(l, a, sent, v, news) ==
    LET named == IF Height[a.common] < Height[l.heard.base] THEN a.has ELSE a.common
    IN  Heard(ToldOf(l, sent, a.has, v), <<[type |-> "found", common |-> named]>> \o Since(l, v), news, v)
LearnHas(l, m, a, sent, v) ==
    LET heard == Hear(l, m, a, v) IN Heard(ToldOf(heard, sent, a.has, v), Since(l, v), HearNews(l, heard, v), v)
LearnHead(l, b, sent, v) ==
    LET held == b \in v.c.held
        told == [l EXCEPT !.says = Unheld(b, v), !.claims = IF held THEN @ ELSE Claimed(l, {b}, v)]
        new == ToldOf(told, sent, IF held THEN b ELSE None, v)
        owed == Lacking(l.sent, v) /\ ~Lacking(sent, v) /\ l.mode = "active" /\ Quiet(l)
    IN  IF owed /\ l.owes + 1 >= Join THEN Tell([new EXCEPT !.owes = 0], <<Has(v)>>, IfAhead(told, v))
        ELSE Tell([new EXCEPT !.owes = IF owed THEN @ + 1 ELSE @], Since(l, v), IfAhead(told, v))
(* If our head is worse now, what the peer said of its own may be better.  *)
Overtaken(l, extends, v) == IF extends THEN <<>> ELSE IfAhead(l, v)
HelloAgain(l, extends, v) ==
    LET said == Say(l, Opening(v, IF l.heard # NoHello /\ ~WorseThanHeard(l, v) THEN l.heard.head ELSE None))
    IN  [said EXCEPT !.news = Overtaken(l, extends, v)]
TakeFound(l, found, sent, v) == Did(ToldOf(l, sent, found, v), Since(l, v))
TakeBlock(l, b, sent, more, v) ==
    Did([Synced(l, sent, b, more, v) EXCEPT !.dropped = @ \/ b \notin v.c.held], Since(l, v))
TellFinal(l, v) ==
    LET drops == \E b \in v.c.held : ~IsAncestor(b, v.c.final) /\ ~IsAncestor(v.c.final, b)
    IN  Did([l EXCEPT !.dropped = @ \/ drops, !.aside = 0, !.pending = 0],
            <<[type |-> "final", point |-> v.c.final]>>)
LearnFinal(l, point, v) ==
    LET learnt == [l EXCEPT !.final = point] IN Tell(learnt, <<>>, IfAhead(learnt, v))
Rebase(l, extends, best, sent, v) ==
    LET new == Track(l, sent, l.received, 0, v)
        owed == best /\ Quiet(new) /\ ~Lacking(sent, v)
    IN  Tell([new EXCEPT !.owes = IF owed THEN @ + 1 ELSE @], <<>>, Overtaken(new, extends, v))
RebaseAndTell(l, extends, sent, v) ==
    LET new == Track(l, sent, l.received, 0, v)
    IN  Tell([new EXCEPT !.owes = 0], <<Has(v)>>, Overtaken(new, extends, v))

StepBack(l, v) ==
    LET point == NextPoint(l, v)
    IN  Did([l EXCEPT !.cursor = point, !.room = @ - HelloCost], <<Offer(l, v, point, l.heard.head)>>)
Stream(l, blocks) ==
    IF blocks = <<>> THEN Did(l, <<>>)
    ELSE Did([l EXCEPT !.sent = Last(blocks), !.owes = 0, !.room = @ - Total(blocks)],
             [i \in 1..Len(blocks) |-> [type |-> "block", block |-> blocks[i]]])

(* Modes. See syncfsm/sync/relay.py.                                       *)
Off == [type |-> "busy", off |-> TRUE]
Busy == [type |-> "busy", off |-> FALSE]
SwitchOff(l) == Tell([l EXCEPT !.mode = "off", !.owes = 0], <<Off>>, <<"unwanted">>)
SwitchOn(l, v) ==
    IF l.state \in InStep THEN Did([l EXCEPT !.mode = "backup"], <<Has(v)>>)
    ELSE Did([l EXCEPT !.mode = "backup", !.owes = 1], <<>>)
Ask(l, insist, v) ==
    LET want == [type |-> "want", insist |-> insist]
    IN  IF l.owes > 0 /\ l.state \in InStep THEN Did([l EXCEPT !.wanted = TRUE, !.owes = 0], <<Has(v), want>>)
        ELSE Did([l EXCEPT !.wanted = TRUE], <<want>>)
Decline(l, v) ==
    LET none == [type |-> "do not want"]
    IN  IF l.state \in InStep /\ l.mode # "off" THEN Did([l EXCEPT !.wanted = FALSE, !.owes = 0], <<none, Has(v)>>)
        ELSE Did([l EXCEPT !.wanted = FALSE], <<none>>)
Serve(l, asked, v) ==
    Did([l EXCEPT !.mode = "active", !.owes = IF Lacks(l, v) THEN 0 ELSE @],
        IF asked THEN <<>> ELSE <<[type |-> "give"]>>)
TellLacking(l, v) == IF l.state \in InStep /\ Lacks(l, v) THEN <<Has(v)>> ELSE <<>>
Close(l, v) == Tell([l EXCEPT !.mode = "backup"], TellLacking(l, v), <<"unwanted">>)
Refuse(l, v) ==
    IF l.mode = "active" THEN Did([l EXCEPT !.mode = "backup"], <<Busy>> \o TellLacking(l, v))
    ELSE IF l.owes > 0 /\ l.state \in InStep THEN Did([l EXCEPT !.owes = 0], <<Busy, Has(v)>>)
    ELSE Did(l, <<Busy>>)

(* The connection's. See syncfsm/peer/actions.py.                          *)
Gain(l, freed) == Did([l EXCEPT !.room = Min2(@ + freed, Room)], <<>>)

Part(l, reason, point) == Did(Closed, <<[type |-> "bye", reason |-> reason, point |-> point]>>)
PartContradicting(l, v) == Part(l, "contradicting-final", v.c.final)
PartPruned(l, v) == Part(l, "pruned", OldestHeld(v))
PartOutOfStep(l) == Part(l, "out-of-step", None)
PartFull(l) == Part(l, "full", None)

-----------------------------------------------------------------------------
(* The table of sync, and what begins and ends a connection.               *)

\* A link begins: we greet, and say so if we want no blocks.
OnConnect(v, wanted) ==
    LET connected == Row("ConnectOpen", "closed", Did([Closed EXCEPT !.room = Room, !.wanted = wanted], <<>>))
        greeted == Row("GreetGreet", "start", Say(connected.link, Opening(v, None)))
    IN  Then(connected, IF wanted THEN greeted ELSE [greeted EXCEPT !.says = <<[type |-> "do not want"]>> \o @])

\* Hello: who knows whose head, who is worse.
OnHello(l, m, v) ==
    LET a == Assess(m, l.said, v.c)
        greeting == l.state \in Greeting
        heard == Hear(l, m, a, v)
        news == HearNews(l, heard, v)
        sent == Rebased(l, a.has, v)
    IN  IF a.relation = "contradiction"                                   THEN Row("HelloFinalsContradict", "closed", PartContradicting(l, v))
        ELSE IF greeting /\ a.relation = "nothing"                        THEN Row("HelloNothingShared", "closed", PartPruned(l, v))
        ELSE IF greeting /\ CommonKnown(l, m, a) /\ Lacking(sent, v)      THEN Row("HelloCommonAndLacking", "syncing", Conclude(heard, a, sent, v, news))
        ELSE IF greeting /\ CommonKnown(l, m, a)                          THEN Row("HelloCommon", "idle", Conclude(heard, a, sent, v, news))
        ELSE IF l.state = "start" /\ a.better /\ Asked(l, m)              THEN Row("HelloWorseAndAsked", "init", Narrow(l, m, a, v))
        ELSE IF l.state = "start" /\ a.better                             THEN Row("HelloWorse", "init", Search(l, m, a, v))
        ELSE IF l.state = "start" /\ CanNarrow(l, m, a, v)                THEN Row("HelloCanNarrow", "start", Narrow(l, m, a, v))
        ELSE IF l.state = "start"                                         THEN Row("HelloRemember", "start", Remember(l, m, a, v))
        ELSE IF l.state = "init" /\ ~a.better /\ CanNarrow(l, m, a, v)    THEN Row("HelloBetterAndCanNarrow", "start", Narrow(l, m, a, v))
        ELSE IF l.state = "init" /\ ~a.better                             THEN Row("HelloBetter", "start", Remember(l, m, a, v))
        ELSE IF l.state = "init" /\ Asked(l, m)                           THEN Row("HelloAsked", "init", Narrow(l, m, a, v))
        ELSE IF l.state = "init"                                          THEN Row("HelloSearch", "init", Search(l, m, a, v))
        ELSE IF l.state = "syncing" /\ ~Lacking(sent, v)                  THEN Row("HelloHasAll", "idle", LearnHas(l, m, a, sent, v))
        ELSE                                                                   Row("HelloLearnHas", l.state, LearnHas(l, m, a, sent, v))

\* Found: the other side ended the search.
OnFound(l, common, v) ==
    LET found == IF common \in v.c.held THEN common ELSE None
        greeting == l.state \in Greeting
        sent == Rebased(l, found, v)
    IN  IF greeting /\ found = None                                       THEN Row("FoundNotHeld", "closed", PartOutOfStep(l))
        ELSE IF Lacking(sent, v)                                          THEN Row("FoundFoundAndLacking", "syncing", TakeFound(l, found, sent, v))
        ELSE                                                                   Row("FoundTakeFound", "idle", TakeFound(l, found, sent, v))

\* The peer gave us this block, and our final point rules it out.
RuledOut(b, c) == b \notin c.held /\ Height[b] > Height[c.final]

\* Blocks: after receiving a block, the peer's head is that block. `c` is the chain before.
OnBlock(l, b, v, c) ==
    LET sent == After(l, b, v)
        refused == b \notin c.held /\ ~Fits(c, b)
        more == Beside(b, v, c)
    IN  IF l.final = b /\ RuledOut(b, v.c)                                THEN Row("BlocksRefusedIsFinal", "closed", PartContradicting(l, v))
        ELSE IF refused /\ OutOfStep(l, b, v.c)                           THEN Row("BlocksOutOfStep", "closed", PartOutOfStep(l))
        ELSE IF more > 0 /\ Counted(l, b, more, v).aside > Aside          THEN Row("BlocksTooMuchAside", "closed", PartFull(l))
        ELSE IF Lacking(sent, v)                                          THEN Row("BlocksTakenAndLacking", "syncing", TakeBlock(l, b, sent, more, v))
        ELSE                                                                   Row("BlocksTakeBlocks", "idle", TakeBlock(l, b, sent, more, v))

\* Our chain moved; `extends`: the new head descends from the old one; `best`: it is another, or our final point is.
OnMoved(l, extends, best, v) ==
    LET greeting == l.state \in Greeting
        a == Assess(l.heard, l.said, v.c)
        relation == IF l.heard = NoHello THEN "unheard" ELSE a.relation
        learnt == relation = "common" /\ a.knows
        begun == Rebased(l, a.has, v)
        sent == Rebased(l, None, v)
        news == Overtaken(ToldOf(l, begun, a.has, v), extends, v)
    IN  IF greeting /\ relation = "nothing"                               THEN Row("MovedNothingShared", "closed", PartPruned(l, v))
        ELSE IF greeting /\ learnt /\ Lacking(begun, v)                   THEN Row("MovedHeadLearntAndLacking", "syncing", Conclude(l, a, begun, v, news))
        ELSE IF greeting /\ learnt                                        THEN Row("MovedHeadLearnt", "idle", Conclude(l, a, begun, v, news))
        ELSE IF greeting /\ Extends(l, extends, v)                        THEN Row("MovedExtends", l.state, Did(l, <<>>))
        ELSE IF greeting /\ WorseThanHeard(l, v)                          THEN Row("MovedWorseThanHeard", "init", HelloAgain(l, extends, v))
        ELSE IF greeting                                                  THEN Row("MovedHelloAgain", "start", HelloAgain(l, extends, v))
        ELSE IF sent = None \/ Height[sent] < v.floor                     THEN Row("MovedPrunedPastPeer", "closed", PartPruned(l, v))
        ELSE IF MustTell(l, best, sent, v) /\ Lacking(sent, v)            THEN Row("MovedMustTellLacking", "syncing", RebaseAndTell(l, extends, sent, v))
        ELSE IF MustTell(l, best, sent, v)                                THEN Row("MovedMustTell", "idle", RebaseAndTell(l, extends, sent, v))
        ELSE IF Lacking(sent, v)                                          THEN Row("MovedLacksHead", "syncing", Rebase(l, extends, best, sent, v))
        ELSE                                                                   Row("MovedRebase", "idle", Rebase(l, extends, best, sent, v))

\* Final points.
OnFinalised(l, v) ==
    IF l.final # None /\ Contradicts(l.final, v.c)                        THEN Row("FinalisedTheirFinalContradicts", "closed", PartContradicting(l, v))
    ELSE                                                                       Row("FinalisedTellFinal", l.state, TellFinal(l, v))

OnFinal(l, point, v) ==
    IF Contradicts(point, v.c)                                            THEN Row("FinalClaimContradicts", "closed", PartContradicting(l, v))
    ELSE IF l.received = point /\ RuledOut(point, v.c)                    THEN Row("FinalClaimNamesRefused", "closed", PartContradicting(l, v))
    ELSE                                                                       Row("FinalLearnFinal", l.state, LearnFinal(l, point, v))

\* There is room: our turn to send.
OnTurn(l, v) ==
    LET blocks == IF l.mode = "active" THEN Batch(l.sent, l.room, v) ELSE <<>>
        canStepBack == Streaming /\ NextPoint(l, v) # None
        restFits == blocks # <<>> /\ Last(blocks) = v.c.head
    IN  IF l.state = "init" /\ canStepBack                                THEN Row("TurnCanStepBack", "init", StepBack(l, v))
        ELSE IF l.state = "init"                                          THEN Row("TurnIgnore", "init", Did(l, <<>>))
        ELSE IF restFits                                                  THEN Row("TurnRestFits", "idle", Stream(l, blocks))
        ELSE IF l.mode = "backup"                                         THEN Row("TurnBackup", "syncing", Did(l, <<>>))
        ELSE IF l.mode = "off"                                            THEN Row("TurnOff", "syncing", Did(l, <<>>))
        ELSE                                                                   Row("TurnStream", "syncing", Stream(l, blocks))

\* Off, backup, active: how new blocks travel. Messages, then what the feed has decided.
OnHas(l, b, v) ==
    LET sent == Rebased(l, IF b \in v.c.held THEN b ELSE None, v)
    IN  IF ~Lacking(sent, v)                                              THEN Row("HasHasOurHead", "idle", LearnHead(l, b, sent, v))
        ELSE                                                                   Row("HasLearnHead", l.state, LearnHead(l, b, sent, v))

OnWant(l, insists) ==
    IF l.mode = "off"                                                     THEN Row("WantOff", l.state, Did(l, <<Off>>))
    ELSE                                                                       Row("WantBeAsked", l.state, Tell(l, <<>>, <<IF insists THEN "insists" ELSE "wanted">>))

OnDoNotWant(l, v) ==
    IF l.mode = "active"                                                  THEN Row("DoNotWantActive", l.state, Close(l, v))
    ELSE                                                                       Row("DoNotWantIgnore", l.state, Did(l, <<>>))

OnGive(l) == Row("GiveBeGiven", l.state, Tell([l EXCEPT !.wanted = TRUE], <<>>, <<"given">>))
OnBusy(l, off) ==
    Row("BusyBeRefused", l.state, Tell([l EXCEPT !.wanted = FALSE], <<>>, <<IF off THEN "off" ELSE "busy">>))

OnAsk(l, insist, v) == Row("AskAsk", l.state, Ask(l, insist, v))
OnShut(l, v) == Row("ShutShut", l.state, Decline(l, v))

OnServe(l, asked, v) ==
    IF l.mode = "backup"                                                  THEN Row("ServeBackup", l.state, Serve(l, asked, v))
    ELSE                                                                       Row("ServeIgnore", l.state, Did(l, <<>>))

OnRefuse(l, v) == Row("RefuseRefuse", l.state, Refuse(l, v))

OnSwitch(l, off, v) ==
    IF off /\ l.mode # "off"                                              THEN Row("SwitchTurnsOff", l.state, SwitchOff(l))
    ELSE IF ~off /\ l.mode = "off"                                        THEN Row("SwitchTurnsOn", l.state, SwitchOn(l, v))
    ELSE                                                                       Row("SwitchIgnore", l.state, Did(l, <<>>))

\* The connection: the transport takes more.
OnRoom(l, freed) == Row("RoomGain", l.state, Gain(l, freed))

\* The connection ends, once.
OnBye(l) == Row("ByeTakeLeave", "closed", Did(Closed, <<>>))
OnLeave(l, reason) == Row("LeaveLeave", "closed", Part(l, reason, None))
OnLost(l) == Row("LostLose", "closed", Did(Closed, <<>>))

-----------------------------------------------------------------------------
(* After each row but those of `connect`, a link that can use what room    *)
(* there is does so, in the same step of the node.                         *)

RECURSIVE Pumped(_, _)
Pumped(r, v) ==
    IF r.link.room <= 0 \/ r.link.state \notin {"init", "syncing"} THEN r
    ELSE LET turn == OnTurn(r.link, v)
         IN  IF turn.link = r.link THEN Then(r, turn) ELSE Pumped(Then(r, turn), v)
=============================================================================
