-------------------------------- MODULE Tree --------------------------------
(* The blocks of a world, and what one node holds of them.                 *)
(*                                                                         *)
(* A block is a number, and of two blocks the one with the greater number  *)
(* is better; so a child's number is greater than its parent's. 0 is "no   *)
(* block". The tree never changes; what a node holds of it does.           *)
(*                                                                         *)
(* Written after syncfsm/chain.py. Left out: blocks that do not follow     *)
(* from their parent, and the limits on how many blocks are held.          *)
EXTENDS Integers, Sequences, FiniteSets, TLC

CONSTANTS Parent,    \* Parent[b] is the parent of b, or 0
          Height,    \* Height[b]
          Cost,      \* Cost[b]: bytes that b counts against the room of a link
          Retention  \* how many blocks are kept below the final one

None == 0
Block == 1..Len(Parent)

Max2(a, b) == IF a >= b THEN a ELSE b
Min2(a, b) == IF a <= b THEN a ELSE b
Max(S) == CHOOSE x \in S : \A y \in S : y <= x
Min(S) == CHOOSE x \in S : \A y \in S : y >= x

-----------------------------------------------------------------------------
(* Ancestry. The tables are worked out once.                               *)

RECURSIVE LineOf(_)
LineOf(b) == IF b = None THEN {} ELSE LineOf(Parent[b]) \cup {b}

Line == TLCEval([b \in Block |-> LineOf(b)])  \* a block and its ancestors

At == TLCEval([b \in Block |->                \* the ancestor at a height
        TLCEval([h \in Min({Height[x] : x \in Line[b]})..Height[b] |->
            CHOOSE x \in Line[b] : Height[x] = h])])

Common == TLCEval([a \in Block |->            \* the nearest common ancestor
        TLCEval([b \in Block |-> LET both == Line[a] \cap Line[b]
                                 IN  IF both = {} THEN None ELSE Max(both)])])

IsAncestor(a, b) == a \in Line[b]             \* or the same block

-----------------------------------------------------------------------------
(* A chain is what a node holds: a tree with the root `base`, in which     *)
(* `final` can not be undone, `confirmed` is what the source of truth has, *)
(* and `head` is the best block above that.                                *)

Barred(b, held, banned) == Line[b] \cap held \cap banned # {}

Best(confirmed, held, banned) ==
    Max({b \in held : IsAncestor(confirmed, b) /\ ~Barred(b, held, banned)})

Chain(confirmed, final, base, held, banned) ==
    [head |-> Best(confirmed, held, banned), confirmed |-> confirmed, final |-> final, base |-> base, held |-> held,
     banned |-> banned]

BestAt(c, h) == IF h < Height[c.base] \/ h > Height[c.head] THEN None ELSE At[c.head][h]
OnBest(c, b) == b \in c.held /\ IsAncestor(b, c.head)

(* May the block be inserted? If not, it conflicts with the final block or *)
(* its parent is not held.                                                 *)
Fits(c, b) == Parent[b] \in c.held /\ Height[b] > Height[c.final] /\ IsAncestor(c.final, Parent[b])
BelowFinal(c, b) == Height[b] <= Height[c.final] \/ Parent[b] \in c.held

Insert(c, b) ==
    LET held == c.held \cup {b}
        head == IF Barred(b, held, c.banned) \/ ~IsAncestor(c.confirmed, b) THEN c.head ELSE Max2(c.head, b)
    IN  [c EXCEPT !.held = held, !.head = head]

CanFinalise(c, b) ==
    /\ b \in c.held /\ b # c.final
    /\ IsAncestor(c.final, b)
    /\ ~Barred(b, c.held, c.banned)
Finalise(c, b) == Chain(IF IsAncestor(b, c.confirmed) THEN c.confirmed ELSE b, b, c.base, c.held, c.banned)

(* At or below the final block no more than that is confirmed.             *)
Pinned(c, b) == IF Height[b] <= Height[c.final] THEN c.final ELSE b
CanConfirm(c, b) ==
    /\ Height[c.base] <= Height[b] /\ Height[b] <= Height[c.final] => OnBest(c, b)
    /\ LET p == Pinned(c, b)
       IN  p \in c.held /\ IsAncestor(c.final, p) /\ ~Barred(p, c.held, c.banned)
Confirm(c, b) == Chain(Pinned(c, b), c.final, c.base, c.held, c.banned)

CanBan(c, b) == b \notin c.banned /\ ~(b \in c.held /\ IsAncestor(b, c.confirmed))
Ban(c, b) == Chain(c.confirmed, c.final, c.base, c.held, c.banned \cup {b})
Unban(c, b) == Chain(c.confirmed, c.final, c.base, c.held, c.banned \ {b})

(* What conflicts with the final block goes, and what is too old.          *)
Pruned(c) ==
    LET oldest == Max2(Height[c.final] - Retention, Height[c.base])
        keeps(b) == IsAncestor(c.final, b) \/ (IsAncestor(b, c.final) /\ Height[b] >= oldest)
        held == {b \in c.held : keeps(b)}
    IN  [c EXCEPT !.base = At[c.final][oldest], !.held = held, !.banned = @ \ (c.held \ held)]
=============================================================================
