"""What others do, on the same overlay and the same lines: gossipsub, and what no protocol can beat.

Gossipsub here is its eager push: the mesh is the overlay (8 neighbours on average, 6 at least), and who has a message
for the first time sends it to all neighbours but the one it came from. With IDONTWANT (v1.2) it first tells all of them
that it has it, and what they have not begun to send is left out. There is no IHAVE and IWANT: on lines that lose
nothing the mesh reaches everybody, and they would only add bytes. Nodes are not real ones, only their messages.
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from random import Random
from typing import Final

import attrs

from syncfsm.testing.scale.agenda import Agenda
from syncfsm.testing.scale.overlay import Overlay
from syncfsm.testing.scale.uplink import Downlink, Uplink

ENVELOPE: Final = 150
"""Bytes of a published message beside its data: topic, sender, sequence number, signature, framing."""
DONT_WANT: Final = 48
"""Bytes of an IDONTWANT that names one message by a 32-byte id."""
THRESHOLD: Final = 1024
"""Smaller messages are not worth an IDONTWANT (go-libp2p-pubsub's default)."""


@attrs.frozen
class Spread:
    """How one message spread: by node, seconds from its making until the node had it (``inf`` if it never did); copies
    that arrived anywhere; bytes that the lines and the source carried; and how many small messages."""

    delays: list[float]
    copies: int
    bytes: int
    source_bytes: int
    small: int


Sent = tuple[int, int, int]
"""A copy: message, from, to."""


class Gossip:
    """A network that publishes ``count`` messages of ``size`` bytes, one each ``interval`` seconds, from ``sources`` in
    turn. ``work`` is how long a node looks at a message before it goes on."""

    def __init__(
        self, overlay: Overlay, size: int, sources: Sequence[int], *, dont_want: bool, work: float, seed: int = 0
    ) -> None:
        self.overlay, self.size, self.sources, self.work = overlay, size + ENVELOPE, sources, work
        self._dont_want = dont_want and size >= THRESHOLD
        self._chance = Random(seed)
        self._agenda = Agenda()
        self._up: list[Uplink[Sent]] = [Uplink(place.up, self._wanted) for place in overlay.places]
        self._down = [Downlink(place.down) for place in overlay.places]
        self._latency = [{b: overlay.latency(a, b) for b in others} for a, others in enumerate(overlay.neighbours)]
        self._had: list[list[float]] = []
        self._refused: list[list[set[int]]] = []
        self._copies: list[int] = []
        self._bytes: list[int] = []
        self._source: list[int] = []
        self._small: list[int] = []

    def run(self, count: int, interval: float, drain: float = 10.0) -> list[Spread]:
        """All messages, from the first to the last."""
        nodes = len(self.overlay.places)
        for at in range(count):
            self._had.append([-1.0] * nodes)
            self._refused.append([set() for _ in range(nodes)] if self._dont_want else [])
            for tally in (self._copies, self._bytes, self._source, self._small):
                tally.append(0)
            self._agenda.at(at * interval, self._publish, at)
        self._agenda.run(count * interval + drain)
        return [self._spread(at, at * interval) for at in range(count)]

    def _spread(self, at: int, made: float) -> Spread:
        delays = [had - made if had >= 0 else float("inf") for had in self._had[at]]
        return Spread(delays, self._copies[at], self._bytes[at], self._source[at], self._small[at])

    def _publish(self, at: int) -> None:
        source = self.sources[at % len(self.sources)]
        self._had[at][source] = self._agenda.now
        self._push(at, source, -1)

    def _push(self, at: int, node: int, but: int) -> None:
        others = list(self.overlay.neighbours[node])
        self._chance.shuffle(others)
        for other in others:
            if other != but:
                due = self._up[node].put(self._agenda.now, self.size, (at, node, other))
                if due is not None:
                    self._agenda.at(due, self._written, node)

    def _wanted(self, sent: Sent) -> bool:
        at, node, other = sent
        return not self._dont_want or other not in self._refused[at][node]

    def _written(self, node: int) -> None:
        now = self._agenda.now
        sent, due = self._up[node].done(now)
        if due is not None:
            self._agenda.at(due, self._written, node)
        if sent is not None:
            at, _, other = sent
            self._bytes[at] += self.size
            if node == self.sources[at % len(self.sources)]:
                self._source[at] += self.size
            self._agenda.at(now + self._latency[node][other], self._arrive, at, node, other)

    def _arrive(self, at: int, node: int, other: int) -> None:
        now = self._agenda.now
        read = self._down[other].arrive(now, self.size, self._up[node].rate)
        if read > now:
            self._agenda.at(read, self._have, at, node, other)
        else:
            self._have(at, node, other)

    def _have(self, at: int, node: int, other: int) -> None:
        self._copies[at] += 1
        if self._had[at][other] >= 0:
            return
        self._had[at][other] = self._agenda.now + self.work
        if self._dont_want:
            self._refuse(at, other)
        self._agenda.at(self._agenda.now + self.work, self._push, at, other, node)

    def _refuse(self, at: int, node: int) -> None:
        for other in self.overlay.neighbours[node]:
            self._small[at] += 1
            self._bytes[at] += DONT_WANT
            written = self._up[node].small(self._agenda.now, DONT_WANT)
            self._agenda.at(written + self._latency[node][other], self._refused[at][other].add, node)


def bound(overlay: Overlay, source: int) -> list[float]:
    """Of each node, the seconds on the quickest way from ``source``, if nothing counts but latency."""
    found = [float("inf")] * len(overlay.places)
    found[source] = 0.0
    waiting = [(0.0, source)]
    while waiting:
        delay, node = heappop(waiting)
        if delay > found[node]:
            continue
        for other in overlay.neighbours[node]:
            there = delay + overlay.latency(node, other)
            if there < found[other]:
                found[other] = there
                heappush(waiting, (there, other))
    return found
