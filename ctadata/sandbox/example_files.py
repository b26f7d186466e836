"""The files that README and guides speak of: on the storage, and beside the person who tries them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctadata.sandbox.sandbox import Sandbox

ON_STORAGE = {"/lst/run1/events.h5": b"events", "/lst/run1/log/a.txt": b"log"}
"""The content of each file on the storage."""

HERE = {"analysis/a.py": "pass\n", "results.txt": "results\n"}
"""The content of each local file."""


def add_example_files(box: Sandbox) -> None:
    """Put the examples on the storage."""
    for path, content in ON_STORAGE.items():
        box.files.put(path, content)


def write_local_examples(folder: Path) -> None:
    """Write the local examples into a directory."""
    for name, text in HERE.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
