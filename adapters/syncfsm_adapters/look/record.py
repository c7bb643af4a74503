"""What a node has been through: incidents, how its blocks came, how long it took to be back.

    record = Record(journal, time.time)
    ...the node is made with ``record`` as its journal...
    record.follow(host)

It is a journal that remembers, and passes each line on. All that it keeps is bounded.
"""

from collections import Counter
from collections.abc import Callable
from logging import ERROR, getLevelName
from typing import Any, Final

import attrs

from syncfsm.node.node import Node
from syncfsm.node.status import Why
from syncfsm.outputs import Disconnect, HeadMoved, Misbehaviour, Output
from syncfsm.peer.messages import Bye, Parting
from syncfsm_adapters.host.host import Host
from syncfsm_adapters.host.journal import Write, level

KINDS: Final = 32
"""Most words by which something is counted; what others bring is ``other``. A peer says in its own why it leaves."""
KEPT: Final = 64
"""Most incidents that are remembered, of errors and of all else each."""
TEXT: Final = 400
"""Longest text of an incident; a peer may have said it."""
INCIDENTS: Final = frozenset({
    "misbehaviour", "broken", "twin", "twin-sequencer", "equivocation", "contradicted", "taken-back", "mark-unknown",
    "da-unheard", "da-pruned", "da-broke", "da-refused", "da-silent", "overdue", "stuck", "overruled", "held",
    "bad-batch", "layer-ahead", "penalty", "accept-failed", "banned", "pardoned", "batches-lost",
})  # fmt: skip
"""Journal lines that an operator wants to see again."""
SHOWN: Final = ("sentence", "detail", "rule", "reason", "error")
"""The field of a line that says most, the first of these."""
EXPECTED: Final = (Parting.SHUTDOWN, Parting.DUPLICATE)
"""Partings that are no incidents."""
BEHIND: Final = (Why.FETCHING, Why.SEARCHING, Why.GREETING)
IN_STEP: Final = (Why.IN_STEP, Why.BANNED)


@attrs.frozen
class Incident:
    """Something that an operator may want to look at. ``at`` is Unix time: when it was last so."""

    at: float
    event: str
    level: str
    text: str
    count: int = 1
    """How often."""


class Incidents:
    """The latest, each once. What others can cause again and again does not drive out what somebody has to mend."""

    def __init__(self) -> None:
        self._kept: dict[bool, dict[tuple[str, str], Incident]] = {True: {}, False: {}}

    def note(self, at: float, event: str, text: str) -> None:
        severity, text = level(event), text[:TEXT]
        kept = self._kept[severity >= ERROR]
        before = kept.pop((event, text), None)
        count = before.count + 1 if before is not None else 1
        kept[event, text] = Incident(at, event, getLevelName(severity).lower(), text, count)
        if len(kept) > KEPT:
            del kept[next(iter(kept))]

    def latest(self) -> list[Incident]:
        """The newest last."""
        return sorted((each for kept in self._kept.values() for each in kept.values()), key=lambda each: each.at)


class Record:
    """Remembers what it is told as a journal. ``clock`` gives Unix time."""

    def __init__(self, journal: Write, clock: Callable[[], float]) -> None:
        self.incidents = Incidents()
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
        self.behind_at: float | None = None
        """Since when the journal has told that it is behind; ``None`` if it is not."""
        self._journal, self._clock = journal, clock
        self._began: float | None = None

    def __call__(self, event: str, **fields: Any) -> None:
        self._journal(event, **fields)
        if event == "status":
            behind = fields["why"] in BEHIND
            self.behind_at = (self.behind_at or self._clock()) if behind else None
        if event in INCIDENTS:
            text = next((str(fields[name]) for name in SHOWN if fields.get(name)), "")
            peer = str(fields.get("peer", "")).partition("#")[0]
            self.incidents.note(self._clock(), event, f"{peer}: {text}" if peer else text)

    def follow(self, host: Host) -> None:
        """Remember what happens to ``host`` from now on."""

        def told(output: Output, now: float) -> None:
            match output:
                case HeadMoved(old, new, common):
                    self.head_at = self._clock()
                    if common != old:
                        self.reorganisations += 1
                        self.undone += old.height - common.height
                        text = f"{old.height - common.height} blocks undone: from {old} to {new}"
                        self.incidents.note(self._clock(), "reorganised", text)
                case Misbehaviour(_, fault):
                    _count(self.misbehaviours, fault.rule)
                case Disconnect(peer, reason, detail, said):
                    self._parted(peer, said.reason if isinstance(said, Bye) else reason, detail)

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

    def _parted(self, peer: str, reason: str, detail: str) -> None:
        _count(self.partings, str(reason))
        key = peer.partition("#")[0]
        if reason not in EXPECTED:
            self.incidents.note(self._clock(), "parted", f"{key}: {reason}" + (f", {detail}" if detail else ""))
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


def _count(counts: Counter[str], word: str) -> None:
    """One more of these, in as many kinds as there may be."""
    counts[word if word in counts or len(counts) < KINDS else "other"] += 1
