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
(* Left out, because time stands still here and a node has one peer: the   *)
(* limits on rates and the timers, and links that wait to be greeted. Left *)
(* out too: payloads, pings, and what only incorrect peers send.           *)
EXTENDS Tree

CONSTANTS Streaming,  \* the strategy: TRUE for streaming, FALSE for locator
          Points,     \* points a locator hello offers
          Gaps,       \* Gaps[n + 1]: depths offered by an opening hello if n blocks are below the head
          HelloCost,  \* bytes that a hello counts against the room
          Room,       \* bytes a link may have under way
          Branches,   \* branches we left of which a link remembers what the peer has
          Aside,      \* bytes of blocks that a peer may give beside our best chain
          Counting    \* FALSE if all blocks together are no more than that: then none are counted

NoHello == [head |-> None]
Closed == [state |-> "closed", said |-> NoHello, heard |-> NoHello, final |-> None, cursor |-> None,
           sent |-> None, received |-> None, left |-> <<>>, claims |-> {}, dropped |-> FALSE, aside |-> 0, pending |-> 0, room |-> 0]

Greeting == {"start", "init"}
InStep == {"syncing", "idle"}

Last(s) == s[Len(s)]

(* What a step makes: the rows that fired, the link, and what it says.     *)
Row(name, state, did) == [rows |-> <<name>>, link |-> [did.link EXCEPT !.state = state], says |-> did.says]
Did(l, says) == [link |-> l, says |-> says]
Nothing(l) == [rows |-> <<>>, link |-> l, says |-> <<>>]
Then(r, s) == [rows |-> r.rows \o s.rows, link |-> s.link, says |-> r.says \o s.says]

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

-----------------------------------------------------------------------------
(* Actions. See syncfsm/sync/actions.py.                                   *)

Say(l, m) == Did([l EXCEPT !.said = m, !.cursor = None, !.room = @ - HelloCost], <<m>>)
Hear(l, m, a, v) ==
    [l EXCEPT !.heard = m, !.final = m.final, !.left = Leaving(l, l.received, l.sent, a.has, v),
              !.claims = Claimed(l, {m.head} \cup {m.points[i] : i \in 1..Len(m.points)}, v)]

Track(l, sent, received, more, v) ==
    LET counted == Counted(l, received, more, v)
    IN  [l EXCEPT !.sent = sent, !.received = received, !.left = Leaving(l, received, sent, None, v),
                  !.claims = Claimed(l, {}, v), !.aside = counted.aside, !.pending = counted.pending]
Synced(l, sent, received, more, v) ==
    LET heard == IF l.heard = NoHello \/ l.heard.about = None THEN NoHello
                 ELSE [l.heard EXCEPT !.points = <<Last(@)>>]
    IN  [Track(l, sent, received, more, v) EXCEPT !.said = NoHello, !.heard = heard, !.cursor = None]
ToldOf(l, sent, has, v) ==
    LET better == has # None /\ (l.received \notin v.c.held \/ Height[has] > Height[l.received])
    IN  Synced(l, sent, IF better THEN has ELSE l.received, 0, v)

Remember(l, m, a, v) == Did(Hear(l, m, a, v), <<>>)
Search(l, m, a, v) ==
    LET anew == l.heard = NoHello \/ m.head # l.heard.head \/ m.points[1] = m.head
    IN  Did([Hear(l, m, a, v) EXCEPT !.cursor = IF anew THEN None ELSE @], <<>>)
Narrow(l, m, a, v) == Did([Hear(l, m, a, v) EXCEPT !.room = @ - HelloCost], <<Narrower(l, m, a, v)>>)
Conclude(l, a, sent, v) ==
    LET named == IF Height[a.common] < Height[l.heard.base] THEN a.has ELSE a.common
    IN  Did(ToldOf(l, sent, a.has, v), <<[type |-> "found", common |-> named]>>)
LearnHas(l, m, a, sent, v) == Did(ToldOf(Hear(l, m, a, v), sent, a.has, v), <<>>)
HelloAgain(l, v) ==
    Say(l, Opening(v, IF l.heard # NoHello /\ ~WorseThanHeard(l, v) THEN l.heard.head ELSE None))
TakeFound(l, found, sent, v) == Did(ToldOf(l, sent, found, v), <<>>)
TakeBlock(l, b, sent, more, v) == Did([Synced(l, sent, b, more, v) EXCEPT !.dropped = @ \/ b \notin v.c.held], <<>>)
TellFinal(l, v) ==
    LET drops == \E b \in v.c.held : ~IsAncestor(b, v.c.final) /\ ~IsAncestor(v.c.final, b)
    IN  Did([l EXCEPT !.dropped = @ \/ drops, !.aside = 0, !.pending = 0],
            <<[type |-> "final", point |-> v.c.final]>>)
Rebase(l, sent, v) == Did(Track(l, sent, l.received, 0, v), <<>>)

StepBack(l, v) ==
    LET point == NextPoint(l, v)
    IN  Did([l EXCEPT !.cursor = point, !.room = @ - HelloCost], <<Offer(l, v, point, l.heard.head)>>)
Stream(l, blocks) ==
    IF blocks = <<>> THEN Did(l, <<>>)
    ELSE Did([l EXCEPT !.sent = Last(blocks), !.room = @ - Total(blocks)],
             [i \in 1..Len(blocks) |-> [type |-> "block", block |-> blocks[i]]])

(* The connection's. See syncfsm/peer/actions.py.                          *)
Gain(l, freed) == Did([l EXCEPT !.room = Min2(@ + freed, Room)], <<>>)

Part(l, reason, point) == Did(Closed, <<[type |-> "bye", reason |-> reason, point |-> point]>>)
PartContradicting(l, v) == Part(l, "contradicting-final", v.c.final)
PartPruned(l, v) == Part(l, "pruned", OldestHeld(v))
PartOutOfStep(l) == Part(l, "out-of-step", None)
PartFull(l) == Part(l, "full", None)

-----------------------------------------------------------------------------
(* The table of sync, and what begins and ends a connection.               *)

\* A link begins: we greet.
OnConnect(v) ==
    LET connected == Row("ConnectOpen", "closed", Did([Closed EXCEPT !.room = Room], <<>>))
        opened == Then(connected, Row("OpenedOpen", "start", Did(connected.link, <<>>)))
    IN  Then(opened, Row("GreetUngreeted", "start", Say(opened.link, Opening(v, None))))

\* Hello: who knows whose head, who is worse.
OnHello(l, m, v) ==
    LET a == Assess(m, l.said, v.c)
        greeting == l.state \in Greeting
        heard == Hear(l, m, a, v)
        sent == Rebased(l, a.has, v)
    IN  IF a.relation = "contradiction"                                   THEN Row("HelloFinalsContradict", "closed", PartContradicting(l, v))
        ELSE IF greeting /\ a.relation = "nothing"                        THEN Row("HelloNothingShared", "closed", PartPruned(l, v))
        ELSE IF greeting /\ CommonKnown(l, m, a) /\ Lacking(sent, v)      THEN Row("HelloCommonAndLacking", "syncing", Conclude(heard, a, sent, v))
        ELSE IF greeting /\ CommonKnown(l, m, a)                          THEN Row("HelloCommon", "idle", Conclude(heard, a, sent, v))
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

\* Our chain moved; `extends`: the new head descends from the old one.
OnMoved(l, extends, v) ==
    LET greeting == l.state \in Greeting
        a == Assess(l.heard, l.said, v.c)
        relation == IF l.heard = NoHello THEN "unheard" ELSE a.relation
        learnt == relation = "common" /\ a.knows
        begun == Rebased(l, a.has, v)
        sent == Rebased(l, None, v)
    IN  IF greeting /\ relation = "nothing"                               THEN Row("MovedNothingShared", "closed", PartPruned(l, v))
        ELSE IF greeting /\ learnt /\ Lacking(begun, v)                   THEN Row("MovedHeadLearntAndLacking", "syncing", Conclude(l, a, begun, v))
        ELSE IF greeting /\ learnt                                        THEN Row("MovedHeadLearnt", "idle", Conclude(l, a, begun, v))
        ELSE IF greeting /\ Extends(l, extends, v)                        THEN Row("MovedExtends", l.state, Did(l, <<>>))
        ELSE IF greeting /\ WorseThanHeard(l, v)                          THEN Row("MovedWorseThanHeard", "init", HelloAgain(l, v))
        ELSE IF greeting                                                  THEN Row("MovedHelloAgain", "start", HelloAgain(l, v))
        ELSE IF sent = None \/ Height[sent] < v.floor                     THEN Row("MovedPrunedPastPeer", "closed", PartPruned(l, v))
        ELSE IF Lacking(sent, v)                                          THEN Row("MovedLacksHead", "syncing", Rebase(l, sent, v))
        ELSE                                                                   Row("MovedRebase", "idle", Rebase(l, sent, v))

\* Final points.
OnFinalised(l, v) ==
    IF l.final # None /\ Contradicts(l.final, v.c)                        THEN Row("FinalisedTheirFinalContradicts", "closed", PartContradicting(l, v))
    ELSE                                                                       Row("FinalisedTellFinal", l.state, TellFinal(l, v))

OnFinal(l, point, v) ==
    IF Contradicts(point, v.c)                                            THEN Row("FinalClaimContradicts", "closed", PartContradicting(l, v))
    ELSE IF l.received = point /\ RuledOut(point, v.c)                    THEN Row("FinalClaimNamesRefused", "closed", PartContradicting(l, v))
    ELSE                                                                       Row("FinalLearnFinal", l.state, Did([l EXCEPT !.final = point], <<>>))

\* There is room: our turn to send.
OnTurn(l, v) ==
    LET blocks == Batch(l.sent, l.room, v)
        canStepBack == Streaming /\ NextPoint(l, v) # None
        restFits == blocks # <<>> /\ Last(blocks) = v.c.head
    IN  IF l.state = "init" /\ canStepBack                                THEN Row("TurnCanStepBack", "init", StepBack(l, v))
        ELSE IF l.state = "init"                                          THEN Row("TurnIgnore", "init", Did(l, <<>>))
        ELSE IF restFits                                                  THEN Row("TurnRestFits", "idle", Stream(l, blocks))
        ELSE                                                                   Row("TurnStream", "syncing", Stream(l, blocks))

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
