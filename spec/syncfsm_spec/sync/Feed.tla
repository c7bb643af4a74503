-------------------------------- MODULE Feed --------------------------------
(* What a node decides across its peers, when it has one: from whom it has *)
(* its blocks is no question, but whether it gets any is, and whether it   *)
(* sends any. The rows are those of syncfsm/sync/feed/rules.py that can    *)
(* fire then. At the end of a step the news of its link are told to the    *)
(* feed, in order, and what it says to the link is done at once.           *)
EXTENDS Link

(* proven: the peer has brought blocks; off: it sends none, by its         *)
(* operator's will; served: it gets blocks from us; makes: the newest ones *)
(* were made here, and are given. With no peer, none of it.                *)
NoFeed == [proven |-> FALSE, off |-> FALSE, served |-> FALSE, makes |-> FALSE]

(* What becomes of the feed, and what it says to the link, if anything.    *)
Silent == "nothing"
Decides(f, poke) == [feed |-> f, poke |-> poke]

OnNews(f, news, l) ==
    CASE news = "gained"   -> Decides([f EXCEPT !.proven = TRUE, !.makes = FALSE], Silent)       \* be_helped
      [] news = "made"     -> IF f.served \/ l.mode = "off" THEN Decides(f, Silent)
                              ELSE Decides([f EXCEPT !.served = TRUE, !.makes = TRUE], "give")  \* give
      [] news = "ahead"    -> IF f.off THEN Decides([f EXCEPT !.off = FALSE], "ask")  \* ask_feed_again
                              ELSE Decides(f, Silent)
      [] news = "wanted"   -> Decides([f EXCEPT !.served = TRUE], "serve")      \* serve
      [] news = "unwanted" -> Decides([f EXCEPT !.served = FALSE], Silent)      \* unserve
      [] news = "off"      -> Decides([f EXCEPT !.off = TRUE], Silent)          \* stand_still
      [] news = "given"    -> IF f.off THEN Decides([f EXCEPT !.off = FALSE], "ask")  \* ask_feed_again
                              ELSE Decides(f, Silent)

Poked(l, poke, v) ==
    CASE poke = Silent  -> Nothing(l)
      [] poke = "ask"   -> Pumped(OnAsk(l, FALSE, v), v)
      [] poke = "give"  -> Pumped(OnServe(l, FALSE, v), v)
      [] poke = "serve" -> Pumped(OnServe(l, TRUE, v), v)

(* A step of the link, and then what the feed makes of its news.           *)
RECURSIVE Decided(_, _, _)
Decided(r, f, v) ==
    IF r.link = Closed THEN [r |-> r, feed |-> NoFeed]
    ELSE IF r.news = <<>> THEN [r |-> r, feed |-> f]
    ELSE LET did == OnNews(f, Head(r.news), r.link)
         IN  Decided(Then([r EXCEPT !.news = Tail(@)], Poked(r.link, did.poke, v)), did.feed, v)
=============================================================================
