"""The promises of the protocol: each name, and the sentence that it stands for."""

from typing import Final

SENTENCES: Final = {
    "OnlyBestChain": "A node will only send blocks that are in its best chain.",
    "OnlyChild": "Only an immediate child of the peer's head can be sent; after sending a block, the peer's head is "
    "changed to the newly sent block, after receiving a block to the newly received block.",
    "ParentKnown": "If two nodes are both correct, then a block that is sent by either will never be rejected by the "
    "other.",
    "NoEcho": "If we receive a block from a peer then that peer knows all ancestors of that block.",
    "Tracked": "When switching forks, we back up to the nearest block; idle means that the peer has our head.",
    "InitIffWorse": "A node is in the init state iff the last sent hello is worse than the last received hello and the "
    "last received hello refers to an unknown block.",
    "AncestorExact": "When two nodes establish a new connection, they find the nearest common ancestor of their best "
    "chains.",
    "CompoundStates": "(start, start): hello, hello -> (idle, idle), (initlow, inithigh), (initlow, syncing). Other "
    "combinations are not possible.",
    "Settles": "If the environment stops, every run of protocol steps is finite, and ends with both nodes on the "
    "better head and both links idle.",
    "FinalAdvances": "If N1 has an irreversible block that N2 does not, and messages are delivered in bounded time, "
    "then N2 will advance its last irreversible block in bounded time.",
    "NeverBelowFinal": "No reorganisation below the final point; peers with contradicting final points part once, "
    "saying why.",
    "PrunedIsSaid": "A peer whose head is below what we still hold is told so at once, never left waiting.",
    "OneDisconnect": "A link ends exactly once, and nothing is sent on it afterwards.",
    "NoPunishHonest": "No sequence of correct peers' messages, however late, repeated or reordered across links, "
    "yields a misbehaviour.",
    "Bounded": "Hellos per search, buffered headers, bytes per link: each within its limit.",
    "Payloads": "A message that refers to a block is not delivered before that block; early or late, it ends nothing.",
    "SignsOfLife": "A link is never left waiting: who gives no sign of life is asked, and then left.",
    "PartsOnlyFor": "A link between correct nodes ends only for a reason that its world allows.",
}
"""Each promise, and the sentence that it stands for."""
