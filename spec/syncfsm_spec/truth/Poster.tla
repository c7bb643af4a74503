------------------------------- MODULE Poster -------------------------------
(* The poster's machine: rows as in Reader.tla, of the table in            *)
(* syncfsm/truth/poster/rules.py.                                          *)
(*                                                                         *)
(* Left out: that nothing is confirmed for too long, and how many bytes a  *)
(* batch may have. Times are counted from now, and what is older than a    *)
(* period is all the same.                                                 *)
EXTENDS Reader

CONSTANTS Period,      \* how old the oldest block gets before a batch is due
          Batch,       \* most blocks in a batch
          Patience,    \* how long one looks for a batch that may have landed
          Ahead,       \* how long a sequencer that starts waits for the layer to be read
          Unconfirmed  \* most blocks that are made and not confirmed

NoPoster == [state |-> "idle", final |-> None, blocks |-> <<>>, confirmed |-> 0, gathered |-> 0, sent |-> None,
             landed |-> None, given |-> 0, read |-> 0, most |-> 0, until |-> 0, tries |-> 0, held |-> FALSE, why |-> ""]

Done(p) == IF p.confirmed = 0 THEN p.final ELSE p.blocks[p.confirmed]
Open(p) == SubSeq(p.blocks, p.confirmed + 1, Len(p.blocks))
Most(p) == IF p.most = 0 THEN Batch ELSE Min2(p.most, Batch)

(* What a step makes: the row, the poster, the blob that it gives, and     *)
(* whether it asks what the sequencer has.                                 *)
Makes(name, state, did) ==
    [row |-> name, poster |-> [did.poster EXCEPT !.state = state], gives |-> did.gives, loads |-> FALSE]
Loads(r) == [r EXCEPT !.loads = TRUE]
Gives(p, blob) == [poster |-> p, gives |-> blob]
Only(p) == Gives(p, NoBlob)

(* The same, `passed` later.                                               *)
Later(p, passed) ==
    [p EXCEPT !.gathered = Max2(-Period, @ - passed), !.given = Max2(-Period, @ - passed),
              !.until = Max2(0, @ - passed)]

-----------------------------------------------------------------------------
(* Guards. See guards.py.                                                  *)

Known(p, b) == b = p.final \/ \E i \in 1..Len(p.blocks) : p.blocks[i] = b
HasOther(final, ours, blocks) ==
    \/ ours # final
    \/ \E i \in 1..Len(blocks) : Parent[blocks[i]] # IF i = 1 THEN ours ELSE blocks[i - 1]
IsSent(p, tip) == p.sent # None /\ Height[tip] >= Height[p.sent]

(* When time alone moves it on: in how long, in a sequence of at most one. *)
Due(p) ==
    CASE p.state = "gathering" /\ Open(p) # <<>> ->
            <<IF Len(Open(p)) >= Most(p) THEN p.gathered ELSE p.gathered + Period>>
      [] p.state = "waiting" /\ p.landed = None  -> <<p.until>>
      [] p.state \in {"awaiting", "backing-off", "paused"} -> <<p.until>>
      [] OTHER -> <<>>

-----------------------------------------------------------------------------
(* Actions. See actions.py.                                                *)

Holding(p) == [p EXCEPT !.held = Len(Open(p)) >= Unconfirmed]
Add(p, b) ==
    Only(Holding([p EXCEPT !.gathered = IF Open(p) = <<>> THEN 0 ELSE @, !.blocks = Append(@, b)]))

(* What the reader knows: how far it has read, and what is confirmed and   *)
(* final there.                                                            *)
Noted(p, read, tip, final) ==
    LET drop == Max2(0, Height[final] - Height[p.final])
        least == IF drop > 0 THEN final ELSE p.final
        new == [p EXCEPT !.final = least, !.blocks = SubSeq(@, drop + 1, Len(@)), !.read = read,
                         !.confirmed = Max2(0, Height[tip] - Height[least])]
        moved == Height[Done(new)] # Height[Done(p)]
    IN  Holding([new EXCEPT !.gathered = IF moved THEN 0 ELSE @, !.why = IF moved THEN "" ELSE @])

Ended(p) == [p EXCEPT !.sent = None, !.landed = None]
Finished(p) == [Ended(p) EXCEPT !.tries = 0, !.gathered = p.given]
Again(p, now) == [Ended(p) EXCEPT !.gathered = now - Period]
Submit(p, now) ==
    LET batch == SubSeq(Open(p), 1, Min2(Len(Open(p)), Most(p)))
    IN  Gives([p EXCEPT !.sent = Last(batch), !.given = now], batch)
Halve(p) == Submit([p EXCEPT !.most = (Height[p.sent] - Height[Done(p)]) \div 2], 0)
Stuck(p, why) == Only([p EXCEPT !.sent = None, !.until = BackOffMost, !.why = why])

-----------------------------------------------------------------------------
(* The table.                                                              *)

Over == {"overruled", "halted"}
Running(p) == p.state \notin {"idle", "awaiting"} \cup Over
Waits(p) == [p EXCEPT !.held = TRUE]

(* Where nothing of what happens matters.                                  *)
Asleep(p) ==
    CASE p.state = "awaiting" -> Makes("BeginIgnore", p.state, Only(p))
      [] p.state \in Over     -> Makes("StartIgnore", p.state, Only(p))
      [] p.state = "idle"     -> Makes("BeginIgnore", p.state, Only(p))

\* There is a sequencer.
OnStart(p) ==
    IF p.state = "idle" THEN Makes("StartAwaitLayer", "awaiting", Only([Waits(p) EXCEPT !.until = Ahead]))
    ELSE Makes("StartIgnore", p.state, Only(p))

\* It tells what it has: the reader's final block, its own at that height, and all above it.
OnBegin(p, final, ours, blocks) ==
    LET new == [NoPoster EXCEPT !.blocks = blocks]
    IN  IF ~Running(p) THEN Asleep(p)
        ELSE IF HasOther(final, ours, blocks)
        THEN Makes("BeginHasOther", "overruled", Only(Waits([new EXCEPT !.final = ours])))
        ELSE Makes("BeginBegin", "catching", Only(Holding([new EXCEPT !.final = final])))

\* The sequencer makes a block.
OnMade(p, b) == IF Running(p) THEN Makes("MadeAdd", p.state, Add(p, b)) ELSE Asleep(p)

\* The reader goes on, or back: is that all that there is, or has the layer broken its word?
OnSeen(p, read, tip, final, all, broken) ==
    LET noted == Noted(p, read, tip, final)
    IN  IF p.state \in {"idle"} \cup Over THEN Asleep(p)
        ELSE IF broken THEN Makes("SeenIsBroken", "halted", Only(Waits(p)))
        ELSE IF p.state = "awaiting"
        THEN IF all THEN Loads(Makes("SeenIsAll", "catching", Only(p))) ELSE Makes("SeenIgnore", p.state, Only(p))
        ELSE IF ~(Known(p, tip) /\ Known(p, final)) THEN Makes("SeenIsOther", "overruled", Only(Waits(p)))
        ELSE IF p.state = "catching" /\ all THEN Makes("SeenIsAll", "gathering", Only(noted))
        ELSE IF p.state = "waiting" /\ IsSent(p, tip) THEN Makes("SeenIsDone", "gathering", Only(Finished(noted)))
        ELSE IF p.state = "waiting" /\ p.landed \in 1..read
        THEN Makes("SeenIsInVain", "gathering", Only(Again(noted, 0)))
        ELSE Makes("SeenSee", p.state, Only(noted))

\* The layer answers; `landed` is where it is, if it is known.
OnOutcome(p, outcome, landed, why) ==
    IF ~Running(p) THEN Asleep(p)
    ELSE IF p.state # "submitting" THEN Makes("PostedIgnore", p.state, Only(p))
    ELSE IF IsSent(p, Done(p)) THEN Makes("PostedWasSeen", "gathering", Only(Finished(p)))
    ELSE CASE outcome = "posted" /\ landed <= p.read -> Makes("PostedWasRead", "gathering", Only(Again(p, 0)))
           [] outcome = "posted" /\ landed > p.read ->
                Makes("PostedAwaitIt", "waiting", Only([p EXCEPT !.landed = landed, !.tries = 0]))
           [] outcome = "unsure" ->
                Makes("UnsureLookForIt", "waiting", Only([p EXCEPT !.landed = None, !.until = Patience, !.why = why]))
           [] outcome = "trouble" ->
                Makes("TroubleBackOff", "backing-off",
                      Only([p EXCEPT !.sent = None, !.until = Pause(p.tries), !.tries = @ + 1, !.why = why]))
           [] outcome = "too-big" /\ Height[p.sent] = Height[Done(p)] + 1 ->
                Makes("TooBigIsOne", "paused", Stuck(p, why))
           [] outcome = "too-big" /\ Height[p.sent] # Height[Done(p)] + 1 -> Makes("TooBigHalve", p.state, Halve(p))
           [] outcome = "refused" -> Makes("RefusedBeStuck", "paused", Stuck(p, why))

\* It is time to: see Due.
OnDue(p) ==
    LET now == Due(p)[1]
        r == CASE p.state = "gathering" -> Makes("TickIsDue", "submitting", Submit(p, now))
               [] p.state = "awaiting"  -> Loads(Makes("TickIsDue", "catching", Only(p)))
               [] OTHER -> Makes("TickIsDue", "gathering", Only(Again(p, now)))
    IN  [r EXCEPT !.poster = Later(@, now)]

\* An operator has mended something.
OnResume(p) ==
    IF ~Running(p) THEN Asleep(p)
    ELSE IF p.state \in {"backing-off", "paused"} THEN Makes("ResumeGoOn", "gathering", Only(Again(p, 0)))
    ELSE Makes("ResumeIgnore", p.state, Only(p))
=============================================================================
