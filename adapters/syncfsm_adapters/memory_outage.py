"""The outage story in virtual time: a node loses its links, comes back much later, and reaches the live head."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Literal, TypeAlias

import attrs

from syncfsm.errors import LocalError
from syncfsm.events import Event, Received
from syncfsm.limits import Limits
from syncfsm.messages import Blocks as BlocksMessage
from syncfsm.messages import Hello
from syncfsm.node import Config
from syncfsm.outputs import Output, Misbehaviour
from syncfsm_adapters.memory import MemoryNetwork
from syncfsm_adapters.memory_pipes import Path
from syncfsm_adapters.memory_world import Meter, Pairs, Producer, SignedBlocks, line, mesh, regular, star
from syncfsm_adapters.store import MemoryStore

Mode: TypeAlias = Literal["network", "crash"]
Topology: TypeAlias = Literal["mesh", "star", "line", "regular"]

SEQUENCER: Final = "sequencer"
START: Final = 10
"""Blocks made before the outage."""
SILENCE: Final = 10
"""Intervals without a sign of life after which a link is given up; a fifth of it is the keep-alive."""
DEGREE: Final = 8
"""Links of a node where the topology is ``regular``."""
WITHIN: Final = 100
"""Intervals the lost node may take to come back before the story counts as failed."""


@attrs.frozen(kw_only=True)
class Story:
    """What happened. Heights in blocks, times in seconds of virtual time."""

    followers: int
    interval: float
    mode: Mode
    topology: Topology
    lost_at: int
    """The lost node's height when it lost its links."""
    restored_at: int
    """The sequencer's height when the links carried again, or the node started again."""
    recovery_seconds: float
    """From then until the lost node's head was the sequencer's."""
    recovery_blocks: int
    gaps: int
    """Heights that are missing in the lost node's store at the end."""
    duplicates: int
    """Blocks that the lost node received during the recovery and held already."""
    hellos: int
    """Hellos that the lost node received during the recovery."""
    latency_p50: float
    latency_p99: float
    """Block made to block on a connected follower's best chain."""
    bytes_per_block: float
    """What the sequencer sent, per block made and follower."""
    misbehaviours: int
    agreed: bool
    """All stores hold one best chain, id for id from genesis."""
