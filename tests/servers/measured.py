"""A table of docs/reference/servers.md: tests measure its cells, and the page says what was measured.

`CTADATA_WRITE_MATRIX=1` writes the measured column into the page; without it, a page that says something else is a
failure of the test.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "servers.md"
WRITE = bool(os.environ.pop("CTADATA_WRITE_MATRIX", ""))


@dataclass(frozen=True)
class MeasuredTable:
    """The table after the line `mark`, with its notes; it ends with the page, or at the next heading.

    A cell says `ok`, or its first word and the number of a note: `cannot: a reason` becomes `cannot [1]`.
    """

    mark: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]

    def told(self) -> dict[str, dict[str, str]]:
        """What the page says: row -> column -> cell, with the text of the note."""
        _, text, _ = self._parts()
        notes = dict(re.findall(r"^\[(\d+)\] (.*)$", text, re.MULTILINE))
        lines = [[cell.strip() for cell in line[1:-1].split(" | ")] for line in text.splitlines() if line[:2] == "| "]
        found = {name: dict(zip(lines[0][1:], cells, strict=True)) for name, *cells in lines[2:]}
        return {
            name: {
                column: re.sub(r"^.* \[(\d+)\]$", lambda match: notes[match[1]], cell) for column, cell in cells.items()
            }
            for name, cells in found.items()
        }

    def check(self, column: str, cells: dict[str, str]) -> None:
        """Compare these measured cells of a column with the page, or write them there."""
        if WRITE:
            self._write(column, cells)
        told = self.told()
        assert cells == {name: told.get(name, {}).get(column) for name in cells}

    def _write(self, column: str, cells: dict[str, str]) -> None:
        """Run this without workers: the page is read and written anew for each column."""
        told = self.told()
        table = {name: {other: told.get(name, {}).get(other, "") for other in self.columns} for name in self.rows}
        for name, cell in cells.items():
            table[name][column] = cell
        notes: list[str] = []

        def short(cell: str) -> str:
            if ": " not in cell:
                return cell
            if cell not in notes:
                notes.append(cell)
            return f"{cell.partition(':')[0]} [{notes.index(cell) + 1}]"

        lines = ["| | " + " | ".join(self.columns) + " |", "| -- |" + " -- |" * len(self.columns)]
        lines += [f"| {name} | " + " | ".join(short(table[name][c]) for c in self.columns) + " |" for name in self.rows]
        below = [f"[{number}] {text}\n" for number, text in enumerate(notes, 1)]
        head, _, tail = self._parts()
        PAGE.write_text(head + self.mark + "\n\n" + "\n".join(lines) + "\n\n" + "\n".join(below) + tail)

    def _parts(self) -> tuple[str, str, str]:
        """The page before the mark, the table with its notes, and the page from the next heading on."""
        head, _, rest = PAGE.read_text().partition(self.mark + "\n")
        text, heading, tail = rest.partition("\n## ")
        return head, text, heading + tail
