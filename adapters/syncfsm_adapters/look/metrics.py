"""The report as Prometheus metrics. Names and units follow its conventions; no peer is a label, as there are too many.

The three that matter first: how far the head is behind and how old it is, how long it took to be back and from where
blocks came, and how many blocks are not confirmed.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from syncfsm_adapters.look.report import Reporter
from syncfsm_adapters.look.why import Word

RECOVERY_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
"""Upper ends of the histogram's buckets."""
GAUGES: Final[Mapping[str, str]] = {
    "syncfsm_head_lag_blocks": "By how many blocks the highest head that a peer is known to have is above ours.",
    "syncfsm_head_age_seconds": "Seconds since the head last moved; NaN before it has.",
    "syncfsm_unconfirmed_blocks": "Blocks on the best chain that the data-availability layer has not confirmed.",
    "syncfsm_soft_height": "Height of the head.",
    "syncfsm_confirmed_height": "Height up to which the source of truth has the chain.",
    "syncfsm_final_height": "Height up to which it can not be undone.",
    "syncfsm_links": "Links to peers.",
    "syncfsm_unreachable_addresses": "Addresses that are dialled in vain.",
    "syncfsm_fine": "1 if the node is in step or gets there by itself, 0 if somebody has to do something.",
    "syncfsm_da_up": "1 if the data-availability layer answers, 0 if not; absent if none is followed.",
    "syncfsm_confirmation_delay_seconds": "For how long the oldest block of the newest batch waited for it.",
}
COUNTERS: Final[Mapping[str, str]] = {
    "syncfsm_reorganisations": "How often the head moved to another branch.",
    "syncfsm_undone_blocks": "Blocks that left the best chain by that.",
    "syncfsm_repeated_blocks": "Blocks received that were held already.",
    "syncfsm_sent_blocks": "Blocks given to the transport, once for each peer.",
    "syncfsm_sent_bytes": "Bytes written to peers.",
    "syncfsm_sent_messages": "Small messages given to the transport.",
    "syncfsm_da_batches": "Batches posted.",
    "syncfsm_da_bytes": "Bytes of batches posted.",
    "syncfsm_da_retries": "Batches posted again.",
}
LABELLED: Final[Mapping[str, tuple[str, str]]] = {
    "syncfsm_blocks": ("source", "New blocks, by how they came: live, catch-up, da, own."),
    "syncfsm_partings": ("reason", "Links that ended, by why."),
    "syncfsm_misbehaviours": ("rule", "Faults of peers, by the rule that they broke."),
}
"""Counters with a label. Their values are from lists that are fixed, but for what peers' own protocols may add."""
RECOVERY: Final = "syncfsm_recovery_seconds"
RECOVERY_HELP: Final = "From the first link after having none to being in step."
STATE: Final = "syncfsm_state"
STATE_HELP: Final = "1 for how the node is, 0 for all else that it could be."
VALUES: Final = 32
"""Most values of a label; what is beyond them counts as ``other``."""


class Metrics(Collector):
    """The metrics of one node, in a registry of their own."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._registry = CollectorRegistry()
        self._recovery = Histogram(RECOVERY, RECOVERY_HELP, buckets=RECOVERY_SECONDS, registry=self._registry)
        self._registry.register(self)

    def page(self, accepts: str) -> tuple[str, bytes]:
        """The content type and what Prometheus reads, in a form that it takes."""
        for seconds in self._reporter.record.take_recoveries():
            self._recovery.observe(seconds)
        encoder, kind = choose_encoder(accepts)
        return kind, encoder(self._registry)

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        report = self._reporter.report()
        for name, value in _gauges(report).items():
            if value is not None:
                yield GaugeMetricFamily(name, GAUGES[name], value)
        for name, value in _counters(report).items():
            yield CounterMetricFamily(name, COUNTERS[name], value)
        for name, values in _labelled(report).items():
            label, meaning = LABELLED[name]
            family = CounterMetricFamily(name, meaning, labels=[label])
            for word, value in _bounded(values).items():
                family.add_metric([word], value)
            yield family
        state = GaugeMetricFamily(STATE, STATE_HELP, labels=["state"])
        for word in Word:
            state.add_metric([word.value], float(word.value == report["word"]))
        yield state


def _gauges(report: Mapping[str, Any]) -> dict[str, float | None]:
    heads, truth = report["heads"], report["truth"]
    age = report["head_age_seconds"]
    return {
        "syncfsm_head_lag_blocks": report["lag_blocks"],
        "syncfsm_head_age_seconds": age if age is not None else float("nan"),
        "syncfsm_unconfirmed_blocks": report["unconfirmed_blocks"],
        "syncfsm_soft_height": heads["soft"]["height"],
        "syncfsm_confirmed_height": heads["confirmed"]["height"],
        "syncfsm_final_height": heads["final"]["height"],
        "syncfsm_links": len(report["peers"]),
        "syncfsm_unreachable_addresses": len(report["attempts"]),
        "syncfsm_fine": float(report["fine"]),
        "syncfsm_da_up": None if truth is None else float(truth["reader"]["state"] in ("reading", "resting")),
        "syncfsm_confirmation_delay_seconds": None if truth is None else truth["confirmed_lag_seconds"],
    }


def _counters(report: Mapping[str, Any]) -> dict[str, float]:
    tally, truth = report["tally"], report["truth"] or {"batches": 0, "bytes": 0, "retries": 0}
    return {
        "syncfsm_reorganisations": report["reorganisations"],
        "syncfsm_undone_blocks": report["undone_blocks"],
        "syncfsm_repeated_blocks": tally["repeated"],
        "syncfsm_sent_blocks": tally["sent_blocks"],
        "syncfsm_sent_bytes": tally["sent_bytes"],
        "syncfsm_sent_messages": tally["sent_messages"],
        "syncfsm_da_batches": truth["batches"],
        "syncfsm_da_bytes": truth["bytes"],
        "syncfsm_da_retries": truth["retries"],
    }


def _labelled(report: Mapping[str, Any]) -> dict[str, Mapping[str, int]]:
    sources = {name: report["sources"].get(name, 0) for name in ("live", "catch-up", "da", "own")}
    return {
        "syncfsm_blocks": sources,
        "syncfsm_partings": report["partings"],
        "syncfsm_misbehaviours": report["misbehaviours"],
    }


def _bounded(values: Mapping[str, int]) -> Mapping[str, int]:
    """A peer says why it leaves in words of its own: not all of them become labels."""
    if len(values) <= VALUES:
        return values
    kept = dict(list(values.items())[:VALUES])
    return {**kept, "other": sum(values.values()) - sum(kept.values())}


def table() -> str:
    """All metrics, as Markdown."""
    rows = [f"| `{RECOVERY}` | histogram | {RECOVERY_HELP} |"]
    rows += [f"| `{name}` | gauge | {meaning} |" for name, meaning in GAUGES.items()]
    rows += [f"| `{STATE}` | gauge, by `state` | {STATE_HELP} |"]
    rows += [f"| `{name}_total` | counter | {meaning} |" for name, meaning in COUNTERS.items()]
    rows += [f"| `{name}_total` | counter, by `{label}` | {what} |" for name, (label, what) in LABELLED.items()]
    return "| name | kind | meaning |\n|---|---|---|\n" + "".join(row + "\n" for row in sorted(rows))
