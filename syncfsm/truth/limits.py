"""The bounds of reading and posting. Sizes are bytes, times are seconds, depths are blocks of the DA layer."""

from typing import Final

import attrs
from attrs import validators as must

BATCH_BLOCKS: Final = 65_536
"""Most blocks in a batch."""
WINDOW: Final = 64
"""Most heights of a layer that are asked for at once."""
UNANSWERED: Final = 30.0
"""Seconds without an answer after which a layer that fails is out: it has been asked several times by then, and a batch
is due (``TruthLimits.period``), so that confirmation waits for it."""
SIGNATURE_BYTES: Final = 1024
"""Longest proof of a batch: a signature, or a small quorum certificate."""


@attrs.frozen(kw_only=True)
class TruthLimits:
    """One node's own choice. The defaults suit blocks of 0.2 s, batches of 30 s, and a layer with blocks of 6 s."""

    finality: int = attrs.field(default=0, validator=must.ge(0))
    """How many blocks at the layer's end may still be taken back; 0 for a layer whose blocks are final at once."""
    window: int = attrs.field(default=8, validator=[must.ge(1), must.le(WINDOW)])
    """How many heights of the layer are asked for at once, at most. As many answers are held, with all their blobs."""
    poll: float = attrs.field(default=3.0, validator=must.gt(0))
    """After how long a reader at the layer's end looks again, unless it hears of a new block before."""
    back_off: float = attrs.field(default=0.5, validator=must.gt(0))
    """How long one waits after the first failure; twice as long after each further one."""
    back_off_most: float = attrs.field(default=30.0, validator=must.gt(0))
    """The longest of these pauses; also the pause after what only an operator can mend."""
    overdue: float = attrs.field(default=120.0, validator=must.gt(0))
    """How long nothing is heard, or nothing confirmed, before that is said."""
    ahead: float = attrs.field(default=10.0, validator=must.ge(0))
    """How long a sequencer that starts waits for the layer to be read, before it makes blocks all the same."""
    period: float = attrs.field(default=30.0, validator=must.gt(0))
    """How old the oldest block gets before a batch is posted, unless the batch is full before."""
    batch_blocks: int = attrs.field(default=4096, validator=[must.ge(1), must.le(BATCH_BLOCKS)])
    """Most blocks in a batch of ours."""
    batch_bytes: int = attrs.field(default=6 * 1024 * 1024, validator=must.ge(1))
    """Most bytes of blocks in a batch of ours, with ``BLOCK_OVERHEAD`` for each; a longer block goes alone."""
    patience: float = attrs.field(default=60.0, validator=must.gt(0))
    """How long a batch that may have landed is looked for before its blocks are posted again."""
    unconfirmed: int = attrs.field(default=18_000, validator=must.ge(1))
    """Most blocks that are made and not confirmed: an hour at 0.2 s. Then the producer is held until some are."""
