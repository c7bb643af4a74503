-------------------------------- MODULE Feeds --------------------------------
(* The table of the feed: from whom a node has its blocks, and to whom it   *)
(* sends them, when it has several peers. Feed.tla has what is left of it   *)
(* with one. Peers.tla lets anything happen to it; in Relay.tla the links   *)
(* of a node are what happens to it.                                        *)
(*                                                                          *)
(* Each row is a line, named as in Link.tla; the table is the one in        *)
(* syncfsm/sync/feed/rules.py. Peers are numbers from 1; 0 is none. What is *)
(* remembered of time is how far it is from now, in thousandths of a        *)
(* second.                                                                  *)
(*                                                                          *)
(* What a row asks of the links is given to it, as sets of peers: `m`, who  *)
(* says that it has more than we; and where a row asks for more, who has    *)
(* `greeted` us, who `lacks` what we have and may get it, and to whom our   *)
(* operator has turned blocks `off`.                                        *)
(*                                                                          *)
(* Left out: peers of older releases, whom a busy one names, and sentries.  *)
EXTENDS Integers, Sequences, FiniteSets, TLC

CONSTANTS Graft, GraftMost, Early, Rival, Patience, Lead, Gates,  \* limits, by their names
          Pressed, MostLost  \* see syncfsm/sync/feed/guards.py

None == 0
Range(s) == {s[i] : i \in 1..Len(s)}
Min(S) == CHOOSE x \in S : \A y \in S : y >= x
Max(S) == CHOOSE x \in S : \A y \in S : y <= x
But(s, p) == SelectSeq(s, LAMBDA q : q # p)
Plus(s, p) == IF p \in Range(s) THEN s ELSE Append(s, p)

NoRival == [peer |-> None, times |-> 0]
NoFeed == [peer |-> None, proven |-> FALSE, others |-> <<>>, ahead |-> <<>>, asked |-> <<>>, worn |-> <<>>,
           refused |-> <<>>, off |-> <<>>, waits |-> <<>>, lag |-> 0, rival |-> NoRival, lost |-> 0, beaten |-> <<>>,
           makes |-> FALSE, served |-> <<>>]
Now == <<[began |-> 0, helped |-> 0]>>

(* What becomes of the feed, and what it says to whom. *)
Row(name, f, pokes) == [row |-> name, feed |-> f, pokes |-> pokes]
Poke(p, what) == <<[peer |-> p, what |-> what]>>
Ask(f, p) == Poke(p, IF p \in Range(f.refused) THEN "insist" ELSE "ask")

Askeds(f) == {f.asked[i].peer : i \in 1..Len(f.asked)}
AskedOf(f, p) == f.asked[CHOOSE i \in 1..Len(f.asked) : f.asked[i].peer = p]
NotAsked(f, p) == SelectSeq(f.asked, LAMBDA a : a.peer # p)
Tried(f) == {a.peer : a \in {b \in Range(f.asked) : b.peer \notin Range(f.worn) /\ b.why # "given"}}
LeftToAsk(f) ==
    LET taken == Range(f.off) \cup Range(f.refused) \cup Range(f.served) \cup Askeds(f)
    IN  SelectSeq(f.others, LAMBDA p : p \notin taken)
Settled(f) ==
    IF f.ahead # <<>> \/ \E a \in Range(f.asked) : a.why # "race" THEN f ELSE [f EXCEPT !.waits = <<>>]
Without(f, p) ==
    [f EXCEPT !.others = But(@, p), !.ahead = But(@, p), !.asked = NotAsked(f, p), !.worn = But(@, p),
              !.refused = But(@, p), !.off = But(@, p), !.beaten = But(@, p), !.served = But(@, p),
              !.rival = IF @.peer = p THEN NoRival ELSE @]

(* Who is asked first: the first of those with the least against them. *)
Best(f, peers, m) ==
    LET bit(p, S, n) == IF p \in S THEN n ELSE 0
        against(p) ==
            bit(p, Range(f.off), 8) + bit(p, Range(f.worn), 4) + bit(p, Range(f.refused), 2) + 1 - bit(p, m, 1)
    IN  peers[Min({i \in 1..Len(peers) : \A j \in 1..Len(peers) : against(peers[i]) <= against(peers[j])})]

WaitsOf(f) == IF f.ahead # <<>> \/ Tried(f) # {} THEN f.waits ELSE <<>>
Helped(f) == IF f.waits = <<>> THEN <<>> ELSE <<[f.waits[1] EXCEPT !.helped = 0]>>
Asked(f, p, why) ==
    [f EXCEPT !.asked = Append(@, [peer |-> p, why |-> why, since |-> 0]), !.ahead = But(@, p),
              !.off = But(@, p), !.waits = IF @ = <<>> THEN Now ELSE @]

-----------------------------------------------------------------------------
(* Time.                                                                    *)

Wait(f) == IF f.proven THEN Min({Max({2 * f.lag, Graft}), GraftMost}) ELSE GraftMost
VainAt(a) == a.since + (IF a.why = "race" THEN Lead ELSE Patience)
OnTrial(f) == {a \in Range(f.asked) : a.why = "given" \/ a.peer \notin Range(f.worn)}
InVain(f) == {a \in OnTrial(f) : VainAt(a) <= 0}
Awaits(f) == f.waits # <<>> /\ f.ahead # <<>>
LateAt(f) ==
    LET w == f.waits[1]
        busy == Range(f.ahead) \subseteq Range(f.refused) /\ LeftToAsk(f) # <<>>
        last == IF f.asked = <<>> THEN w.began ELSE Max({f.asked[i].since : i \in 1..Len(f.asked)})
    IN  Max({w.began, w.helped, last}) + Wait(f) * (IF busy THEN Pressed ELSE 1)
PatientUntil(f) == Min({f.waits[1].helped + Patience, f.waits[1].began + Lead})
Deadlines(f) == {VainAt(a) : a \in OnTrial(f)} \cup (IF Awaits(f) THEN {LateAt(f), PatientUntil(f)} ELSE {})
Aged(f, time) ==
    [f EXCEPT !.waits = [i \in 1..Len(@) |-> [began |-> @[i].began - time, helped |-> @[i].helped - time]],
              !.asked = [i \in 1..Len(@) |-> [@[i] EXCEPT !.since = @ - time]]]

RECURSIVE GivenUp(_, _, _, _)
GivenUp(f, todo, vain, m) ==
    IF todo = <<>> THEN Row("LateAskedInVain", f, <<>>)
    ELSE LET a == Head(todo)
             p == a.peer
             stays == [a EXCEPT !.why = IF a \in vain /\ @ = "given" THEN "late" ELSE @]
             kept == [f EXCEPT !.asked = Append(@, stays), !.worn = IF a \in vain THEN Plus(@, p) ELSE @]
             rest == GivenUp(IF a \notin vain \/ p \in m THEN kept ELSE f, Tail(todo), vain, m)
         IN  IF a \notin vain \/ p \in m THEN rest ELSE [rest EXCEPT !.pokes = Poke(p, "shut") \o @]
RECURSIVE AskedAll(_, _, _)
AskedAll(f, todo, m) ==
    IF todo = <<>> THEN Row("LatePatienceEnds", [f EXCEPT !.ahead = <<>>, !.waits = Now], <<>>)
    ELSE LET p == Head(todo)
             rest == AskedAll(IF p \in m THEN Asked(f, p, "late") ELSE f, Tail(todo), m)
         IN  IF p \in m THEN [rest EXCEPT !.pokes = Ask(f, p) \o @] ELSE rest

OnLate(f, m) ==
    LET one == Range(f.ahead) \cap m # {}
        up == GivenUp([f EXCEPT !.asked = <<>>], f.asked, InVain(f), m)
        best == Best(f, f.ahead, m)
        next == Asked(f, best, "late")
    IN  CASE InVain(f) # {}                              -> [up EXCEPT !.feed = Settled(@)]
          [] Awaits(f) /\ PatientUntil(f) <= 0 /\ one    -> AskedAll(f, f.ahead, m)
          [] one                                         -> Row("LateOneIsAhead", next, Ask(next, best))
          [] OTHER                                       -> Row("LateCalm", Settled([f EXCEPT !.ahead = <<>>]), <<>>)

-----------------------------------------------------------------------------
(* Who is there.                                                            *)

OnJoined(f, p) ==
    CASE f.peer = None            -> Row("JoinedAdopt", [f EXCEPT !.peer = p], Poke(p, "greet"))
      [] OTHER                    -> Row("JoinedGreetBeside",
            [f EXCEPT !.others = Append(@, p)], Poke(p, "greet beside"))

Turned(f, p, m) ==
    LET gone == Without(f, p)
        asked == SelectSeq(gone.asked, LAMBDA a : a.peer \notin Range(gone.worn))
        free == LeftToAsk(gone)
        next == IF asked # <<>> THEN Head(asked).peer ELSE Best(gone, IF free # <<>> THEN free ELSE gone.others, m)
        new == [Without(gone, next) EXCEPT !.peer = next, !.proven = FALSE, !.rival = NoRival, !.lost = 0,
                                           !.beaten = <<>>, !.waits = Helped(f), !.served = gone.served]
    IN  Row("LeftFeeds", Settled(new), IF next \in Askeds(gone) THEN <<>> ELSE Ask(gone, next))
OnLeft(f, p, m) ==
    CASE f.peer = p /\ f.others = <<>> -> Row("LeftFeedsAlone", NoFeed, <<>>)
      [] f.peer = p                    -> Turned(f, p, m)
      [] OTHER                         -> Row("LeftForget", Settled(Without(f, p)), <<>>)

-----------------------------------------------------------------------------
(* Blocks come.                                                             *)

Races(f) == \E a \in Range(f.asked) : a.why = "race"
Overtaken(f, m) ==
    LET told == SelectSeq(f.ahead, LAMBDA p : p \notin m)
        fresh == SelectSeq(told, LAMBDA p : p \notin Range(f.beaten))
        again == [f.rival EXCEPT !.times = @ + 1]
    IN  IF Races(f) /\ f.rival # NoRival THEN again
        ELSE IF f.waits = <<>> \/ Tried(f) # {} \/ -f.waits[1].began <= Early THEN NoRival
        ELSE IF f.rival.peer \in Range(told) THEN again
        ELSE IF told = <<>> THEN NoRival
        ELSE [peer |-> IF fresh # <<>> THEN Head(fresh) ELSE Head(told), times |-> 1]

CaughtUp(f, m) ==
    LET runs(a) == a.why = "race" /\ f.rival # NoRival /\ f.rival.peer = a.peer
        stays(a) == runs(a) \/ a.peer \in m
        done == SelectSeq(f.asked, LAMBDA a : ~stays(a))
    IN  Row("", [f EXCEPT !.ahead = SelectSeq(@, LAMBDA p : p \in m), !.asked = SelectSeq(@, LAMBDA a : stays(a)),
                          !.waits = Helped(f), !.makes = FALSE],
            [i \in 1..Len(done) |-> [peer |-> done[i].peer, what |-> "shut"]])
BeHelped(name, f, m) ==
    LET w == WaitsOf(f)
        took == IF w = <<>> THEN 0 ELSE -Max({w[1].began, w[1].helped})
        lag == Max({Min({took, GraftMost}), (f.lag * 7 + 4) \div 8})
        caught == CaughtUp(f, m)
        helped == [caught.feed EXCEPT !.proven = TRUE, !.lag = lag, !.rival = Overtaken(f, m), !.refused = <<>>]
    IN  Row(name, Settled(helped), caught.pokes)
(* Who says that it has more is to be asked in time, who was the feed too. *)
ToAsk(f, p, m) ==
    IF p \in Range(f.off) \/ p \notin m THEN f
    ELSE [f EXCEPT !.ahead = Plus(@, p), !.waits = IF @ = <<>> THEN Now ELSE @]
Beside(f, old, m) == ToAsk([f EXCEPT !.others = Append(But(@, old), old)], old, m)
Lost(f, p) == [f EXCEPT !.lost = Min({@ + 1, MostLost}), !.beaten = Plus(@, p)]
Grafted(name, f, p, m) ==
    LET late == AskedOf(f, p).why = "late"
        worn == But(f.worn, p)
        turned == [f EXCEPT !.peer = p, !.proven = TRUE, !.others = But(@, p),
                            !.worn = IF late THEN Plus(worn, f.peer) ELSE worn, !.asked = NotAsked(f, p),
                            !.refused = <<>>, !.rival = NoRival, !.lost = 0, !.beaten = <<>>]
        caught == CaughtUp(Beside(turned, f.peer, m), m)
    IN  Row(name, Settled(caught.feed), Poke(f.peer, "shut") \o caught.pokes)

(* The old feed has its blocks from us now, if it lacks any. *)
TurnedRound(r, old, lacks) ==
    IF old \notin lacks THEN r
    ELSE [r EXCEPT !.feed.served = Plus(@, old), !.pokes = Poke(old, "give") \o @]

RECURSIVE Doubled(_, _)
Doubled(n, times) == IF times = 0 THEN n ELSE Doubled(2 * n, times - 1)
OnGained(f, p, m, lacks) ==
    LET feeds == f.peer = p
        asked == p \in Askeds(f)
        rival == Overtaken(f, m)
        due == ~Races(f) /\ rival # NoRival /\ rival.times >= Doubled(Rival, f.lost) /\ rival.peer \notin Range(f.worn)
        lost == Races(f) /\ f.rival # NoRival /\ f.rival.times + 1 >= Rival
        raced == BeHelped("GainedRivalIsDue", f, m)
        ended == BeHelped("GainedRaceIsLost", f, m)
    IN  CASE feeds /\ due  -> Row(raced.row,
                Settled(Asked([raced.feed EXCEPT !.rival = [peer |-> rival.peer, times |-> 0]], rival.peer, "race")),
                raced.pokes \o Ask(raced.feed, rival.peer))
          [] feeds /\ lost -> Row(ended.row,
                Settled(ToAsk(Lost([ended.feed EXCEPT !.rival = NoRival,
                                                      !.asked = NotAsked(ended.feed, f.rival.peer)], f.rival.peer),
                              f.rival.peer, m)),
                ended.pokes \o Poke(f.rival.peer, "shut"))
          [] feeds           -> BeHelped("GainedFeeds", f, m)
          [] asked /\ AskedOf(f, p).why = "given" -> TurnedRound(Grafted("GainedGives", f, p, m), f.peer, lacks)
          [] asked           -> Grafted("GainedAsked", f, p, m)
          [] OTHER           -> Row("GainedIgnore", f, <<>>)

(* We give what we make to the feed, or to the oldest that is not off.     *)
OnMade(f, m, off) ==
    LET open == SelectSeq(<<f.peer>> \o f.others, LAMBDA p : p \notin off)
        child == Head(f.served)
    IN  CASE open = <<>> \/ Head(open) \in Range(f.served) -> Row("MadeIsGiven", f, <<>>)
          [] f.makes /\ f.peer \notin Range(f.served) /\ f.served # <<>> -> Row("MadeGiftDeclined",
                Settled(Beside([f EXCEPT !.peer = child, !.others = But(@, child), !.rival = NoRival,
                                         !.asked = NotAsked(f, child), !.ahead = But(@, child), !.beaten = <<>>,
                                         !.off = But(@, child)], f.peer, m)),
                Poke(f.peer, "shut") \o Poke(child, "insist"))
          [] OTHER -> Row("MadeGive", [f EXCEPT !.served = Append(@, Head(open)), !.makes = TRUE],
                          Poke(Head(open), "give"))

-----------------------------------------------------------------------------
(* What a peer says.                                                        *)

NotedAhead(f, p) ==
    LET w == WaitsOf(f)
    IN  [f EXCEPT !.off = But(@, p), !.ahead = Plus(@, p), !.waits = IF w = <<>> THEN Now ELSE w]
OnAhead(f, p, m, greeted) ==
    LET on == [f EXCEPT !.off = But(@, p)]
        now == Asked(NotedAhead(f, p), p, "less")
    IN  CASE f.peer = p /\ p \in Range(f.off) -> Row("AheadFeedIsOnAgain", on, Ask(on, p))
          [] f.peer = p                       -> Row("AheadSaidByFeed", f, <<>>)
          [] p \in Askeds(f)                  -> Row("AheadAskedAlready", f, <<>>)
          [] p \notin Range(f.refused) /\ ~f.proven /\ f.peer \in greeted \ m ->
                Row("AheadFeedHasNoMore", now, Ask(now, p))
          [] OTHER                            -> Row("AheadNoteAhead", NotedAhead(f, p), <<>>)

OnGiven(f, p) ==
    LET on == [f EXCEPT !.off = But(@, p)]
        given == [i \in 1..Len(f.asked) |-> IF f.asked[i].peer = p THEN [f.asked[i] EXCEPT !.why = "given"]
                                            ELSE f.asked[i]]
    IN  CASE f.peer = p /\ p \in Range(f.off) -> Row("AheadFeedIsOnAgain", on, Ask(on, p))
          [] f.peer = p                       -> Row("GivenSaidByFeed", f, <<>>)
          [] p \in Askeds(f)                  -> Row("GivenTakeOffer",
                                                   [f EXCEPT !.asked = given, !.waits = IF @ = <<>> THEN Now ELSE @], <<>>)
          [] OTHER                            -> Row("GivenTakeOffer", Asked(f, p, "given"), <<>>)

Noted(f, p, off) ==
    IF off THEN [f EXCEPT !.off = Plus(@, p), !.ahead = But(@, p)] ELSE [f EXCEPT !.refused = Plus(@, p)]
OnRefused(f, p, off, m) ==
    LET noted == Noted(f, p, off)
        next == Best(noted, LeftToAsk(noted), m)
        turned == Settled(Beside([noted EXCEPT !.peer = next, !.proven = FALSE, !.others = But(@, next),
                                               !.ahead = But(@, next)], p, m))
        still == [f EXCEPT !.refused = <<>>, !.off = But(@, p)]
        was == p \in Askeds(f)
        raced == was /\ AskedOf(f, p).why = "race"
        shut == [noted EXCEPT !.asked = NotAsked(f, p)]
        slow == IF ~raced THEN shut
                ELSE [(IF p \in Range(f.beaten) THEN Lost(shut, p) ELSE [shut EXCEPT !.beaten = Append(@, p)])
                      EXCEPT !.rival = NoRival]
        again == IF was /\ ~off /\ p \in m THEN ToAsk([slow EXCEPT !.waits = Helped(slow)], p, m) ELSE slow
    IN  CASE f.peer = p /\ LeftToAsk(f) # <<>> -> Row("RefusedFeedRefusesOthersLeft", turned, Ask(turned, next))
          [] f.peer = p /\ off                 -> Row("RefusedFeedIsOff", noted, <<>>)
          [] f.peer = p                        -> Row("RefusedSaidByFeed", still, Poke(p, "insist"))
          [] OTHER                             -> Row("RefusedBeRefused", Settled(again), <<>>)

OnWanted(f, p, insists) ==
    LET served == [f EXCEPT !.served = Plus(@, p), !.refused = But(@, p)]
        gate == insists \/ p = f.peer \/ Cardinality(Range(f.served) \cup {f.peer}) < Gates
    IN  CASE p \in Range(f.served) -> Row("WantedServes", served, Poke(p, "serve"))
          [] gate                  -> Row("WantedHasGate", served, Poke(p, "serve"))
          [] OTHER                 -> Row("WantedRefuse", f, Poke(p, "refuse"))
OnUnwanted(f, p) == Row("UnwantedUnserve", [f EXCEPT !.served = But(@, p)], <<>>)
==============================================================================
