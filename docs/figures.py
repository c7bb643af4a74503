"""The figures of docs/report.md, from what was measured.

    python -m docs.figures out/bench.json out/scale.json out/outage.json

writes docs/figures.json, which is committed; ``make docs`` puts them into the report. Measure first: ``make bench``,
``make scale`` and ``make demo``.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).parent / "figures.json"


def chosen(bench: Any, scale: Any, outage: Any) -> dict[str, str]:
    """What the report shows, as it shows it, by name."""
    recovery, act, stolen, sequencer = outage["recovery"], outage["act2"], outage["equivocation"], outage["sequencer"]
    networks, heal, catch_up = scale["networks"], scale["heal"], bench["catch_up"]
    found: dict[str, str] = {
        "recovery": f"{1000 * recovery['seconds']:.0f} ms",
        "recovery_of_block": f"{recovery['seconds'] / outage['interval']:.2f}",
        "missed": str(recovery["blocks"]),
        "gaps": str(recovery["gaps"]),
        "duplicates": str(recovery["duplicate_blocks"]),
        "propagation": f"{outage['latency_ms']['p50']:.1f} / {outage['latency_ms']['p99']:.1f} ms",
        "bodies": f"{sequencer['bodies_per_block']:.2f}",
        "layer_alone": f"{act['blocks']} blocks",
        "layer_back": f"{1000 * act['seconds_back']:.0f} ms",
        "undone": str(stolen["undone"]),
        "evidence": str(stolen["evidence"]),
        "waited": f"{outage['confirmed_lag_seconds']:.1f} s",
        "died_p999": f"{heal['kill20']['p999_block_times']:.2f}",
        "died_worst": f"{heal['kill20']['worst_block_times']:.2f}",
        "died_gaps": str(heal["kill20"]["gaps"]),
        "catch_up_small": f"{catch_up['1KiB']['blocks_per_second']:,} blocks/s",
        "catch_up_large": f"{catch_up['64KiB']['megabytes_per_second']:.0f} MB/s",
        "tls": f"{bench['secure']['64KiB']['ratio_to_plain']:.2f}",
        "written": f"{bench['store']['live_bytes_written_per_block']:,} bytes",
        "explored": f"{bench['exploration']['explorer_states_per_second']:,.0f} states/s",
    }
    for size in ("1KB", "10KB", "100KB"):
        for kind in ("relay", "gossipsub", "idontwant", "bound"):
            one = networks[size][kind]
            found[f"{kind}_{size}"] = f"{one['p50_ms']:.0f} / {one['p99_ms']:.0f} ms, {one['copies']:.2f}"
    return found


def main() -> int:
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    given = (json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:])
    FILE.write_text(json.dumps(chosen(*given), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"wrote {FILE}; run make docs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
