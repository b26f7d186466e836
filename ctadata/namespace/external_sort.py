"""Entries in the order of their names, however many they are, in bounded memory."""

from __future__ import annotations

import dataclasses
import errno
import heapq
import itertools
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

from ctadata.entries import Entry
from ctadata.errors import LocalError, Stopped, StorageFull

IN_MEMORY = 100_000
"""Entries that are sorted in memory; of more, each such number waits in a temporary file."""

AT_ONCE = 500
"""Entries that are written and read at a time."""


def name_key(entry: Entry) -> tuple[bytes, ...]:
    """What entries are sorted by: the names along the path, as the bytes of UTF-8; a directory, then what is in it."""
    return tuple(part.encode("utf-8", "surrogatepass") for part in entry.path.parts)


def sort_by_name(entries: Iterable[Entry], in_memory: int = IN_MEMORY) -> Iterator[Entry]:
    """The entries, sorted by name.

    What `entries` raises is raised after those that came before it, unless it is a stop. LocalError or StorageFull
    where the temporary file cannot be written.
    """
    raised: list[Exception] = []
    remaining = _until(entries, raised)
    batch = sorted(itertools.islice(remaining, in_memory), key=name_key)
    if len(batch) < in_memory:
        yield from batch
    else:
        yield from _merged(batch, remaining, in_memory)
    if raised:
        raise raised[0]


def _until(entries: Iterable[Entry], raised: list[Exception]) -> Iterator[Entry]:
    try:
        yield from entries
    except Stopped:
        raise
    except Exception as error:  # noqa: BLE001  (raised by the caller, after what came before)
        raised.append(error)


def _merged(batch: list[Entry], remaining: Iterator[Entry], size: int) -> Iterator[Entry]:
    """Sorted batches of this size, merged out of a file that nobody else sees."""
    try:
        with tempfile.TemporaryFile() as file:
            batches: list[tuple[int, int]] = []
            while batch:
                batches.append(_write(file, batch))
                batch = sorted(itertools.islice(remaining, size), key=name_key)
            yield from heapq.merge(*(_read(file, *place) for place in batches), key=name_key)
    except OSError as error:
        kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else LocalError
        words = f"local: the listing cannot be sorted: {error.strerror}"
        raise kind(words, hint="set TMPDIR to a folder with room") from None


def _write(file: IO[bytes], batch: list[Entry]) -> tuple[int, int]:
    begin = file.tell()
    for first in range(0, len(batch), AT_ONCE):
        plain = [dataclasses.replace(e, checksums=dict(e.checksums)) for e in batch[first : first + AT_ONCE]]
        pickle.dump(plain, file, pickle.HIGHEST_PROTOCOL)
    file.flush()
    return begin, file.tell()


def _read(file: IO[bytes], at: int, end: int) -> Iterator[Entry]:
    while at < end:
        file.seek(at)
        entries = pickle.load(file)  # noqa: S301  (our own, in a file without a name)
        at = file.tell()
        yield from entries
