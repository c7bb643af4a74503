"""What the figures of the story mean, by their place in what ``--json`` writes. The documentation shows this table."""

from typing import Final

FIELDS: Final = {
    "mode": "what was lost, and how: as given to `--mode`",
    "interval": "block time, in seconds",
    "followers": "full nodes",
    "degree": "links of each node, about; `null` if all are linked to all",
    "lost": "the node that was lost: `A`, or whoever fed it",
    "outage.lost_at": "height of that node when it was lost",
    "outage.restored_at_sequencer_height": "height of the sequencer when that node could be reached again",
    "outage.seconds": "from the loss until the link was mended, or the process started anew or let go on",
    "recovery.seconds": "from when that node could be reached again until its head was the sequencer's",
    "recovery.seconds_since_mended": "the same, from the end of the outage: with the start of its process",
    "recovery.blocks": "by how many blocks its head rose over the outage and the return",
    "recovery.blocks_received": "how many it received for that",
    "recovery.gaps": "heights that it skipped, up to the end of the story",
    "recovery.duplicate_blocks": "how many of the blocks it received were held already",
    "recovery.hellos": "hellos that it received",
    "recovery.height": "its height when it was back",
    "recovery.copies_per_block": "how often a follower received a live block right after the return, or after the loss "
    "of a feed; the lost node is counted from its return on, and a feed is not",
    "latency_ms.p50": "milliseconds from a block made to a follower's head, while it was connected: the median",
    "latency_ms.p99": "the 99th percentile",
    "latency_ms.samples": "of how many such times",
    "sequencer.bytes_per_block": "bytes that the sequencer wrote for a block and follower, all told",
    "sequencer.bodies_per_block": "how often it sent the body of a block",
    "copies_per_block": "how often a follower received a block: 1 is a tree, more is redundancy",
    "overhead.messages_per_block": "small messages (all but blocks) that a node sent for each block",
    "overhead.bytes_per_block": "what those come to on the wire",
    "head": "the last block",
    "agreed": "do all files hold the same chain, whole from genesis?",
    "feed.height": "height of A when it lost its feed",
    "feed.next": "who fed it after that",
    "feed.seconds": "from the loss until A had the next block",
    "feed.seconds_since_made": "the same, or from when that block was made if that was later",
    "feed.allowed_seconds": "how long `feed.seconds` may be: one block time, and if the feed falls silent, the time "
    "after which a node asks elsewhere for a block that it has heard of (0 as long as all peers send all blocks)",
    "feed.blocks": "by how many blocks A's head rose from then to the end of the story",
    "feed.gaps": "heights that A skipped meanwhile",
    "feed.duplicate_blocks": "how many of the blocks that A received meanwhile were held already",
    "feed.copies_per_block": "how often A received a block meanwhile",
}
"""By path, with dots. Those of ``feed`` are there if it is the feed that was lost."""
