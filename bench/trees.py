"""The files of the benchmark, made where the server serves them from."""

from __future__ import annotations

import os
import random
from pathlib import Path

LONG_AGO = 1_000_000_000
"""Seconds since 1970 of every file: no server takes it for fresh, and no client finds it newer than its copy."""


def make_file(path: Path, size: int) -> None:
    """One file of `size` random bytes."""
    left, block = size, random.Random(size).randbytes(1 << 20)  # noqa: S311
    with path.open("wb") as file:
        while left:
            left -= file.write(block[: min(left, len(block))])
    os.utime(path, (LONG_AGO, LONG_AGO))


def make_tree(root: Path, folders: int, files: int, size: int) -> None:
    """`files` files of `size` bytes each, evenly in `folders` folders; many folders lie in folders of forty."""
    block = random.Random(size).randbytes(size + 4096)  # noqa: S311
    for i in range(folders):
        folder = root / f"d{i // 40:03}" / f"d{i:04}" if folders > 100 else root / f"d{i:04}"
        folder.mkdir(parents=True)
        for j in range(files // folders):
            _small(folder / f"file_{j:04}.fits.fz", block[j % 4096 : j % 4096 + size])


def make_crowd(folder: Path, files: int) -> None:
    """One folder with so many empty files."""
    folder.mkdir()
    for i in range(files):
        _small(folder / f"file_{i:07}.fits.fz", b"")


def _small(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, content)
    os.utime(fd, (LONG_AGO, LONG_AGO))
    os.close(fd)


def names(root: Path) -> list[str]:
    """Every file below, relative to `root`."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def census(root: Path) -> tuple[int, int]:
    """How many files lie below `root`, or are it, and their bytes."""
    if root.is_file():
        return 1, root.stat().st_size
    files = size = 0
    for folder, _, found in os.walk(root):
        files += len(found)
        size += sum(Path(folder, name).stat().st_size for name in found)
    return files, size
