"""The report of a running node, as plain data: for ``syncfsm status``, for ``/status``, for metrics and for the page.

What is there stays; more may come.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import attrs

import syncfsm
from syncfsm.blocks import Point
from syncfsm.node.status import PeerStatus
from syncfsm_adapters.connect.shell import Shell
from syncfsm_adapters.look.record import Record
from syncfsm_adapters.look.why import Reason, why

Truth = Callable[[], Mapping[str, Any]]
"""What is known of the data-availability layer: ``Truth.status``."""


class Reporter:
    """Reports of one node. ``clock`` gives Unix time."""

    def __init__(
        self, name: str, node: Shell, record: Record, truth: Truth | None, clock: Callable[[], float] = time.time
    ) -> None:
        self.name, self.record = name, record
        self._node, self._truth, self._clock = node, truth, clock

    def reason(self) -> Reason:
        """How the node is."""
        status = self._node.host.node.status()
        truth = self._truth() if self._truth is not None else None
        steady = {peer.peer.partition("#")[0] for peer in status.peers if peer.main and peer.main.stage == "in-step"}
        contradicting = [key for key in self.record.contradicting if key not in steady]
        return why(status, list(self.record.attempts.values()), contradicting, truth)

    def sample(self) -> tuple[float, int, float, int]:
        """When, blocks behind, seconds since the head moved (0 before it has), and blocks not confirmed."""
        status, now, moved = self._node.host.node.status(), self._clock(), self.record.head_at
        age = now - moved if moved is not None else 0.0
        return round(now, 3), status.lag, round(age, 3), status.head.height - status.confirmed.height

    def report(self) -> dict[str, Any]:
        """All of it."""
        host, record, now = self._node.host, self.record, self._clock()
        status = host.node.status()
        reason = self.reason()
        heads = {"soft": status.head, "confirmed": status.confirmed, "final": status.final}
        tally = host.tally
        return {
            "name": self.name,
            "version": syncfsm.__version__,
            "at": now,
            "word": reason.word.value,
            "sentence": reason.sentence,
            "fine": reason.is_fine,
            "heads": {name: _point(point) for name, point in heads.items()},
            "head_age_seconds": now - record.head_at if record.head_at is not None else None,
            "lag_blocks": status.lag,
            "unconfirmed_blocks": status.head.height - status.confirmed.height,
            "fed_by": host.fed_by,
            "peers": [self._peer(peer, now=status.now) for peer in status.peers],
            "attempts": [attrs.asdict(attempt) for attempt in record.attempts.values()],
            "incidents": [attrs.asdict(incident) for incident in record.incidents],
            "sources": {**record.arrived, "da": tally.read, "own": tally.made},
            "recovery_seconds": record.recovery,
            "reorganisations": record.reorganisations,
            "undone_blocks": record.undone,
            "partings": dict(record.partings),
            "misbehaviours": dict(record.misbehaviours),
            "tally": attrs.asdict(tally),
            "truth": self._truth() if self._truth is not None else None,
        }

    def _peer(self, peer: PeerStatus, now: float) -> dict[str, Any]:
        address, dialled = self.record.addresses.get(peer.peer, ("", False))
        sync, main = peer.more.get("sync", {}), peer.main
        return {
            "peer": peer.peer,
            "id": peer.id.hex(),
            "proved": peer.proved,
            "address": address,
            "dialled": dialled,
            "state": main.state if main is not None else "",
            "waits_for": main.waits_for if main is not None else "",
            "head": main.head.height if main is not None and main.head is not None else None,
            "ahead": main.ahead if main is not None else 0,
            "lacks": main.lacks if main is not None else None,
            "blocks_to": sync.get("mode", ""),
            "blocks_from": bool(sync.get("wanted")),
            "feeds_us": peer.peer == self._node.host.fed_by,
            "quiet_seconds": now - peer.heard_at,
            "room": peer.room,
        }


def _point(point: Point) -> dict[str, Any]:
    return {"height": point.height, "id": point.id.hex()}
