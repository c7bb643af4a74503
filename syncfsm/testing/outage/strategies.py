"""Draws outages. What comes first in a list is what a failure shrinks to: two nodes, a gap of one block, a cut."""

from hypothesis import strategies as st

from syncfsm.testing.outage.story import HOW, LIARS, TOPOLOGIES, TURNS, Loss, Outage, Turn

_latencies = st.lists(st.sampled_from((1, 10, 50, 150)), min_size=1, max_size=4).map(tuple)
_loads = st.lists(st.sampled_from((1, 10, 50)), min_size=1, max_size=4).map(tuple)


def losses(gap: int) -> st.SearchStrategy[Loss]:
    """A node is lost for at most ``gap`` blocks, mostly not the sequencer."""
    return st.builds(
        Loss,
        who=st.sampled_from((1, 2, 3, 4, 5, 0)),
        how=st.sampled_from(HOW),
        gap=st.integers(1, gap),
        after=st.integers(0, gap),
        into=st.sampled_from((50, 0, 1, 10, 99)),
    )


def turns(gap: int) -> st.SearchStrategy[Turn]:
    """The chain takes another way at one of the first ``2 * gap`` blocks."""
    return st.builds(
        Turn,
        kind=st.sampled_from(TURNS),
        at=st.integers(1, 2 * gap),
        by=st.integers(0, 5),
        depth=st.integers(1, 6),
        count=st.integers(1, 4),
    )


def outages(gap: int = 20, nodes: int = 6) -> st.SearchStrategy[Outage]:
    """Stories of two to ``nodes`` nodes, in which each outage lasts at most ``gap`` blocks."""
    return st.builds(
        Outage,
        nodes=st.integers(2, nodes),
        topology=st.sampled_from(TOPOLOGIES),
        interval=st.sampled_from((200, 1000, 50)),
        size=st.sampled_from((1024, 0, 20_000)),
        latency=_latencies,
        load=_loads,
        start=st.integers(1, 8),
        losses=st.lists(losses(gap), min_size=1, max_size=3).map(tuple),
        turns=st.just(()) | st.lists(turns(gap), max_size=2).map(tuple),
        tail=st.integers(0, 8),
        final=st.sampled_from((0, 0, 3, 10)),
        retention=st.sampled_from((100_000, 2, 10)),
        room=st.sampled_from((1024, 1, 30)),
        points=st.sampled_from((32, 32, 4)),
        liar=st.sampled_from(("", "", "", *LIARS)),
        dial=st.sampled_from((50, 500)),
        seed=st.integers(0, 3),
    )
