--------------------------- MODULE RelayPromises ----------------------------
(* What is promised of relay, by the names of feed.py; and of sync what    *)
(* several links of one node may break, as in Promises.tla, for each link. *)
(* That a link keeps the others is for that module, with its two nodes.    *)
(*                                                                         *)
(* Left out: `Understood`, as there are no older releases, `SentriesFirst` *)
(* as there are no sentries, and `NoPunishHonest` as in Promises.tla. What *)
(* must be possible, as `FasterFeeds`, is nothing that must hold.          *)
EXTENDS Network

CONSTANTS Source,    \* the node that makes the blocks; None if nothing is promised of that
          OnceAfter  \* so many blocks are made in peace before each comes to each node once

-----------------------------------------------------------------------------
(* Steps. What n says to p in a step is added to the line from n to p;     *)
(* what p shut is not looked at.                                           *)

Beyond(old, new) == SubSeq(new, Len(old) + 1, Len(new))
Sent(n, p) == IF line[n][p].open THEN Beyond(line[n][p].queue, line'[n][p].queue) ELSE <<>>
SaysA(type, n, p) == LET sent == Sent(n, p) IN \E i \in 1..Len(sent) : sent[i].type = type

(* What n gets from p in a step that did not end its link, in a sequence   *)
(* of at most one.                                                         *)
Got(n, p) ==
    LET old == line[p][n].queue
        new == line'[p][n].queue
        gap == {i \in 1..Len(old) : i > Len(new) \/ old[i] # new[i]}
    IN  IF line'[p][n].open /\ Len(new) < Len(old) THEN <<old[Min(gap)]>> ELSE <<>>

Stays(n, p) == link[n][p] # Closed /\ link'[n][p] # Closed

(* Over a backup connection no block is sent, until the peer asks, or is   *)
(* given some.                                                             *)
BackupSendsIdsStep(n, p) ==
    LET got == Got(n, p)
        asks == got # <<>> /\ Head(got).type = "want"
    IN  Stays(n, p) =>
            /\ link[n][p].mode = "backup" /\ link'[n][p].mode = "active" => asks \/ SaysA("give", n, p)
            /\ SaysA("block", n, p) => link'[n][p].mode = "active"

(* Off is left and entered by an operator; over it goes no block, and no   *)
(* word of one.                                                            *)
OffIsManualStep(n, p) ==
    LET was == link[n][p].mode = "off"
        is == link'[n][p].mode = "off"
        switches(move) == move.kind = "switch" /\ move.node = n /\ p \in move.peers
        switched == \E i \in 1..Len(Moves) : left'[i] # left[i] /\ switches(Moves[i])
    IN  Stays(n, p) =>
            /\ was # is => switched
            /\ was /\ is => ~SaysA("block", n, p) /\ ~SaysA("has", n, p)

(* The blocks that p is known to have when n takes a step, and what is     *)
(* sent to it: nothing that it has, and each block after its parent.       *)
Told(m) == CASE m.type = "block" -> {m.block, Parent[m.block]}
             [] m.type = "found" -> {m.common}
             [] m.type = "has"   -> {m.head}
             [] m.type = "hello" -> {m.head} \cup F!Range(m.points)
             [] OTHER -> {}
KnownTo(n, p) ==
    LET got == Got(n, p)
        l == link[n][p]
        blocks == {l.sent, l.received, link'[n][p].received} \cup F!Range(l.left) \cup l.claims
                  \cup (IF got = <<>> THEN {} ELSE Told(Head(got)))
    IN  blocks \cap (chain[n].held \cup chain'[n].held)
Knows(n, p, b) == \E k \in KnownTo(n, p) : IsAncestor(b, k)
SentBlocks(n, p) == SelectSeq(Sent(n, p), LAMBDA m : m.type = "block")

NoEchoStep(n, p) ==
    LET run == SentBlocks(n, p) IN \A i \in 1..Len(run) : ~Knows(n, p, run[i].block)
OnlyChildStep(n, p) ==
    LET run == SentBlocks(n, p)
    IN  run # <<>> =>
            /\ \A i \in 2..Len(run) : Parent[run[i].block] = run[i - 1].block
            /\ Knows(n, p, Parent[Head(run).block])
            /\ link'[n][p] # Closed => link'[n][p].sent = Last(run).block

NoEcho         == [][\A n \in Ours : \A p \in Linked[n] : NoEchoStep(n, p)]_vars
OnlyChild      == [][\A n \in Ours : \A p \in Linked[n] : OnlyChildStep(n, p)]_vars
BackupSendsIds == [][\A n \in Ours : \A p \in Linked[n] : BackupSendsIdsStep(n, p)]_vars
OffIsManual    == [][\A n \in Ours : \A p \in Linked[n] : OffIsManualStep(n, p)]_vars

-----------------------------------------------------------------------------
(* States.                                                                 *)

(* Who is wanted is the feed and who was asked; who is served is active. A *)
(* race that is lost is over.                                              *)
OneFeedOf(n) ==
    LET f == feed[n]
        here == {p \in Node : link[n][p] # Closed}
        asked == F!Askeds(f)
        mine == {f.peer} \cup asked
        served == F!Range(f.served)
        wanted == {p \in here : link[n][p].wanted}
        active == {p \in here : link[n][p].mode = "active"}
        greeted == {p \in here : link[n][p].state \in InStep}
    IN  IF here = {} THEN f = F!NoFeed
        ELSE /\ {f.peer} \cup F!Range(f.others) = here /\ Len(f.others) = Cardinality(here) - 1
             /\ Cardinality(asked) = Len(f.asked) /\ asked \subseteq F!Range(f.others)
             /\ mine \ F!Range(f.off) \subseteq wanted /\ wanted \subseteq mine
             /\ active \cap greeted \subseteq served /\ served \subseteq active
             /\ F!Range(f.ahead) \cap mine = {}
             /\ ~(F!Races(f) /\ f.rival # F!NoRival /\ f.rival.times >= Rival)
             /\ f.waits # <<>> <=> f.ahead # <<>> \/ \E a \in F!Range(f.asked) : a.why # "race"
OneFeed == \A n \in Ours : OneFeedOf(n)

(* Who says that it has more is the feed, was asked, or is to be; unless   *)
(* it gives none.                                                          *)
AllHeard ==
    \A n \in Ours :
        LET f == feed[n]
        IN  More(Of(All, n)) \subseteq {f.peer} \cup F!Range(f.ahead) \cup F!Range(f.off) \cup F!Askeds(f)

(* No block comes that is held: what is next on a line may come next.      *)
OncePerNode ==
    \A n \in Ours : \A p \in Linked[n] :
        LET queue == line[p][n].queue
        IN  since >= OnceAfter /\ link[n][p] # Closed /\ queue # <<>> =>
                (Head(queue).type = "block" => Head(queue).block \notin chain[n].held)

(* The next block on a line of ours has its parent where it will arrive,   *)
(* unless finality dropped the branch that it is on.                       *)
ParentKnown ==
    \A n \in Ours : \A p \in Linked[n] \cap Ours :
        LET next == SelectSeq(line[p][n].queue, LAMBDA m : m.type = "block")
        IN  next # <<>> =>
                LET b == Head(next).block
                IN  \/ Parent[b] \in chain[n].held
                    \/ b \in chain[n].held
                    \/ ~IsAncestor(chain[n].final, Parent[b])

ConfirmedOnBest ==
    \A n \in Ours :
        LET c == chain[n]
        IN  IsAncestor(c.final, c.confirmed) /\ c.head = Best(c.confirmed, c.held, c.banned)

Tracked ==
    \A n \in Ours : \A p \in Linked[n] :
        LET l == link[n][p]
        IN  l.state \in InStep => OnBest(chain[n], l.sent) /\ (l.state = "idle" <=> l.sent = chain[n].head)

(* The room that a link has given out is under way, or owed to it.         *)
RECURSIVE CostOfAll(_)
CostOfAll(queue) == IF queue = <<>> THEN 0 ELSE CostOf(Head(queue)) + CostOfAll(Tail(queue))
Bounded ==
    \A n \in Ours : \A p \in Linked[n] :
        LET ln == line[n][p]
        IN  /\ link[n][p].room <= Room
            /\ link[n][p] # Closed /\ ln.open => link[n][p].room + CostOfAll(ln.queue) + ln.owed = Room

-----------------------------------------------------------------------------
(* When the protocol has come to rest.                                     *)

Racing(f) == {a.peer : a \in {b \in F!Range(f.asked) : b.why = "race"}}

(* Where nobody lies, each node wants blocks from its feed and from nobody *)
(* else. (Of worlds with bans that is not promised: who was asked for what *)
(* it has not any more stays asked, as it may be slow.)                    *)
OneFeedAtRest ==
    AtRest /\ Ours = Node /\ Source # None =>
        \A n \in Node :
            LET f == feed[n]
                here == {p \in Node : link[n][p] # Closed}
                asked == IF here = {} \/ f.peer \in F!Range(f.off) THEN {} ELSE {f.peer}
            IN  {p \in here : link[n][p].wanted} = asked \cup Racing(f)

(* All that blocks can come to from their source.                          *)
Gives(n, p) == link[n][p] # Closed /\ link[n][p].mode # "off" /\ link[p][n] # Closed
RECURSIVE Reached(_)
Reached(from) ==
    LET new == {p \in Ours : \E n \in from : Gives(n, p)} \ from
    IN  IF new = {} THEN from ELSE Reached(from \cup new)

NeverDark ==
    AtRest =>
        LET reached == Reached({Source})
        IN  \A a, b \in reached : chain[a].head = chain[b].head

(* Do feeds lead from this node to the source, within so many steps?       *)
RECURSIVE Leads(_, _)
Leads(n, most) ==
    LET next == feed[n].peer
    IN  \/ n = Source
        \/ /\ most > 0 /\ next \in Ours
           /\ link[next][n] # Closed /\ link[next][n].mode = "active"
           /\ Leads(next, most - 1)

(* Blocks, each made in peace, after which feeds are a tree, whatever was  *)
(* before.                                                                 *)
Enough == 1
TreeSpans ==
    AtRest /\ since >= Enough => \A n \in Reached({Source}) : Leads(n, Cardinality(Ours))

(* Two that are linked have what the other has, as far as they may and get *)
(* blocks; and nothing more is to be sent.                                 *)
Bars(c, b) == ~IsAncestor(c.confirmed, b) \/ \E x \in c.banned : IsAncestor(x, b)
Rests(n, p) ==
    LET head == chain[n].head
        off == "off" \in {link[n][p].mode, link[p][n].mode}
    IN  \/ link[n][p].state = "idle"
        \/ /\ link[n][p].state = "syncing" /\ link[n][p].mode # "active"
           /\ off \/ chain[p].head > head \/ Bars(chain[p], head)
Agrees(n, p) ==
    LET c == chain[n]
        b == chain[p].head
        gets == link[p][n].mode
    IN  \/ gets = "off" \/ ~IsAncestor(c.final, b)
        \/ (b \in c.held \/ gets = "backup") /\ (Bars(c, b) \/ c.head >= b)
SettledAtRest ==
    AtRest => \A n \in Ours : \A p \in Linked[n] \cap Ours :
        IF link[n][p] = Closed THEN link[p][n] = Closed ELSE Rests(n, p) /\ Agrees(n, p)

(* And each has the other's final block, unless the two contradict.        *)
FinalAdvances ==
    AtRest => \A n \in Ours : \A p \in Linked[n] \cap Ours :
        LET a == chain[n].final
            b == chain[p].final
            contradict == ~IsAncestor(a, b) /\ ~IsAncestor(b, a)
            has == link[p][n].mode = "off" \/ b \in chain[n].held \/ IsAncestor(b, chain[n].base)
        IN  link[n][p] # Closed /\ ~contradict => has

Settles == <>[]AtRest
=============================================================================
