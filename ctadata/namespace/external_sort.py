"""Sort any number of entries, in bounded memory."""

from __future__ import annotations

import errno
import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

from ctadata.entries import Entry
from ctadata.errors import LocalError, Stopped, StorageFull

IN_MEMORY = 100_000
"""The number of entries that are sorted in memory. More entries wait in a temporary file, in batches of this size."""

CHUNK = 500
"""The number of entries that are written and read at a time."""


def name_key(entry: Entry) -> bytes:
    """Return the sort key of an entry: the names along its path, as UTF-8. A directory comes before its members.

    No name holds a NUL, so the bytes between two of them are compared name by name.
    """
    return "\0".join(entry.path.parts).encode("utf-8", "surrogatepass")


def size_key(entry: Entry) -> tuple[object, ...]:
    """Return the sort key by size: the largest entry first, those of unknown size last, equal ones by name."""
    return entry.size is None, -(entry.size or 0), name_key(entry)


def time_key(entry: Entry) -> tuple[object, ...]:
    """Return the sort key by time: the newest entry first, those of unknown time last, equal ones by name."""
    return entry.mtime is None, -(entry.mtime or 0), name_key(entry)


SortKey = Callable[[Entry], Any]
SORT_KEYS: dict[str, SortKey] = {"name": name_key, "size": size_key, "time": time_key}
"""The sort keys by the words of `--sort-by`."""


def sort_entries(entries: Iterable[Entry], in_memory: int = IN_MEMORY, key: SortKey = name_key) -> Iterator[Entry]:
    """Yield the entries, sorted.

    Args:
        entries: The entries. An exception that this raises, except Stopped, is raised after the sorted entries.
        key: Returns the sort key of an entry.
        in_memory: The number of entries that are sorted in memory. If there are more, sorted batches go to a temporary
            file.

    Raises:
        LocalError: The temporary file cannot be written.
        StorageFull: There is no room for it.
    """
    raised: list[Exception] = []
    remaining = _yield_until_error(entries, raised)
    batch = sorted(itertools.islice(remaining, in_memory), key=key)
    if len(batch) < in_memory:
        yield from batch
    else:
        yield from _merge_batches(batch, remaining, in_memory, key)
    if raised:
        raise raised[0]


def _yield_until_error(entries: Iterable[Entry], raised: list[Exception]) -> Iterator[Entry]:
    """Yield the entries up to an exception, and append that exception to `raised`."""
    try:
        yield from entries
    except Stopped:
        raise
    except Exception as error:  # noqa: BLE001  (raised by the caller, after what came before)
        raised.append(error)


def _merge_batches(batch: list[Entry], remaining: Iterator[Entry], size: int, key: SortKey) -> Iterator[Entry]:
    """Yield the merged batches of this size; they wait in a temporary file without a name."""
    import tempfile  # few listings are so long

    try:
        with tempfile.TemporaryFile() as file:
            batches: list[tuple[int, int]] = []
            while len(batch) == size:
                batches.append(_write(file, batch))
                batch.clear()  # before the next batch comes
                batch += itertools.islice(remaining, size)
                batch.sort(key=key)
            yield from heapq.merge(*(_read(file, *place) for place in batches), batch, key=key)
    except OSError as error:
        kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else LocalError
        words = f"local: the listing cannot be sorted: {error.strerror}"
        raise kind(words, hint="set TMPDIR to a folder with room") from None


def _write(file: IO[bytes], batch: list[Entry]) -> tuple[int, int]:
    import pickle

    begin = file.tell()
    for first in range(0, len(batch), CHUNK):
        pickle.dump(batch[first : first + CHUNK], file, pickle.HIGHEST_PROTOCOL)
    file.flush()
    return begin, file.tell()


def _read(file: IO[bytes], start: int, end: int) -> Iterator[Entry]:
    import pickle

    while start < end:
        file.seek(start)
        entries = pickle.load(file)  # noqa: S301  (our own data, in a file without a name)
        start = file.tell()
        yield from entries
