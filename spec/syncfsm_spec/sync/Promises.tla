------------------------------ MODULE Promises ------------------------------
(* What must hold in every world, by the names of promises.py.             *)
(* `NoPunishHonest` has no formula here: the rows that blame a peer are    *)
(* left out, and that the code has the same edges shows that none fires.   *)
(* Those of relay that need three nodes are in RelayPromises.tla.          *)
EXTENDS World

CONSTANT Partings  \* the reasons for which links may end in this world

-----------------------------------------------------------------------------
(* What happens in a step. A step of node n adds to the line from n, and   *)
(* takes a message off the line to n. What is put on a line that the other *)
(* side has shut is lost, and is not looked at here.                       *)

Beyond(old, new) == SubSeq(new, Len(old) + 1, Len(new))
Sent(n) == IF line[n].open THEN Beyond(line[n].queue, line'[n].queue) ELSE <<>>
IsBlock(m) == m.type = "block"
SentBlocks(n) == LET sent == SelectSeq(Sent(n), IsBlock) IN [i \in 1..Len(sent) |-> sent[i].block]

(* The message that n got in a step that did not end its link, in a        *)
(* sequence of at most one.                                                *)
Got(n) ==
    LET old == line[Peer(n)].queue
        new == line'[Peer(n)].queue
        gap == {i \in 1..Len(old) : i > Len(new) \/ old[i] # new[i]}
    IN  IF line'[Peer(n)].open /\ Len(new) < Len(old) THEN <<old[Min(gap)]>> ELSE <<>>

(* The blocks that the peer is known to have when n takes a step.          *)
Told(m) == CASE m.type = "block" -> {m.block, Parent[m.block]}
             [] m.type = "found" -> {m.common}
             [] m.type = "has"   -> {m.head}
             [] m.type = "hello" -> {m.head} \cup {m.points[i] : i \in 1..Len(m.points)}
             [] OTHER -> {}
KnownTo(n) ==
    LET got == Got(n)
        before == link[n].left
        blocks == {link[n].sent, link[n].received, link'[n].received} \cup {before[i] : i \in 1..Len(before)}
                  \cup link[n].claims \cup (IF got = <<>> THEN {} ELSE Told(Head(got)))
    IN  blocks \cap (chain[n].held \cup chain'[n].held)
Knows(n, b) == \E k \in KnownTo(n) : IsAncestor(b, k)

-----------------------------------------------------------------------------
(* Steps.                                                                  *)

OnlyBestChainStep(n) == LET run == SentBlocks(n) IN \A i \in 1..Len(run) : OnBest(chain'[n], run[i])

OnlyChildStep(n) ==
    LET run == SentBlocks(n)
        got == Got(n)
    IN  /\ run # <<>> =>
              /\ \A i \in 2..Len(run) : Parent[run[i]] = run[i - 1]
              /\ Knows(n, Parent[Head(run)])
              /\ link'[n] # Closed => link'[n].sent = Last(run)
        /\ got # <<>> /\ link'[n] # Closed => (IsBlock(Head(got)) => link'[n].received = Head(got).block)

NoEchoStep(n) == LET run == SentBlocks(n) IN \A i \in 1..Len(run) : ~Knows(n, run[i])

(* Who ends the search says so, and streams from the nearest common        *)
(* ancestor of its best chain and the one that the peer last announced; or *)
(* from above, if the peer is known to hold more of our best chain. What   *)
(* it says is nothing that the peer dropped before its last hello. Who is  *)
(* told streams from the block it is told of, from where its own best      *)
(* chain has left that one, or likewise from above.                        *)
AncestorExactStep(n) ==
    link[n].state \in Greeting /\ link'[n].state \in InStep /\ line[n].open =>
        LET run == SentBlocks(n)
            sent == Sent(n)
            got == Got(n)
            best == chain'[n].head
            start == IF run = <<>> THEN link'[n].sent ELSE Parent[Head(run)]
            ends == \E i \in 1..Len(sent) : sent[i].type = "found"
            hello == IF got # <<>> /\ Head(got).type = "hello" THEN Head(got) ELSE link[n].heard
            shared(b) == Max({Common[best][x] : x \in {b} \cup (KnownTo(n) \cap chain'[n].held)})
        IN  IF ends THEN /\ start = shared(hello.head)
                         /\ \A i \in 1..Len(sent) :
                                sent[i].type = "found" => Height[sent[i].common] >= Height[hello.base]
            ELSE got # <<>> => (Head(got).type = "found" => start = shared(Head(got).common))

NeverBelowFinalStep(n) ==
    /\ IsAncestor(chain[n].final, chain'[n].final)
    /\ IsAncestor(chain'[n].final, chain'[n].head)
    /\ Height[Common[chain[n].head][chain'[n].head]] >= Height[chain[n].final]

(* What a peer gives beside our best chain counts until our final point    *)
(* moves; unless it is on the way to a block that the peer has, and that   *)
(* is on our best chain now.                                               *)
CountsAside(n) ==
    LET c == chain'[n]
        got == Got(n)
        last == link[n].received
        b == IF got # <<>> /\ IsBlock(Head(got)) THEN Head(got).block ELSE None
        more == IF b \in c.held \ chain[n].held /\ ~OnBest(c, b) THEN Cost[b] ELSE 0
        onTheWay == {x \in c.held : last # None /\ OnBest(c, last) /\ IsAncestor(x, last) /\ Height[x] > Height[c.final]}
        has == link'[n].received
    IN  IF has # None /\ OnBest(c, has) THEN link'[n].aside >= link[n].aside - Total(HighestFirst(onTheWay))
        ELSE link'[n].aside >= link[n].aside + more

BoundedStep(n) ==
    LET run == SentBlocks(n)
        old == link[n]
        new == link'[n]
        goesOn == old.said = new.said /\ old.heard = new.heard /\ old.cursor # None /\ new.cursor # None
    IN  /\ run # <<>> /\ new # Closed => new.room + Cost[Last(run)] > 0
        /\ goesOn => Height[new.cursor] <= Height[old.cursor]
        /\ Counting /\ new # Closed /\ chain'[n].final = chain[n].final => CountsAside(n)

(* Off is left and entered by an operator; over it goes no block, and no   *)
(* word of one.                                                            *)
SaysA(type, n) == LET sent == Sent(n) IN \E i \in 1..Len(sent) : sent[i].type = type
OffIsManualStep(n) ==
    LET was == link[n].mode = "off"
        is == link'[n].mode = "off"
        switched == \E i \in 1..Len(Moves) : left'[i] # left[i] /\ Moves[i].kind = "switch"
    IN  link[n] # Closed /\ link'[n] # Closed =>
            /\ was # is => switched
            /\ was /\ is => ~SaysA("block", n) /\ ~SaysA("has", n)

(* Over a backup connection no block is sent, until the peer asks, or is   *)
(* given some.                                                             *)
BackupSendsIdsStep(n) ==
    LET got == Got(n)
        asks == got # <<>> /\ Head(got).type = "want"
    IN  link[n] # Closed /\ link'[n] # Closed =>
            /\ link[n].mode = "backup" /\ link'[n].mode = "active" => asks \/ SaysA("give", n)
            /\ link[n].mode # "active" /\ link'[n].mode # "active" => ~SaysA("block", n)

OffIsManual     == [][\A n \in Node : OffIsManualStep(n)]_vars
BackupSendsIds  == [][\A n \in Node : BackupSendsIdsStep(n)]_vars
OnlyBestChain   == [][\A n \in Node : OnlyBestChainStep(n)]_vars
OnlyChild       == [][\A n \in Node : OnlyChildStep(n)]_vars
NoEcho          == [][\A n \in Node : NoEchoStep(n)]_vars
AncestorExact   == [][\A n \in Node : AncestorExactStep(n)]_vars
NeverBelowFinal == [][\A n \in Node : NeverBelowFinalStep(n)]_vars
BoundedSteps    == [][\A n \in Node : BoundedStep(n)]_vars

-----------------------------------------------------------------------------
(* States.                                                                 *)

ConfirmedOnBest ==
    \A n \in Node :
        LET c == chain[n]
        IN  IsAncestor(c.final, c.confirmed) /\ c.head = Best(c.confirmed, c.held, c.banned)

InitIffWorse ==
    \A n \in Node :
        LET l == link[n]
        IN  l.state \in Greeting /\ l.heard # NoHello =>
                (l.state = "init" <=> l.said.head < l.heard.head /\ l.heard.head \notin chain[n].held)

Tracked ==
    \A n \in Node :
        LET l == link[n]
        IN  l.state \in InStep => OnBest(chain[n], l.sent) /\ (l.state = "idle" <=> l.sent = chain[n].head)

(* Who is linked wants blocks, unless the other's operator has refused     *)
(* them; and who is served is active.                                      *)
OneFeed ==
    \A n \in Node :
        IF link[n] = Closed THEN feed[n] = NoFeed
        ELSE (link[n].wanted \/ feed[n].off) /\ (feed[n].served => link[n].mode = "active")

HeadsMayWorsen == \E i \in 1..Len(Moves) : Moves[i].kind \in {"confirm", "finalise", "ban"}
CompoundStates == link[1].state = "init" /\ link[2].state = "init" => HeadsMayWorsen

(* The room that a link has given out is under way, or owed to it.         *)
RECURSIVE CostOfAll(_)
CostOfAll(queue) == IF queue = <<>> THEN 0 ELSE CostOf(Head(queue)) + CostOfAll(Tail(queue))
Bounded ==
    \A n \in Node :
        LET queue == line[n].queue
        IN  /\ link[n].room <= Room
            /\ link[n].pending \in 0..link[n].aside /\ link[n].aside <= Aside
            /\ link[n] # Closed /\ line[n].open => link[n].room + CostOfAll(queue) + line[n].owed = Room
            /\ \A i \in 1..Len(queue) : queue[i].type = "hello" => Len(queue[i].points) <= Points

(* The next block on a line has its parent where it will arrive, unless    *)
(* finality dropped the branch that it is on.                              *)
ParentKnown ==
    \A n \in Node :
        LET next == SelectSeq(line[Peer(n)].queue, IsBlock)
        IN  next # <<>> =>
                LET b == Head(next).block
                IN  \/ Parent[b] \in chain[n].held
                    \/ b \in chain[n].held
                    \/ ~IsAncestor(chain[n].final, Parent[b])

(* A hello from below all that we hold is answered with a bye.             *)
PrunedIsSaid ==
    \A n \in Node :
        LET queue == line[Peer(n)].queue
            m == Head(queue)
            r == OnHello(link[n], m, View(chain[n]))
        IN  queue # <<>> /\ link[n].state \in Greeting =>
                (m.type = "hello" /\ Height[m.head] < Height[chain[n].base] =>
                    r.link = Closed /\ r.says[1].reason = "pruned")

(* Who has left says nothing after the end, and ends once.                 *)
OneDisconnect ==
    \A n \in Node :
        LET queue == line[n].queue
        IN  /\ \A i \in 1..Len(queue) - 1 : queue[i] # End
            /\ link[n] = Closed /\ line[n].open => queue # <<>> /\ Last(queue) = End

Contradict == LET a == chain[1].final b == chain[2].final IN ~IsAncestor(a, b) /\ ~IsAncestor(b, a)
PartsRightly ==
    \A n \in Node : \A i \in 1..Len(line[n].queue) :
        line[n].queue[i].type = "bye" => (line[n].queue[i].reason = "contradicting-final" => Contradict)

PartsOnlyFor ==
    \A n \in Node : \A i \in 1..Len(line[n].queue) :
        line[n].queue[i].type = "bye" => line[n].queue[i].reason \in Partings

-----------------------------------------------------------------------------
(* The end of every run.                                                   *)

(* Node n holds its peer's head, and has no worse one; unless it may not   *)
(* have it, or gets no blocks. Over a connection that is off it gets none  *)
(* whatever they are; over one that is not active it has no worse head.    *)
Agrees(n) ==
    LET c == chain[n]
        b == chain[Peer(n)].head
        gets == link[Peer(n)].mode
        banned == \E x \in c.banned : IsAncestor(x, b)
    IN  \/ gets = "off"
        \/ ~IsAncestor(c.final, b)
        \/ (b \in c.held \/ gets = "backup") /\ (banned \/ ~IsAncestor(c.confirmed, b) \/ c.head >= b)
Rests(n) ==
    \/ link[n].state = "idle"
    \/ link[n].state = "syncing" /\ (\/ link[n].mode = "off"
                                     \/ link[n].mode = "backup" /\ (\/ chain[Peer(n)].head > chain[n].head
                                                                   \/ ~IsAncestor(chain[Peer(n)].confirmed, chain[n].head)))
Settled ==
    \/ \A n \in Node : link[n] = Closed
    \/ \A n \in Node : Rests(n) /\ Agrees(n)

HasFinal(n) ==
    LET b == chain[Peer(n)].final
    IN  link[Peer(n)].mode = "off" \/ b \in chain[n].held \/ IsAncestor(b, chain[n].base)
FinalAdvances == AtRest /\ link[1] # Closed /\ ~Contradict => \A n \in Node : HasFinal(n)
(* What nobody can know is left out: the higher one has dropped all at the *)
(* height of the lower one's final point, and its own final block is not   *)
(* the last that it gave the lower one.                                    *)
CannotKnow(low, high) ==
    Height[chain[low].final] < Height[chain[high].base] /\ chain[high].final # link[low].received
NoContradiction == AtRest /\ link[1] # Closed /\ Contradict => CannotKnow(1, 2) \/ CannotKnow(2, 1)
SettledAtRest == AtRest => Settled

Settles == <>[](AtRest /\ Settled)
=============================================================================
