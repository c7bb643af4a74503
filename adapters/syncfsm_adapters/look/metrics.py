"""A node's metrics for Prometheus, read from its report when they are asked for.

``METRICS`` is all of them: names and units by the conventions of Prometheus, no label that a peer chooses.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import attrs
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from syncfsm.sync.types import Mode
from syncfsm_adapters.connect.target import SHUNNED
from syncfsm_adapters.look.record import Record
from syncfsm_adapters.look.why import Word

Report = Mapping[str, Any]
Values = Iterable[tuple[tuple[str, ...], float]]
"""Values with those of their labels."""
BUCKETS: Final = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 60.0)
"""Seconds. A recovery is to take no longer than a block time, 0.2 s for most."""


WORDS: Final = 32
"""Most values of a label."""


@attrs.frozen
class Metric:
    """One metric. ``read`` finds its values in a report: none if there is nothing to tell."""

    name: str
    kind: str
    meaning: str
    read: Callable[[Report], Values] = lambda report: ()
    labels: tuple[str, ...] = ()


def _one(value: Callable[[Report], float | bool | None]) -> Callable[[Report], Values]:
    def read(report: Report) -> Values:
        found = value(report)
        return () if found is None else (((), float(found)),)

    return read


def _tally(name: str) -> Callable[[Report], Values]:
    return _one(lambda report: report["tally"][name])


def _each(name: str) -> Callable[[Report], Values]:
    """A peer may say why it leaves in words of its own: what is beyond ``WORDS`` of them counts as ``other``."""

    def read(report: Report) -> Values:
        values = list(report[name].items())
        rest = sum(value for _, value in values[WORDS:])
        kept = values[:WORDS] if not rest else [*values[:WORDS], ("other", rest)]
        return [((word,), float(value)) for word, value in kept]

    return read


def _layer(value: Callable[[Report], float | None]) -> Callable[[Report], Values]:
    """Of the data-availability layer; nothing if none is followed."""
    return _one(lambda report: value(report["truth"]) if report["truth"] is not None else None)


def _poster(value: Callable[[Report], float]) -> Callable[[Report], Values]:
    return _layer(lambda truth: value(truth) if truth["poster"] is not None else None)


def _head(name: str) -> Callable[[Report], Values]:
    return _one(lambda report: report["heads"][name]["height"])


def _words(report: Report) -> Values:
    return [((word.value,), float(report["word"] == word)) for word in Word]


def _modes(report: Report) -> Values:
    found = Counter(peer["blocks_to"] for peer in report["peers"])
    return [((mode.value,), float(found[mode])) for mode in Mode]


def _version(report: Report) -> Values:
    return (((report["version"],), 1.0),)


RECOVERY: Final = Metric(
    "syncfsm_recovery_seconds",
    "histogram",
    "From the first link after having none to being in step. To be no longer than a block time",
)
METRICS: Final = (
    Metric(
        "syncfsm_head_lag_blocks",
        "gauge",
        "By how many blocks the highest head that a peer is known to have is above ours. To be 0 or 1",
        _one(lambda report: report["lag_blocks"]),
    ),
    Metric(
        "syncfsm_head_age_seconds",
        "gauge",
        "Since the head last moved; absent before it has. To be no more than a few block times",
        _one(lambda report: report["head_age_seconds"]),
    ),
    RECOVERY,
    Metric(
        "syncfsm_blocks_total",
        "counter",
        "New blocks by how they came: `live` one at a time, `catch-up` several at once, `da` from the "
        "data-availability layer before any peer had them, `own` made here. A growing share of `catch-up` or `da` "
        "tells early of lines that get worse",
        _each("sources"),
        ("source",),
    ),
    Metric(
        "syncfsm_unconfirmed_blocks",
        "gauge",
        "Soft head minus confirmed head. To be no more than two batches",
        _one(lambda report: report["unconfirmed_blocks"]),
    ),
    Metric(
        "syncfsm_fine",
        "gauge",
        "1 if the node is in step or gets there by itself, 0 if somebody has to do something",
        _one(lambda report: report["fine"]),
    ),
    Metric("syncfsm_state", "gauge", "1 for the word that says how the node is, 0 for the others", _words, ("state",)),
    Metric("syncfsm_soft_height", "gauge", "Height of the head", _head("soft")),
    Metric(
        "syncfsm_confirmed_height", "gauge", "Height up to which the source of truth has the chain", _head("confirmed")
    ),
    Metric("syncfsm_final_height", "gauge", "Height up to which it can not be undone", _head("final")),
    Metric("syncfsm_links", "gauge", "Links to peers", _one(lambda report: len(report["peers"]))),
    Metric("syncfsm_outgoing_links", "gauge", "Those of them over which blocks go in this mode", _modes, ("mode",)),
    Metric(
        "syncfsm_unreachable_addresses",
        "gauge",
        "Addresses that are dialled in vain",
        _one(lambda report: sum(each["reason"] != SHUNNED for each in report["attempts"])),
    ),
    Metric(
        "syncfsm_shunned_peers",
        "gauge",
        "Who is neither dialled nor taken, for a fault or by the operator",
        _one(lambda report: len(report["shunned"])),
    ),
    Metric("syncfsm_received_blocks_total", "counter", "Blocks that peers sent", _tally("received")),
    Metric("syncfsm_repeated_blocks_total", "counter", "Those of them that were held already", _tally("repeated")),
    Metric(
        "syncfsm_sent_blocks_total",
        "counter",
        "Blocks given to the transport, once for each peer",
        _tally("sent_blocks"),
    ),
    Metric("syncfsm_sent_bytes_total", "counter", "Bytes written to peers", _tally("sent_bytes")),
    Metric("syncfsm_sent_messages_total", "counter", "Small messages given to the transport", _tally("sent_messages")),
    Metric("syncfsm_sent_message_bytes_total", "counter", "Their bytes", _tally("sent_message_bytes")),
    Metric(
        "syncfsm_reorganisations_total",
        "counter",
        "How often the head moved to another branch",
        _one(lambda report: report["reorganisations"]),
    ),
    Metric(
        "syncfsm_undone_blocks_total",
        "counter",
        "Blocks that left the best chain by that",
        _one(lambda report: report["undone_blocks"]),
    ),
    Metric("syncfsm_partings_total", "counter", "Links that ended, by why", _each("partings"), ("reason",)),
    Metric(
        "syncfsm_misbehaviours_total",
        "counter",
        "Faults of peers, by the rule that they broke",
        _each("misbehaviours"),
        ("rule",),
    ),
    Metric(
        "syncfsm_da_up",
        "gauge",
        "1 if the data-availability layer answers, 0 if it has not for half a minute, or not what comes next; absent, "
        "as the next four, if none is followed",
        _layer(lambda truth: not truth["cut_off"]),
    ),
    Metric("syncfsm_da_height", "gauge", "The layer's height up to which it is read", _layer(lambda t: t["layer"])),
    Metric(
        "syncfsm_da_unconfirmed_seconds",
        "gauge",
        "For how long nothing was confirmed, though there is something to confirm",
        _layer(lambda truth: truth["waits_seconds"]),
    ),
    Metric(
        "syncfsm_da_contradictions_total",
        "counter",
        "How often the layer had other blocks than peers gave",
        _layer(lambda truth: truth["contradictions"]),
    ),
    Metric(
        "syncfsm_confirmation_delay_seconds",
        "gauge",
        "For how long the oldest block of the newest batch waited for it; absent before there is one",
        _layer(lambda truth: truth["confirmed_lag_seconds"]),
    ),
    Metric(
        "syncfsm_da_held",
        "gauge",
        "1 if a sequencer makes no blocks until more are confirmed; absent, as the next three, if it posts nothing",
        _poster(lambda truth: truth["poster"]["held"]),
    ),
    Metric("syncfsm_da_batches_total", "counter", "Batches posted", _poster(lambda truth: truth["batches"])),
    Metric("syncfsm_da_bytes_total", "counter", "Bytes of batches posted", _poster(lambda truth: truth["bytes"])),
    Metric("syncfsm_da_retries_total", "counter", "Batches posted again", _poster(lambda truth: truth["retries"])),
    Metric("syncfsm_build_info", "gauge", "Always 1", _version, ("version",)),
)


class Metrics(Collector):
    """The metrics of one node, in a registry of their own."""

    def __init__(self, report: Callable[[], Report], record: Record) -> None:
        self._report, self._record = report, record
        self._registry = CollectorRegistry()
        self._recovery = Histogram(RECOVERY.name, RECOVERY.meaning, registry=self._registry, buckets=BUCKETS)
        self._registry.register(self)

    def page(self, accept: str) -> tuple[bytes, str]:
        """All of them as text, and what kind of text; ``accept`` is what the client takes."""
        for seconds in self._record.take_recoveries():
            self._recovery.observe(seconds)
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind

    def describe(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Without a report, which may not be there yet."""
        return map(_family, (metric for metric in METRICS if metric is not RECOVERY))

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """All that have a value, or may have many."""
        report = self._report()
        for metric in METRICS:
            values = list(metric.read(report))
            if values or metric.labels:
                family = _family(metric)
                for labels, value in values:
                    family.add_metric(labels, value)
                yield family


def _family(metric: Metric) -> GaugeMetricFamily | CounterMetricFamily:
    family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return family(metric.name, metric.meaning.replace("`", ""), labels=metric.labels)


def table() -> str:
    """All metrics, as a table for a page."""
    rows = (
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels) or '–'} | {each.meaning} |"
        for each in METRICS
    )
    return "\n".join(("| metric | kind | labels | meaning |", "|---|---|---|---|", *rows))
