----------------------------- MODULE Following ------------------------------
(* A node that follows a layer, and its peer, which does not: the worlds   *)
(* of following.py. The two nodes and their lines are those of World.tla   *)
(* of sync, reader and layer those of Reading.tla. Node 1 has the reader.  *)
(* One action here is one action there: what the reader tells, the node    *)
(* does at once, in its order; and if it refuses that, the reader breaks   *)
(* off, and what was to be done after it is not.                           *)
(*                                                                         *)
(* Left out: a reader that asks for several heights at once. (Tree is      *)
(* extended, so that TLC works out its tables once.)                       *)
EXTENDS Tree

CONSTANTS Streaming, Points, Gaps, HelloCost, Room, Branches, Join, Aside, Counting,
          Start, Bound, Overtaking, Partings,              \* of the nodes, beside those of the tree
          Window, Finality, Poll, BackOff, BackOffMost,    \* of the reader
          Refuses,      \* may the node come to refuse what the layer has?
          Moves, Times  \* what the environment may do, and how often each

VARIABLES chain, link, feed, line,  \* of the nodes
          reader,
          kept,   \* what of the reader outlives it
          layer,
          left    \* left[i]: how often move i may still happen

nodes == <<chain, link, feed, line>>
truth == <<reader, kept, layer>>
vars == <<chain, link, feed, line, reader, kept, layer, left>>
AnyRow == "any row"
Follower == 1

N == INSTANCE Promises
D == INSTANCE Reading WITH Stands <- ~Refuses

Init ==
    /\ N!Init
    /\ reader = D!NoReader
    /\ kept = D!Start
    /\ layer = D!Empty

-----------------------------------------------------------------------------
(* What a step of the reader tells the node, in its order: that a block is *)
(* confirmed, with those that come with it, or that it is final.           *)

Confirmed(run, block) == [kind |-> "confirmed", run |-> run, block |-> block]
Settled(block) == [kind |-> "final", run |-> <<>>, block |-> block]

(* Each batch that counts.                                                 *)
RECURSIVE Batches(_, _)
Batches(tip, blobs) ==
    IF blobs = <<>> THEN <<>>
    ELSE LET b == Head(blobs)
         IN  IF b # <<>> /\ Parent[b[1]] = tip THEN <<Confirmed(b, D!Last(b))>> \o Batches(D!Last(b), Tail(blobs))
             ELSE Batches(tip, Tail(blobs))

Tells(r, a) ==
    LET tip == D!ReadTip(r.reader)
        final == r.reader.final.tip
        read == IF r.row = "BlobsRead" THEN Batches(D!ReadTip(reader), a.blobs) ELSE <<>>
        back == IF r.row = "BlobsIsOther" /\ tip # D!ReadTip(reader) THEN <<Confirmed(<<>>, tip)>> ELSE <<>>
    IN  read \o back \o (IF final # reader.final.tip THEN <<Settled(final)>> ELSE <<>>)

(* What the node makes of it: nothing, if that is so already.              *)
IsFinal(c, b) == b \in c.held /\ IsAncestor(b, c.final)
CanFollow(c, t) ==
    IF t.kind = "confirmed" THEN N!CanRead(c, t.run, t.block) ELSE IsFinal(c, t.block) \/ CanFinalise(c, t.block)
Followed(c, t) ==
    IF t.kind = "confirmed" THEN N!HasRead(c, t.run, t.block)
    ELSE IF IsFinal(c, t.block) THEN c ELSE Finalise(c, t.block)

RECURSIVE Told(_, _)
Told(node, tells) ==
    IF tells = <<>> THEN [node |-> node, refuses |-> FALSE]
    ELSE IF ~CanFollow(node.chain, Head(tells)) THEN [node |-> node, refuses |-> TRUE]
    ELSE LET d == Followed(node.chain, Head(tells))
             does == N!Became(node, N!Adopted(node.chain, d, node.link))
         IN  Told(IF d = node.chain THEN node ELSE does, Tail(tells))

(* The reader makes a step, `r`, and tells this; it had kept `before`. Why *)
(* nothing more is read is for people. A step is named by the reader's     *)
(* row, or by the one for what the node refuses.                           *)
Reads(r, tells, node, before, l, row) ==
    LET did == Told(node, tells)
        now == IF did.refuses THEN D!OnRefused(r.reader) ELSE r
    IN  /\ row \in {AnyRow, now.row}
        /\ N!Is(Follower, did.node)
        /\ reader' = [now.reader EXCEPT !.why = ""]
        /\ kept' = IF now.keeps THEN D!Kept(now.reader.final, now.reader.trail) ELSE before
        /\ layer' = [l EXCEPT !.asked = @ \cup now.asks]
Node == N!With(Follower, line[N!Peer(Follower)], line[Follower])

-----------------------------------------------------------------------------
(* What the protocol does.                                                 *)

Begins(row) == reader.state = "idle" /\ Reads(D!OnMark(reader, kept), <<>>, Node, kept, layer, row)
Answers(row) ==
    \E h \in layer.asked :
        LET a == D!Answer(layer, h)
            r == D!OnAnswer(reader, h, a)
        IN  Reads(r, Tells(r, a), Node, kept, D!Answered(layer, h), row)
Wakes(row) ==
    layer.asked = {} /\ layer.due /\ Reads(D!OnTime(reader), <<>>, Node, kept, [layer EXCEPT !.due = FALSE], row)

-----------------------------------------------------------------------------
(* What the environment does.                                              *)

OfLayer == {"grow", "back", "out", "prune"}

(* Where both begin after a restart: see syncfsm/truth/follow.py.          *)
Tip(k) == IF k.trail = <<>> THEN k.final.tip ELSE D!Last(k.trail).tip
Resumed(c, k) ==
    LET final == k.final.tip
    IN  IF Height[final] >= Height[c.base] /\ ~OnBest(c, final) THEN D!Start
        ELSE IF CanConfirm(c, Tip(k)) THEN k
        ELSE D!At(k.final)
Again(k) == IF Height[Tip(k)] > Height[k.final.tip] THEN <<Confirmed(<<>>, Tip(k))>> ELSE <<>>

(* The process of the node ends, and begins anew with all blocks, or, if   *)
(* its store has lost them, with those alone that it began with.           *)
Restart(lost, row) ==
    LET c == IF lost THEN N!Begun(Follower) ELSE Confirm(chain[Follower], chain[Follower].final)
        k == Resumed(c, kept)
        fresh == [Node EXCEPT !.chain = c, !.feed = N!NoFeed]
    IN  /\ link[Follower] = N!Closed
        /\ Reads(D!OnMark(D!NoReader, k), Again(k), fresh, k, D!Orphaned(layer, FALSE), row)

Restarts(row) ==
    \E i \in 1..Len(Moves) :
        /\ Moves[i].kind = "restart" /\ left[i] > 0
        /\ left' = [left EXCEPT ![i] = @ - 1]
        /\ N!Calm(Follower)
        /\ Restart(Moves[i].lost, row)

LayerMoves(row) ==
    \E i \in 1..Len(Moves) :
        /\ Moves[i].kind \in OfLayer /\ left[i] > 0
        /\ left' = [left EXCEPT ![i] = @ - 1]
        /\ D!Happens(Moves[i], row)
        /\ UNCHANGED <<nodes, kept>>

NodeMoves(row) == \E i \in 1..Len(Moves) : Moves[i].kind \notin OfLayer \cup {"restart"} /\ N!Move(i, row)

-----------------------------------------------------------------------------
Truth(row) == ((Begins(row) \/ Answers(row) \/ Wakes(row)) /\ left' = left) \/ Restarts(row)
(* What the nodes do, and reader and layer do not know of.                 *)
Apart(row) == (N!Protocol(row) \/ NodeMoves(row)) /\ UNCHANGED truth
Next == Truth(AnyRow) \/ Apart(AnyRow) \/ LayerMoves(AnyRow)

(* Only the environment uses up `left`, and only a state at rest has no    *)
(* protocol action: see World.tla of sync.                                 *)
AtRest == N!AtRest /\ D!AtRest
Fairness == []<>AtRest \/ []<><<left' = left>>_vars
Spec == Init /\ [][Next]_vars
FairSpec == Spec /\ Fairness

-----------------------------------------------------------------------------
(* The promises, by the names in promises.py.                              *)

Mine == chain[Follower]
Broken == reader.state = "broken"
IsRestart == \E i \in 1..Len(Moves) : left'[i] # left[i] /\ Moves[i].kind = "restart"

(* What the reader has found confirmed, and final, is so at the node; or   *)
(* more is final, if it had something final of its own.                    *)
Agrees ==
    /\ IsAncestor(D!ReadTip(reader), Mine.confirmed) /\ IsAncestor(reader.final.tip, Mine.final)
    /\ Start[Follower].final = D!Genesis => Mine.confirmed = D!ReadTip(reader) /\ Mine.final = reader.final.tip
TruthWins == AtRest => D!TruthWins /\ (Broken \/ Agrees)

(* Who can not follow says no more of the layer to the node, and keeps     *)
(* what it had kept, until it begins anew.                                 *)
FinalOnlyAdvancesStep ==
    IsRestart \/ /\ reader'.final.place.height >= reader.final.place.height
                 /\ IsAncestor(Mine.final, Mine'.final)
                 /\ Broken => Broken' /\ Mine'.confirmed = Mine.confirmed /\ Mine'.final = Mine.final
                 /\ reader.state # "idle" => Agrees' \/ Broken'
                 /\ Broken' => kept' = kept
FinalOnlyAdvances == [][FinalOnlyAdvancesStep]_vars

(* All that the layer confirms is held, unless it is out, or does not keep *)
(* what comes next.                                                        *)
LivesWithoutPeers ==
    AtRest =>
        \/ Refuses /\ Broken
        \/ layer.blocks = <<>>
        \/ layer.out /\ reader.state = "troubled"
        \/ reader.state = "lost" /\ D!NextHeight(reader) < layer.oldest
        \/ reader.state = "resting" /\ D!Tip(layer) \in Mine.held

(* Each block that comes stands on one that is held, and none goes but     *)
(* what contradicts the final one, or is older than is kept.               *)
NoneMissingStep ==
    LET held == Mine'.held
    IN  IsRestart \/ /\ \A b \in held \ Mine.held : Parent[b] \in held
                     /\ \A b \in Mine.held \ held : IsAncestor(b, Mine'.final) => Height[b] < Height[Mine'.base]
NoneMissing == [][NoneMissingStep]_vars

(* And of the nodes all that sync promises of states, but for              *)
(* CompoundStates, as heads may get worse here.                            *)
InSync ==
    /\ N!Bounded /\ N!ConfirmedOnBest /\ N!FinalAdvances /\ N!InitIffWorse /\ N!NoContradiction /\ N!OneDisconnect
    /\ N!OneFeed /\ N!ParentKnown /\ N!PartsOnlyFor /\ N!PartsRightly /\ N!PrunedIsSaid /\ N!SettledAtRest /\ N!Tracked
Settles == <>[](AtRest /\ N!Settled)
=============================================================================
