"""The report of a running node, as plain data: for ``syncfsm status``, for ``/status``, for metrics and for the page.

What is there stays; more may come.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import attrs

import syncfsm
from syncfsm.blocks import Point
from syncfsm.node.status import PeerStatus, Status
from syncfsm_adapters.connect.shell import Shell
from syncfsm_adapters.connect.target import Attempt
from syncfsm_adapters.look.record import Record
from syncfsm_adapters.look.why import Reason, why

Truth = Callable[[], Mapping[str, Any]]
"""What is known of the data-availability layer: ``Truth.status``."""


LATELY: Final = 60.0
"""Seconds for which a peer's contradiction counts. Who still has it parts again: it is dialled every few seconds."""


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
        lately = self._clock() - LATELY
        contradicting = [key for key, at in self.record.contradicting.items() if at > lately and key not in steady]
        attempts, dialled = self._node.attempts(), len(self._node.targets)
        return why(status, attempts, contradicting, truth, dialled=dialled, quiet=self._quiet())

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
            "id": self._node.connector.node_id.hex(),
            "version": syncfsm.__version__,
            "at": now,
            "word": reason.word.value,
            "sentence": reason.sentence,
            "fine": reason.is_fine,
            "heads": {name: _point(point) for name, point in heads.items()},
            "head_age_seconds": self._head_age(),
            "waits_for": status.why.value,
            "waits_seconds": self._quiet(),
            "lag_blocks": status.lag,
            "unconfirmed_blocks": status.head.height - status.confirmed.height,
            "fed_by": host.fed_by,
            "peers": [self._peer(peer, status) for peer in status.peers],
            "attempts": [_attempt(attempt, now) for attempt in self._node.attempts()],
            "shunned": [attrs.asdict(each) for each in self._node.connector.shunned.listed()],
            "incidents": [attrs.asdict(incident) for incident in record.incidents.latest()],
            "sources": {**record.arrived, "da": tally.read, "own": tally.made},
            "recovery_seconds": record.recovery,
            "reorganisations": record.reorganisations,
            "undone_blocks": record.undone,
            "partings": dict(record.partings),
            "misbehaviours": dict(record.misbehaviours),
            "tally": attrs.asdict(tally),
            "truth": self._truth() if self._truth is not None else None,
        }

    def _peer(self, peer: PeerStatus, status: Status) -> dict[str, Any]:
        link = self._node.links.get(peer.peer)
        sync, main = peer.more.get("sync", {}), peer.main
        wanted = bool(sync.get("wanted"))
        return {
            "peer": peer.peer,
            "id": peer.id.hex(),
            "proved": peer.proved,
            "address": link.address if link is not None else "",
            "dialled": link is not None and link.dialled,
            "linked_seconds": status.now - link.since if link is not None else None,
            "state": main.state if main is not None else "",
            "waits_for": main.waits_for if main is not None else "",
            "head": main.head.height if main is not None and main.head is not None else None,
            "ahead": main.ahead if main is not None else 0,
            "lacks": main.lacks if main is not None else None,
            "blocks_to": sync.get("mode", ""),
            "blocks_from": wanted,
            "mode_from": "off" if peer.peer in self._off(status) else "active" if wanted else "backup",
            "feeds_us": peer.peer == self._node.host.fed_by,
            "quiet_seconds": status.now - peer.heard_at,
            "room": peer.room,
        }

    def _head_age(self) -> float | None:
        """Seconds since the head last moved; ``None`` if it has not."""
        moved = self.record.head_at
        return self._clock() - moved if moved is not None else None

    def _quiet(self) -> float:
        """For how many seconds more is known of, and no block came."""
        began = self.record.behind_at
        return 0.0 if began is None else self._clock() - max(began, self.record.head_at or began)

    @staticmethod
    def _off(status: Status) -> Collection[str]:
        """The peers whose operators let no blocks go to us."""
        off: Collection[str] = status.decided.get("feed", {}).get("off", ())
        return off


def _attempt(attempt: Attempt, now: float) -> dict[str, Any]:
    """Times on the wall clock, and in seconds from now."""
    return {
        "address": attempt.address,
        "reason": attempt.reason,
        "detail": attempt.detail,
        "said_by": attempt.said_by,
        "count": attempt.count,
        "at": now - attempt.ago,
        "again_seconds": attempt.again,
    }


def _point(point: Point) -> dict[str, Any]:
    return {"height": point.height, "id": point.id.hex()}
