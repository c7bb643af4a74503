"""The text of docs/report.md. ``{name}`` is a figure of docs/figures.json; ``make docs`` puts it in."""

from collections.abc import Mapping
from typing import Final

TEXT: Final = """# Fast blocks from one sequencer to many nodes: a report

*Generated from docs/report.py and docs/figures.json by `make docs`; edit those. The figures were measured on a machine with
two cores that was not always quiet.*

One sequencer makes a block every 0.2 s. Every 30 s a batch goes to a data-availability (DA) layer, which is the truth, and too
slow for those who wait. Full nodes are to follow live, cheaply for the sequencer, whatever fails. What follows is what
syncfsm does about it. Each claim names what shows it: a command, or a test.

## How a block gets to all nodes

Every node is linked to a few others. It takes blocks from one of them, its *feed*; all others tell it only that they have
them. The feed is whoever was first, so the feeds form a tree that follows latency, with the sequencer as its root. A block
crosses each node once. If the feed is late, by what it usually takes, the next who has told of the block is asked.

The sequencer sends {bodies} bodies of a block to four followers, and four at most to ten thousand nodes. A block is at a
follower on the same machine after {propagation} (median / 99 %). *`make demo`; `OneFeed`, `TreeSpans`,
`OncePerNode`; [decision 0023](decisions/0023-relay.md).*

## When nodes disconnect or fail

* **A link falls silent, or a process dies.** Its peers notice by signs of life, and dial again with a pause that doubles to 2 s.
  The feed of whoever is left behind is replaced within a block time, and if it falls silent within the graft time more. *`syncfsm outage --mode feed`, `--mode feed-stops`.*
* **A fifth of all nodes dies at once.** Of 10,000, every one that lives has every block: 99.9 % within {died_p999} block
  times, the last after {died_worst}, {died_gaps} gaps. *`make scale`.*
* **All peers are gone.** A node follows from the DA layer alone, at batch delay: {layer_alone} in the demo, and it was live {layer_back}
  after its peers were back. *`make demo`, second act; `test_a_node_without_peers_follows_from_the_layer_alone_at_batch_delay`.*
* **The DA layer is out.** Soft blocks go on, confirmed stands, overdue is said, all heals.
  *`test_the_layer_is_out_for_200_block_times_and_soft_goes_on`.*
* **A process is killed at any instant.** What it has acknowledged is there; nothing is signed twice; no block is lost on its
  way to the layer. *`test_two_hundred_kills`, `test_killed_two_hundred_times_while_it_posts`.*

## What could be done to it

| threat | answer | shown by |
|---|---|---|
| forged blocks, blocks of another chain | checked before they are kept or passed on; ids commit to chain and parent | `OnlyBestChain` in `liar`; `tests/test_random_pairs.py` |
| somebody has the sequencer's key, or it signs twice | both signatures are evidence, kept and passed on; the DA layer decides ({undone} blocks undone in the demo, {evidence} nodes told) | `make demo`, third act; `test_two_blocks_at_one_height_and_the_layer_decides` |
| the sequencer signs twice by accident | a guard apart from the store, synced before a signature leaves | `test_a_sequencer_that_is_killed_and_loses_its_store_never_signs_twice` |
| impersonation, a man in the middle | TLS 1.3, and an id that is the key | `test_a_stolen_certificate_is_of_no_use_without_its_key` |
| a peer that withholds, slows or lies | asked last from then on; a lie costs its receiver one wait | `NotStarved` in `false_feeds` |
| floods; memory or disk filled by strangers | every queue, branch and connection has a limit, and every message a price | [the table of costs](../spec/syncfsm_spec/COSTS.md), `tests/test_costs.py` |
| eclipse: only liars around a node | the DA layer is a second way to the truth, and says so when peers differ, or are behind it | `TruthWins`, `ConfirmedOnBest` |
| a liar that comes back | shunned under the name that was proved, over restarts | `test_a_liar_is_not_dialled_again_for_a_while_also_after_a_restart` |

## As the network grows

A node's work does not depend on how many there are: it has some eight links, one feed, and a few nodes that it feeds. 10,000
nodes on a published network of eight regions, beside gossipsub on the same links (median / 99 %, copies a node is sent):

| block | syncfsm | gossipsub | with IDONTWANT | latency alone |
|---|---|---|---|---|
| 1 KB | {relay_1KB} | {gossipsub_1KB} | {idontwant_1KB} | {bound_1KB} |
| 10 KB | {relay_10KB} | {gossipsub_10KB} | {idontwant_10KB} | {bound_10KB} |
| 100 KB | {relay_100KB} | {gossipsub_100KB} | {idontwant_100KB} | {bound_100KB} |

![How a block spreads over 10,000 nodes](img/scale.svg)

*`make scale`; [what is measured, and what is left to be wished](../benchmarks/scale/README.md).*

## The outage: X, X+100, X+111

Node A and the sequencer are at X. A's network fails; when it is back, the sequencer is at X+100.

1. A's links have been given up for silent, and are dialled all the while, so one is made as soon as bytes pass.
2. Each end says its head and a few points of its chain. The other knows at once what both have: X. No question is left.
3. A's feed streams X+1 … X+100 without waiting for answers, as many as the line takes; blocks that are made meanwhile follow
   in the same stream. All others are told what A has as it gets it, so none sends it again.
4. X+111 comes as any live block does. There is no moment at which A has to change from catching up to following.

In the demo A missed {missed} blocks and was at the live head {recovery} after the first byte ({recovery_of_block} of a block time), with
{gaps} gaps and {duplicates} duplicates. Catching up runs at {catch_up_small} of 1 KiB, or {catch_up_large}; with TLS at {tls} of that.
If the chain forked meanwhile, the common ancestor is found first, in the logarithm of the distance; if A missed more than its
peers keep, it reads the DA layer. *`make demo`; `make bench`; `Settles`, `NoEcho`, `AncestorExact`.*

## What to watch

1. **Head lag**: how old the head is, and by how many blocks it is behind. `syncfsm_head_age_seconds`, `syncfsm_head_lag_blocks`.
2. **Recovery time**, and from where blocks came: live, in catch-up, from the layer. `syncfsm_recovery_seconds`,
   `syncfsm_blocks_total`. A rising share of repairs is the early warning.
3. **Soft minus confirmed**: what would be undone in the worst case. `syncfsm_unconfirmed_blocks`; the oldest block of a batch
   waited {waited} in the demo, with a batch every 4 s.

`syncfsm status` says in one sentence how a node is and what to do; [the page and the metrics](operating.md) show the rest.

## Why we believe it

The decisions are tables of a pure core without clock or network, and the very code that ships is explored exhaustively, at
{explored}: every order of events in more than a hundred small worlds; beside TLA+ with equal counts, for sync, relay,
packets and truth. Each promise has a changed rule that breaks it, and the checker finds it. *`make check`; [how we know](../README.md#how-we-know).*
"""


def page(figures: Mapping[str, str]) -> str:
    """The report; ``KeyError`` if it names a figure that there is not."""
    return TEXT.format_map(figures)
