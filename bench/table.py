"""The result, as a table for people or as one JSON object a row."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence

from bench.figures import Row

_HEAD = ("work", "peer", "ours", "theirs", "ratio", "target", "met", "spread", "n")


def as_json(row: Row) -> str:
    """One line; None is what was not measured, or has no target."""
    return json.dumps(dataclasses.asdict(row))


def as_table(rows: Sequence[Row], versions: Mapping[str, str]) -> str:
    """Markdown, with the versions below."""
    lines = [_HEAD, *map(_cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEAD))]
    ruled = [lines[0], tuple("-" * width for width in widths), *lines[1:]]
    table = [f"| {' | '.join(map(str.ljust, line, widths))} |" for line in ruled]
    notes = [f"- {note}: {', '.join(where)}" for note, where in _notes(rows).items()]
    return "\n".join([*table, "", *notes, *([""] if notes else []), *(f"{n}: {v}" for n, v in versions.items())])


def _notes(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Each note with the rows it is about."""
    notes: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            notes.setdefault(row.note, []).append(f"{row.work} ({row.peer})")
    return notes


def _cells(row: Row) -> tuple[str, ...]:
    met = {None: "", True: "yes", False: "NO"}[row.met]
    spread = "" if row.spread is None else f"{row.spread:.0%}"
    figures = (_figure(row.ours, row.unit), _figure(row.theirs, row.unit), _figure(row.ratio, ""))
    return (row.work, row.peer, *figures, row.bound or "", met, spread, str(row.rounds or ""))


def _figure(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.{3 if value < 10 else 1 if value < 100 else 0}f} {unit}".strip()
