"""A table of measured requests in a page: tests compare its cells with what they see, or write them there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

START, END = "<!-- measured -->\n", "<!-- end -->\n"


@dataclass(frozen=True)
class PageTable:
    """The table between two marks of a page.

    Attributes:
        page: The file.
        head: The cells of its first line.
        names: The first cells of the other lines, in their order.
    """

    page: Path
    head: tuple[str, ...]
    names: tuple[str, ...]

    def rows(self) -> dict[str, list[str]]:
        """The cells of each line, by its first cell."""
        table = self.page.read_text().partition(START)[2].partition(END)[0]
        found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[3:] if line]
        return {row[0]: row for row in found}

    def write(self, *row: str) -> None:
        """Put a line into the table."""
        rows = self.rows() | {row[0]: row}
        cells = [self.head, ["--"] * len(self.head), *(rows[name] for name in self.names if name in rows)]
        lines = ["", *("| " + " | ".join(line) + " |" for line in cells), ""]
        before, _, after = self.page.read_text().partition(START)
        self.page.write_text(before + START + "\n".join(lines) + "\n" + END + after.partition(END)[2])
