"""The figures as a table, each beside what it must reach and what it should."""

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from benchmarks.measure import Figures


@attrs.frozen
class Budget:
    """What one figure must reach (``floor``) and should (``aim``); ``least`` if less is better."""

    figure: tuple[str, ...]
    text: str
    floor: float | None = None
    aim: float | None = None
    least: bool = False

    def verdict(self, value: float) -> str:
        """Empty if nothing is demanded."""
        if self.floor is None:
            return ""
        if not self._reaches(value, self.floor):
            return "NOT MET"
        return "met, aim too" if self.aim is not None and self._reaches(value, self.aim) else "met"

    def _reaches(self, value: float, bound: float) -> bool:
        return value <= bound if self.least else value >= bound


MILLION: Final = ("discovery", "locator", "1000000")
BUDGETS: Final = (
    Budget(("link", "microseconds_per_step", "dispatch"), "link: µs a step, dispatch", 5, least=True),
    Budget(("link", "microseconds_per_step", "transitions"), "link: µs a step, transitions"),
    Budget(("link", "bytes_idle"), "link: bytes of an idle link", 1024, 512, least=True),
    Budget(("link", "bytes_transitions_machine_per_peer"), "   as a model of transitions"),
    Budget(("node", "live_block_microseconds", "1"), "node: µs for a live block, 1 link"),
    Budget(("node", "live_block_microseconds", "8"), "node: µs for a live block, 8 links", 100, least=True),
    Budget(("node", "live_block_microseconds", "64"), "node: µs for a live block, 64 links"),
    Budget(("chain", "extend_run_of_512_microseconds"), "chain: µs a block, in runs of 512"),
    Budget(("chain", "extend_single_microseconds"), "chain: µs a block, alone"),
    Budget(("chain", "common_microseconds"), "chain: µs for a common ancestor"),
    Budget(
        ("store", "live_bytes_written_per_block"),
        "store: bytes written, live block of 1 KiB",
        8192,
        4096,
        least=True,
    ),
    Budget(("store", "live", "ours", "microseconds"), "   µs a block"),
    Budget(("store", "live", "sqlite", "bytes_written"), "   SQLite: bytes"),
    Budget(("store", "live", "lmdb", "bytes_written"), "   LMDB: bytes"),
    Budget(("store", "live", "ours_kill", "syncs_per_block"), "   syncs a block, kept over a kill"),
    Budget(("store", "live", "ours_power", "syncs_per_block"), "   syncs a block, over a power failure"),
    Budget(("store", "1KiB", "write_ratio_to_sqlite"), "store: 1 KiB, written, times SQLite"),
    Budget(("store", "1KiB", "write_ratio_to_lmdb"), "   times LMDB"),
    Budget(("store", "64KiB", "write_ratio_to_sqlite"), "store: 64 KiB, written, times SQLite"),
    Budget(("store", "64KiB", "write_ratio_to_lmdb"), "   times LMDB"),
    Budget(("store", "open_seconds_1e6"), "store: s to start with 1,000,000 headers", 3, least=True),
    Budget(("store", "rss_per_header"), "store: bytes of memory a header, 1,000,000", 295, least=True),
    Budget(("store", "peak_rss_per_header"), "   the most while they are loaded"),
    Budget(("store", "rss_per_header_1e5"), "   100,000"),
    Budget((*MILLION, "round_trips"), "fork of 1,000,000: round trips", 6, 3, least=True),
    Budget((*MILLION, "bytes"), "fork of 1,000,000: bytes of hellos", 8192, least=True),
    Budget(("discovery", "streaming", "1000000", "messages"), "   streaming: hellos"),
    Budget(("catch_up", "1KiB", "blocks_per_second"), "catch-up, 1 KiB: blocks/s", 50_000, 75_000),
    Budget(("catch_up", "1KiB", "bare_loop_blocks_per_second"), "   bare loop: blocks/s"),
    Budget(("catch_up", "1KiB", "ratio_to_bare_loop"), "   ratio", 0.18, 0.25),
    Budget(("catch_up", "1KiB", "libp2p_stream_blocks_per_second"), "   a stream of py-libp2p: blocks/s"),
    Budget(("catch_up", "64KiB", "megabytes_per_second"), "catch-up, 64 KiB: MB/s", 200, 400),
    Budget(("catch_up", "64KiB", "bare_loop_megabytes_per_second"), "   bare loop: MB/s"),
    Budget(("catch_up", "64KiB", "ratio_to_bare_loop"), "   ratio", 0.35, 0.6),
    Budget(("catch_up", "64KiB", "libp2p_stream_megabytes_per_second"), "   a stream of py-libp2p: MB/s"),
    Budget(("secure", "1KiB", "ratio_to_plain"), "catch-up over TLS, 1 KiB: ratio to plain", 0.6, 0.9),
    Budget(("secure", "64KiB", "ratio_to_plain"), "catch-up over TLS, 64 KiB: ratio to plain", 0.6, 0.9),
    Budget(("secure", "64KiB", "client_processor_ratio_to_plain"), "   by the client's processor time"),
    Budget(("secure", "64KiB", "tls_connecting_milliseconds"), "   ms to the first link"),
    Budget(("secure", "64KiB", "plain_connecting_milliseconds"), "   without TLS"),
    Budget(("secure", "handshake_processor_milliseconds"), "   handshake, both ends: ms", 10, 2, least=True),
    Budget(("secure", "tls_processor_milliseconds_per_megabyte", "64KiB"), "   both ends, 64 KiB writes: ms a MB"),
    Budget(("secure", "tls_processor_milliseconds_per_megabyte", "4KiB"), "   both ends, 4 KiB writes: ms a MB"),
    Budget(("guard", "microseconds_per_block"), "guard: µs a block of 1 KiB, synced"),
    Budget(("guard", "ratio_to_bare_write"), "   against a bare write and sync", 2, least=True),
    Budget(("guard", "bytes_written_per_block"), "   bytes written", 2048, 1536, least=True),
    Budget(("recovery", "seconds"), "recovery after an outage: s", 0.2, 0.02, least=True),
    Budget(("recovery", "latency_ms", "p50"), "   block to follower: ms, p50"),
    Budget(("recovery", "latency_ms", "p99"), "   block to follower: ms, p99"),
    Budget(("exploration", "ratio"), "exploration: states/s against TLC", 5, 20),
    Budget(("exploration", "explorer_states_per_second"), "   explorer: states/s"),
    Budget(("exploration", "tlc_states_per_second"), "   TLC: states/s"),
    Budget(("exploration", "states"), "   distinct states, equal for both"),
)


def table(figures: Figures, budgets: Sequence[Budget] = BUDGETS) -> str:
    """One line for each figure that was measured."""
    rows = [("", "", "floor", "aim", ""), *_rows(figures, budgets)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"{text:<{widths[0]}}  {value:>{widths[1]}}  {floor:>{widths[2]}}  {aim:>{widths[3]}}  {verdict}".rstrip()
        for text, value, floor, aim, verdict in rows
    )


def _rows(figures: Figures, budgets: Sequence[Budget]) -> Iterator[tuple[str, str, str, str, str]]:
    for budget in budgets:
        value = at(figures, budget.figure)
        if value is not None:
            yield budget.text, _shown(value), _shown(budget.floor), _shown(budget.aim), budget.verdict(value)


def at(figures: Figures, path: Sequence[str]) -> float | None:
    """The figure that is there, if it was measured."""
    found: object = figures
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, int | float) else None


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:,g}" if value < 1000 else f"{value:,.0f}"
