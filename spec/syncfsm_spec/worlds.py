"""The worlds that ``syncfsm check`` explores. Put one of your own into ``STANDARD``, or into a module of yours."""

from typing import Final

from syncfsm_spec.kit.ledgers import with_ledgers
from syncfsm_spec.kit.trees import TREE
from syncfsm_spec.notes import worlds as notes
from syncfsm_spec.peer import worlds as peer
from syncfsm_spec.routing import worlds as routing
from syncfsm_spec.settings import LOCATOR, STREAMING
from syncfsm_spec.sync import feed, relay
from syncfsm_spec.sync import worlds as sync
from syncfsm_spec.sync.flood import flood
from syncfsm_spec.sync.promises import NO_ECHO
from syncfsm_spec.sync.worlds import (
    ahead,
    aside,
    ban,
    ban_beside,
    busy_final,
    confirmed,
    confirmed_final,
    contradiction,
    early_liar,
    finals,
    forks,
    full,
    heavy,
    impatient,
    liar,
    line,
    line_finals,
    meter,
    next_parts,
    noise,
    prune,
    prune_away,
    prune_fork,
    race,
    recant,
    refused,
    slow_feed,
    spoil,
    tired,
)  # fmt: skip
from syncfsm_spec.truth import following, witnesses
from syncfsm_spec.truth import worlds as truth

BOTH: Final = (LOCATOR, STREAMING)
KINDS_OF_TWO: Final = (
    forks, race, ahead, finals, recant, contradiction, refused, prune, prune_fork, prune_away, ban, aside,
    confirmed, confirmed_final,
)  # fmt: skip
KINDS_OF_THREE: Final = (
    line, line_finals, tired, impatient, next_parts, slow_feed, busy_final, ban_beside,
)  # fmt: skip
KINDS_OF_THEIR_OWN: Final = (peer.clock, meter, notes.talk, full, heavy, spoil, liar, noise, early_liar)
KINDS_WITH_LEDGERS: Final = (forks, race, ahead, finals, prune, ban, line)
KINDS_OF_PACKETS: Final = (
    routing.broadcast, routing.mesh, routing.unicast, routing.about, routing.held,
    routing.left_out, routing.verdicts, routing.liar,
)  # fmt: skip
ALONE: Final = tuple(
    world()
    for world in (
        peer.by_itself, sync.by_itself, feed.by_itself, feed.sentries, notes.by_itself, routing.by_itself,
        routing.router_by_itself,
    )
)  # fmt: skip
"""Each table by itself."""
NODES: Final = (
    *(kind(strategy) for kind in (*KINDS_OF_TWO, *KINDS_OF_THREE, *KINDS_OF_THEIR_OWN) for strategy in BOTH),
    *relay.SMALL,
    *(kind() for kind in KINDS_OF_PACKETS),
    routing.pair(anew=True),
    *ALONE,
    flood(),
    *(with_ledgers(kind(strategy), TREE, NO_ECHO) for kind in KINDS_WITH_LEDGERS for strategy in BOTH),
)
"""The worlds of nodes and of their tables."""
STANDARD: Final = (*NODES, *truth.STANDARD, *following.STANDARD, *witnesses.STANDARD)
"""What ``syncfsm check`` explores when no world is named."""
LARGE: Final = (*relay.LARGE, *routing.LARGE)
"""For the night: of four nodes, and of feeds that race, what is done in ten minutes, with 12 GB of memory."""
