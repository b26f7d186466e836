"""Draw the table of docs/benchmarks.md: how many times better ours is than each peer, and the targets.

    .venv/bin/python -m bench.picture docs/benchmarks.md docs/benchmarks.svg

It draws what the table says and measures nothing. Each row with a ratio has a bar to the right or to the left of 1. If
the target is an upper bound (`<=`), the ratio is inverted, so that the right is better.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table that has a ratio: how many times better ours is, and how many times it should be."""

    work: str
    peer: str
    better: float
    target: float | None


def read_rows(page: str) -> list[Row]:
    """Return the rows of the table with a ratio, in their order."""
    rows = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != 9 or not re.fullmatch(r"[0-9.]+", cells[4]):
            continue
        ratio, sign, number = float(cells[4]), cells[5][:2], cells[5][2:].strip()
        target = float(number) if number else None
        if sign == "<=":
            ratio, target = 1 / ratio, 1 / target if target else None
        rows.append(Row(cells[0], cells[1], ratio, target))
    return rows


def draw(rows: list[Row], path: Path) -> None:
    """Write the picture; its text stays text."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "ctadata", "font.size": 8}):
        figure = Figure(figsize=(10, 0.17 * len(rows) + 1), layout="constrained")
        axes = figure.subplots()
        places = range(len(rows), 0, -1)
        colours = ["#2a6f97" if row.better >= 1 else "#c1121f" for row in rows]
        axes.barh(places, [row.better - 1 for row in rows], left=1, color=colours, height=0.7)
        aims = [(row.target, place) for row, place in zip(rows, places, strict=True) if row.target]
        axes.plot([aim for aim, _ in aims], [place for _, place in aims], "k|", markersize=6, label="target")
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set(xscale="log", ylim=(0.3, len(rows) + 0.7), xlabel="times better than the peer")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_yticks(places, [f"{row.work}: {row.peer}" for row in rows])
        axes.legend(loc="lower right")
        figure.savefig(path, format="svg", metadata={"Date": None})
    text = path.read_text()
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n")


if __name__ == "__main__":
    draw(read_rows(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
