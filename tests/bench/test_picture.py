"""The picture of the benchmarks shows the rows of the table, no more and no others."""

from __future__ import annotations

import html
import re
from pathlib import Path

from bench.picture import read_rows

DOCS = Path(__file__).parents[2] / "docs"


def test_the_picture_has_every_row_of_the_table() -> None:
    rows = read_rows((DOCS / "benchmarks.md").read_text())
    assert len(rows) > 40
    drawn = html.unescape((DOCS / "benchmarks.svg").read_text())
    labels = re.findall(r"<!-- (.*?) -->|<text[^>]*>(.*?)</text>", drawn)
    shown = {comment or text for comment, text in labels}
    assert [row for row in rows if f"{row.work}: {row.peer}" not in shown] == []
