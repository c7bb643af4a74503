"""``python -m benchmarks.scale.picture FIGURES.json OUT.svg``: how fast blocks spread, and in how many copies.

A bar for each protocol and size of block: its dark part ends at the median, its light part where 99 % of the nodes have
the block, the line where all have it. Equal figures give equal bytes.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from math import ceil
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from benchmarks.scale.settings import SIZES

NAMES: Final = {
    "relay": ("syncfsm", "#1a7f64", "#8fd3be"),
    "idontwant": ("gossipsub with IDONTWANT", "#9a6700", "#e8c468"),
    "gossipsub": ("gossipsub", "#a4483c", "#efb0a8"),
    "bound": ("latency alone", "#57606a", "#c2c8ce"),
}
"""What each is called, and its two colours."""
LEFT, TOP, WIDTH, ROW, BAR, AFTER = 190, 64, 420, 26, 16, 150
STEP: Final = 100
"""Milliseconds from one line of the grid to the next."""


def svg(figures: Mapping[str, Any]) -> str:
    """The picture of ``networks`` in the figures of ``benchmarks.scale``."""
    networks = {size: figures["networks"][size] for size in SIZES}
    longest = max(found["max_ms"] for network in networks.values() for found in network.values())
    most = STEP * ceil(longest / STEP)
    height = TOP + len(SIZES) * (len(NAMES) + 1) * ROW + 30
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + AFTER}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#24292f">',
        '<rect width="100%" height="100%" rx="8" fill="#ffffff"/>',
        _text(16, 26, f"From block made to block held, {figures['scale']['nodes']:,} nodes", size=15),
        _text(16, 45, "median, 99 % of nodes, all nodes; and how many copies each node is sent", fill="#57606a"),
        *_grid(most, height),
        *_bars(networks, most),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _grid(most: int, height: int) -> Iterator[str]:
    for at in range(0, most + 1, STEP):
        x = _x(at, most)
        yield f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{height - 26}" stroke="#d8dee4"/>'
        yield _text(x, height - 12, f"{at} ms", anchor="middle", fill="#57606a")


def _bars(networks: Mapping[str, Any], most: int) -> Iterator[str]:
    y = TOP
    for size, found in networks.items():
        yield _text(16, y + 18, f"blocks of {size.replace('KB', ' KB')}", weight="600")
        y += ROW
        for name, (title, dark, light) in NAMES.items():
            yield from _bar(found[name], y, title, dark, light, most)
            y += ROW


def _bar(found: Mapping[str, float], y: int, title: str, dark: str, light: str, most: int) -> Iterator[str]:
    p50, p99, end = (_x(found[name], most) for name in ("p50_ms", "p99_ms", "max_ms"))
    yield _text(LEFT - 8, y + 13, title, anchor="end")
    middle = y + 1 + BAR / 2
    yield f'<line x1="{p99}" x2="{end}" y1="{middle}" y2="{middle}" stroke="{light}" stroke-width="2"/>'
    yield f'<rect x="{LEFT}" y="{y + 1}" width="{round(p99 - LEFT, 1)}" height="{BAR}" fill="{light}"/>'
    yield f'<rect x="{LEFT}" y="{y + 1}" width="{round(p50 - LEFT, 1)}" height="{BAR}" fill="{dark}"/>'
    said = f"{found['p50_ms']:.0f} / {found['p99_ms']:.0f} ms, {found['copies']:.2f} ×"
    yield _text(LEFT + WIDTH + 10, y + 13, said)


def _x(milliseconds: float, most: int) -> float:
    return round(LEFT + WIDTH * milliseconds / most, 1)


def _text(
    x: float, y: float, text: str, anchor: str = "start", fill: str = "#24292f", size: int = 12, weight: str = "400"
) -> str:
    look = f'text-anchor="{anchor}" fill="{fill}" font-size="{size}" font-weight="{weight}"'
    return f'<text x="{x}" y="{y}" {look}>{escape(text)}</text>'


def main(figures: str, out: str) -> None:
    drawn = svg(json.loads(Path(figures).read_text(encoding="utf-8")))
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
