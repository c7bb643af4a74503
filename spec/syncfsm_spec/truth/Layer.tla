------------------------------- MODULE Layer --------------------------------
(* A data-availability (DA) layer: what it has, and what it answers. One   *)
(* definition here is one thing that may happen to the layer of layer.py.  *)
(*                                                                         *)
(* The sequencer's blocks are numbers; of each there is its parent and its *)
(* height. A blob is the sequence of the blocks in its batch; one that is  *)
(* no batch has none.                                                      *)
EXTENDS Integers, Sequences

CONSTANTS Parent,  \* Parent[b]: the block before b; None for the first
          Height   \* Height[b]: how many are below it

None == 0
Genesis == 1
NoBlob == <<None>>
Min2(x, y) == IF x < y THEN x ELSE y
Max2(x, y) == IF x > y THEN x ELSE y
Last(s) == s[Len(s)]

(* A batch counts if its first block's parent is the last block that       *)
(* counts.                                                                 *)
RECURSIVE Confirms(_, _)
Confirms(tip, blobs) ==
    IF blobs = <<>> THEN tip
    ELSE LET b == Head(blobs)
         IN  Confirms(IF b # <<>> /\ Parent[b[1]] = tip THEN Last(b) ELSE tip, Tail(blobs))

-----------------------------------------------------------------------------
(* blocks: the layer's own, from height 1 on, those that are pruned too;   *)
(* count: how many were ever made; asked: the heights that the reader     *)
(* waits for; due: has anything changed since the reader was last woken?   *)
(* broken: does it say that it took back what was final?                   *)
(* given: a blob that is being given, and is not taken yet; waiting: one   *)
(* whose giver waits for its block; landed: where that is, until the giver *)
(* is told; pending: blobs that will be in a block.                        *)
Empty == [blocks |-> <<>>, count |-> 0, oldest |-> 1, out |-> FALSE, broken |-> FALSE, asked |-> {}, due |-> FALSE,
          given |-> NoBlob, waiting |-> NoBlob, landed |-> None, pending |-> <<>>]

Top(l) == Len(l.blocks)
RECURSIVE TipAt(_, _)
TipAt(l, height) == IF height = 0 THEN Genesis ELSE Confirms(TipAt(l, height - 1), l.blocks[height].blobs)
Tip(l) == TipAt(l, Top(l))

Place(height, id, parent) == [height |-> height, id |-> id, parent |-> parent]
PlaceAt(l, height) == Place(height, l.blocks[height].id, l.blocks[height].parent)

Grown(l, blobs) ==
    [l EXCEPT !.blocks = Append(@, [id |-> l.count + 1, parent |-> IF Top(l) = 0 THEN None ELSE Last(l.blocks).id,
                                    blobs |-> blobs]),
              !.count = @ + 1, !.due = TRUE]
RECURSIVE GrownEmpty(_, _)
GrownEmpty(l, times) == IF times = 0 THEN l ELSE GrownEmpty(Grown(l, <<>>), times - 1)

-----------------------------------------------------------------------------
(* The reader asks.                                                        *)

Nowhere == Place(0, None, None)
Says(type, place, blobs) == [type |-> type, place |-> place, blobs |-> blobs, head |-> 0]
Answer(l, height) ==
    IF l.out THEN Says("trouble", Nowhere, <<>>)
    ELSE IF l.broken THEN Says("broken", Nowhere, <<>>)
    ELSE IF height > Top(l) THEN [Says("future", Place(height, None, None), <<>>) EXCEPT !.head = Top(l)]
    ELSE IF height < l.oldest THEN Says("pruned", Nowhere, <<>>)
    ELSE LET blobs == l.blocks[height].blobs
         IN  Says(IF blobs = <<>> THEN "none" ELSE "blobs", PlaceAt(l, height), blobs)
Answered(l, height) == [l EXCEPT !.asked = @ \ {height}]

(* The poster gives: this is taken, and lands.                             *)
Takes(l) == [l EXCEPT !.given = NoBlob, !.waiting = l.given, !.pending = Append(@, l.given)]
Without(s, i) == SubSeq(s, 1, i - 1) \o SubSeq(s, i + 1, Len(s))
Includes(l, i) ==
    LET blob == l.pending[i]
        more == [Grown(l, <<blob>>) EXCEPT !.pending = Without(@, i)]
    IN  IF blob = l.waiting THEN [more EXCEPT !.waiting = NoBlob, !.landed = Top(more)] ELSE more

-----------------------------------------------------------------------------
(* What else may happen.                                                   *)

RECURSIVE BlobsFrom(_, _)
BlobsFrom(l, height) == IF height > Top(l) THEN <<>> ELSE l.blocks[height].blobs \o BlobsFrom(l, height + 1)

(* It takes blocks back, and makes one more than these.                    *)
GoesBack(l, depth, blobs, keep) ==
    LET left == Top(l) - depth
        gone == IF keep THEN BlobsFrom(l, left + 1) ELSE <<>>
        less == [l EXCEPT !.blocks = SubSeq(@, 1, left), !.pending = @ \o gone]
    IN  GrownEmpty(Grown(less, blobs), depth)

CanPrune(l) == Top(l) > l.oldest
Prunes(l) == [l EXCEPT !.oldest = Top(l), !.due = TRUE]
IsOut(l, out) == [l EXCEPT !.out = out, !.due = TRUE]
Confesses(l) == [l EXCEPT !.broken = TRUE, !.due = TRUE]

(* The blob that is being given gets an answer: will it land all the same? *)
Lands(l, taken) == IF taken /\ l.given # NoBlob THEN Append(l.pending, l.given) ELSE l.pending
Replied(l, taken) == [l EXCEPT !.given = NoBlob, !.pending = Lands(l, taken)]
(* Whoever gave it is gone.                                                *)
Orphaned(l, taken) ==
    [l EXCEPT !.given = NoBlob, !.waiting = NoBlob, !.landed = None, !.pending = Lands(l, taken), !.asked = {}]

LayerRests(l) ==
    /\ l.asked = {} /\ ~l.due /\ l.given = NoBlob /\ l.landed = None
    /\ l.pending = <<>> \/ l.out
=============================================================================
