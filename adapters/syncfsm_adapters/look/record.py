"""What a node has been through: attempts that failed, incidents, how its blocks came, how long it took to be back.

    record = Record(journal, time.time)
    ...the node is made with ``record`` as its journal...
    record.follow(host)

It is a journal that remembers, and passes each line on. All that it keeps is bounded.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from syncfsm.node.node import Node
from syncfsm.node.status import Why
from syncfsm.outputs import Disconnect, HeadMoved, Misbehaviour, Output
from syncfsm.peer.messages import Bye, Parting
from syncfsm_adapters.host.host import Host
from syncfsm_adapters.host.journal import Write

KEPT: Final = 64
"""Incidents that are remembered, and addresses of which it is remembered that nobody could be reached there."""
INCIDENTS: Final = frozenset({
    "misbehaviour", "broken", "twin", "twin-sequencer", "equivocation", "contradicted", "taken-back", "mark-unknown",
    "da-unheard", "da-pruned", "da-broke", "da-refused", "da-silent", "overdue", "stuck", "overruled", "held",
    "penalty", "accept-failed", "banned", "pardoned",
})  # fmt: skip
"""Journal lines that an operator wants to see again."""
SHOWN: Final = ("sentence", "detail", "rule", "reason")
"""The field of a line that says most, the first of these."""
IN_STEP: Final = (Why.IN_STEP, Why.BANNED)


@attrs.frozen
class Attempt:
    """Why there is no link to an address: what came of the last attempt, when, and how many there were in a row."""

    address: str
    reason: str
    detail: str
    said_by: str
    """``peer`` if the peer refuses us."""
    count: int
    at: float


@attrs.frozen
class Incident:
    """Something that an operator may want to look at. ``at`` is Unix time."""

    at: float
    event: str
    text: str


class Record:
    """Remembers what it is told as a journal. ``clock`` gives Unix time."""

    def __init__(self, journal: Write, clock: Callable[[], float]) -> None:
        self.attempts: dict[str, Attempt] = {}
        """By address, those since the last link there."""
        self.addresses: dict[str, tuple[str, bool]] = {}
        """By link: where the peer is, and whether it was dialled."""
        self.incidents: deque[Incident] = deque(maxlen=KEPT)
        self.contradicting: dict[str, float] = {}
        """Nodes, by the first digits of their ids, that parted as their final blocks contradict ours; when last."""
        self.partings: Counter[str] = Counter()
        self.misbehaviours: Counter[str] = Counter()
        self.arrived: Counter[str] = Counter()
        """New blocks by how they came: ``live`` one at a time, ``catch-up`` several at once."""
        self.reorganisations = self.undone = 0
        self.recoveries: list[float] = []
        """Seconds from the first link after having none to being in step: those since they were last taken."""
        self.recovery: float | None = None
        """The last of them."""
        self.head_at: float | None = None
        """When the head last moved."""
        self._journal, self._clock = journal, clock
        self._began: float | None = None

    def __call__(self, event: str, **fields: Any) -> None:
        self._journal(event, **fields)
        if event == "no-link":
            self._failed(fields)
        elif event == "connected":
            self.attempts.pop(fields["address"], None)
            self.addresses[fields["peer"]] = (fields["address"], fields["dialled"])
        if event in INCIDENTS:
            text = next((str(fields[name]) for name in SHOWN if fields.get(name)), "")
            self.incidents.append(Incident(self._clock(), event, text))

    def follow(self, host: Host) -> None:
        """Remember what happens to ``host`` from now on."""

        def told(output: Output, now: float) -> None:
            match output:
                case HeadMoved(old, _, common):
                    self.head_at = self._clock()
                    self.reorganisations += common != old
                    self.undone += old.height - common.height
                case Misbehaviour(_, fault):
                    self.misbehaviours[fault.rule] += 1
                case Disconnect(peer, reason, _, said):
                    self._parted(peer, said.reason if isinstance(said, Bye) else reason)

        def stepped(before: Node, after: Node, now: float) -> None:
            new = host.tally.received - host.tally.repeated - self.arrived.total()
            if new > 0:
                self.arrived["live" if new == 1 else "catch-up"] += new
            self._recovers(before, after, now)

        host.watch(told)
        host.observe(stepped)

    def take_recoveries(self) -> list[float]:
        """Those since this was last asked."""
        found, self.recoveries = self.recoveries, []
        return found

    # ----------------------------------------------------------------------------------------------------------------

    def _failed(self, fields: Mapping[str, Any]) -> None:
        address = fields["address"]
        before = self.attempts.pop(address, None)
        count = before.count + 1 if before is not None else 1
        self.attempts[address] = Attempt(
            address, fields["reason"], fields["detail"], fields["said_by"], count, self._clock()
        )
        if len(self.attempts) > KEPT:
            del self.attempts[next(iter(self.attempts))]

    def _parted(self, peer: str, reason: str) -> None:
        self.addresses.pop(peer, None)
        self.partings[str(reason)] += 1
        key = peer.partition("#")[0]
        if reason == Parting.CONTRADICTION:
            self.contradicting.pop(key, None)
            self.contradicting[key] = self._clock()
            if len(self.contradicting) > KEPT:
                del self.contradicting[next(iter(self.contradicting))]

    def _recovers(self, before: Node, after: Node, now: float) -> None:
        """Looks at the status only from the first link until all is in step."""
        if not after.links:
            self._began = None
        elif not before.links:
            self._began = now
        if self._began is not None and after.status().why in IN_STEP:
            self.recovery = now - self._began
            self.recoveries = [*self.recoveries[-KEPT:], self.recovery]
            self._began = None
