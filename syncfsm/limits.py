"""Every bound of the library, in one place: code, tests and documentation read it from here.

A peer decides what it sends; these numbers decide what that can cost us. Sizes are bytes, times are seconds.
The first group is fixed by the protocol (both ends must agree); ``Limits`` is one node's own choice.
"""

from enum import StrEnum
from typing import Final

import attrs
from attrs import validators as must

# What the wire format fixes -------------------------------------------------------------------------------------

ID_BYTES: Final = 64
"""Longest block id. Opaque: 32 for most hashes, 64 leaves room for any chain."""
SCORE_BYTES: Final = 64
"""Longest fork-choice score; scores compare as byte strings."""
PROOF_BYTES: Final = 1024
"""Longest header proof: a payload hash and a signature, or a small quorum certificate."""
CHAIN_KEY_BYTES: Final = 32
"""Longest public key of a chain."""
CHAIN_ID_BYTES: Final = 64
"""Longest name of a chain; peers of another chain are refused at the handshake."""
NODE_ID_BYTES: Final = 32
"""A node's id: as long as an Ed25519 public key, which it is in form."""
OLD_NODE_ID_BYTES: Final = 64
"""Longest node id of version 1: such a greeting is still read, to be refused for its version."""
MAX_HEIGHT: Final = 2**48 - 1
"""Highest block height; at a block a millisecond this lasts 8,900 years."""
FRAME_BYTES: Final = 16 * 1024
"""Longest frame, and so the longest wait of a small message behind a block (founding/requirements#fragment)."""
HELLO_POINTS: Final = 32
"""Points a hello may carry; with 32-byte ids and heights below 2**32 a hello stays below 1.5 KiB."""
GREETING_BYTES: Final = 512
"""Longest first frame."""
ANNOUNCEMENT_BYTES: Final = 2048
"""Longest second frame: the protocols that a node speaks."""
PROTOCOLS: Final = 255
"""Most protocols that a node may announce."""
NAMED: Final = 8
"""Other nodes that a busy one may name."""
NOTE_BYTES: Final = 15 * 1024
"""Longest consensus or routing payload; it must fit one frame."""
SIGNATURE_BYTES: Final = 128
"""Longest signature of a packet; Ed25519 has 64."""
PACKET_IDS: Final = 64
"""Packets that are told of at once."""
FETCHED: Final = 8
"""Packets that are asked for at once: what comes then stays below ``Limits.control``."""
HOPS: Final = 32
"""Over how many connections a packet may go."""
REASON_WORD_BYTES: Final = 32
"""Longest word that names the reason of a bye or a refusal."""
REASON_BYTES: Final = 256
"""Longest text in a bye or a refusal."""
EVIDENCE_BYTES: Final = 256
"""How much of an offending input is kept as evidence."""
BLOCK_OVERHEAD: Final = 512
"""What a block counts against a link's room beyond its body: header, framing, book-keeping."""

HELLO_SHARE: Final = 4
"""A correct peer answers each hello of ours with at most one that counts, and has as many of its own to say: half of
what we accept, and the other half is for hellos that bunch up on the way."""

# What a node chooses --------------------------------------------------------------------------------------------


class Strategy(StrEnum):
    """How the side that searches for a common ancestor offers its chain."""

    STREAMING = "streaming"
    """One block back per hello, without waiting for answers, as the founding notes describe it."""
    LOCATOR = "locator"
    """Many points a hello, dense near the head, narrowed from both sides; exact for any depth."""


@attrs.frozen(kw_only=True)
class Limits:
    """One node's own bounds. The defaults suit the 0.2 s network of the README on a small server."""

    body: int = attrs.field(default=4 * 1024 * 1024, validator=must.ge(0))
    """Largest block body accepted."""
    run: int = attrs.field(default=512, validator=must.ge(1))
    """Most blocks taken from one peer in one step; bounds the work and memory of a step."""
    unfinal: int = attrs.field(default=1_000_000, validator=must.ge(1))
    """Most headers held above the final point; beyond it new blocks are refused until something becomes final."""
    unfinal_bytes: int = attrs.field(default=16 * 1024**3, validator=must.ge(1))
    """Most bytes of bodies of the blocks above the final point, on all branches: what peers can fill of a disk. Enough
    for four days of the README's network without finality, at 10 KB a block."""
    aside: int = attrs.field(default=1024**3, validator=must.ge(1))
    """Most bytes of blocks, with ``BLOCK_OVERHEAD`` for each, that one connection may bring beside our best chain while
    our final point stands still; the run that goes beyond it is the last. What extends the best chain never counts, nor
    does a branch on which the peer goes on until it is the best: catching up may take any length. Enough for a better
    branch of 100,000 blocks of 10 KB in one go. Who connects again starts anew, and goes on from what is held: in all,
    ``unfinal_bytes`` bounds it."""
    tips: int = attrs.field(default=1024, validator=must.ge(1))
    """Most competing branches held at once."""
    bans: int = attrs.field(default=1024, validator=must.ge(1))
    """Most bans remembered for blocks that have not come yet."""
    retention: int = attrs.field(default=100_000, validator=must.ge(0))
    """Headers kept below the final point, to serve peers that are behind."""
    links: int = attrs.field(default=1024, validator=must.ge(1))
    """Most links at once; a further one is refused with a reason."""
    notes: int = attrs.field(default=64, validator=must.ge(0))
    """Payloads a link holds back because the peer lacks the block they refer to."""
    room: int = attrs.field(default=1024 * 1024, validator=must.ge(1))
    """Bytes of blocks a link may have handed to the transport and not yet seen leave."""
    control: int = attrs.field(default=256 * 1024, validator=must.ge(4096))
    """Bytes of small messages that may wait for a peer that does not read, before the link ends."""
    turn_frames: int = attrs.field(default=512, validator=must.ge(1))
    """Frames of one connection that are decoded in one turn, before others have theirs."""
    turn_bytes: int = attrs.field(default=512 * 1024, validator=must.ge(FRAME_BYTES))
    """Bytes of one connection that are decoded in one turn."""
    points: int = attrs.field(default=HELLO_POINTS, validator=[must.ge(2), must.le(HELLO_POINTS)])
    """Points a locator hello offers."""
    branches: int = attrs.field(default=4, validator=must.ge(0))
    """Branches we left for which a link remembers what the peer has of them."""
    claims: int = attrs.field(default=2 * HELLO_POINTS, validator=must.ge(0))
    """Blocks that a peer named, and that are not held, which a link remembers: the highest."""
    hello_burst: int = attrs.field(default=64, validator=must.ge(HELLO_SHARE))
    """Hellos a peer may send at once beyond an orderly search; we send at most one in ``HELLO_SHARE`` of that."""
    hello_rate: float = attrs.field(default=8.0, validator=must.gt(0))
    """Hellos a second that refill the burst."""
    search: float = attrs.field(default=30.0, validator=must.gt(0))
    """Longest search for the common ancestor without progress, then the link ends."""
    keepalive: float = attrs.field(default=1.0, validator=must.gt(0))
    """Silence after which we ask for a sign of life."""
    silence: float = attrs.field(default=5.0, validator=must.gt(0))
    """Silence after which the link is given up."""
    patience: float = attrs.field(default=1.0, validator=must.gt(0))
    """How long a node that is behind waits for new blocks from one peer before it asks the others too."""
    lead: float = attrs.field(default=30.0, validator=must.gt(0))
    """How long it follows one peer at all before it asks the others too, so that a slow one does not set the pace."""
    gates: int = attrs.field(default=4, validator=must.ge(1))
    """How many peers a node sends whole blocks to, its feed among them if blocks come from its own side; to others it
    tells what it has, unless they insist. A node with a fast line carries more: give it more."""
    refusal_burst: int = attrs.field(default=64, validator=must.ge(1))
    """How often at once a peer is told that it gets no blocks, or that those it gives are not wanted; then it hears
    nothing. A correct one asks for blocks no more often than once in a ``graft``, and insists after a refusal."""
    refusal_rate: float = attrs.field(default=8.0, validator=must.gt(0))
    """Times a second that refill the burst."""
    join: int = attrs.field(default=8, validator=must.ge(1))
    """Of how many new heads a peer that has them is told at once: so far what a peer knows of us may lag behind."""
    graft: float = attrs.field(default=0.05, validator=must.gt(0))
    """The least time for which a node that has heard of a block waits for it from the one that feeds it."""
    graft_most: float = attrs.field(default=0.5, validator=must.gt(0))
    """The most: between the two it is what the feed has taken lately, and as much again."""
    early: float = attrs.field(default=0.005, validator=must.gt(0))
    """By how much a peer must have told of a block before the feed brought it, to be counted as the faster one."""
    rival: int = attrs.field(default=3, validator=must.ge(1))
    """How many times in a row, before it is asked to race the feed; twice as often after each race that it lost."""
    ask: float = attrs.field(default=3.0, validator=must.gt(0))
    """How long a node that makes blocks waits before its first one for peers, or for new blocks from them: longer than
    the longest pause between two attempts to reach a node."""
    origins: int = attrs.field(default=1024, validator=must.ge(1))
    """Nodes whose packets were found valid, of which it is remembered what came; packets of a further one are not
    taken."""
    window: int = attrs.field(default=1024, validator=must.ge(1))
    """By how much a packet's number may be below the newest of its origin; what is older counts as delivered."""
    judging: int = attrs.field(default=256, validator=must.ge(1))
    """Packets that wait for the integrator's verdict; what comes beyond is dropped."""
    judging_one: int = attrs.field(default=64, validator=must.ge(1))
    """Of these, how many one peer may have brought."""
    judge: float = attrs.field(default=1.0, validator=must.gt(0))
    """How long a packet waits for its verdict; then it is dropped."""
    refused: int = attrs.field(default=256, validator=must.ge(0))
    """Packets that were found not valid, or were not judged in time, that are remembered, not to be judged again."""
    kept: int = attrs.field(default=128, validator=must.ge(1))
    """Valid packets that are kept for peers that lack them, and what is remembered of a peer that has them: the
    newest."""
    missing: int = attrs.field(default=64, validator=must.ge(1))
    """Packets of which one peer has told, and that are not here."""
    roads: int = attrs.field(default=256, validator=must.ge(1))
    """Producers to whom the way is remembered."""
