"""Sort any number of entries or texts, in bounded memory."""

from __future__ import annotations

import errno
import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, TypeVar

from ctadata.entries import Entry
from ctadata.errors import LocalError, Stopped, StorageFull

T = TypeVar("T")

IN_MEMORY = 100_000
"""The number of entries that are sorted in memory. If there are more, sorted batches go to a temporary file."""

NAMES_IN_MEMORY = 300_000
"""The number of texts of one path each that are sorted in memory. A text takes a fifth of the memory of an entry."""

CHUNK = 500
"""The number of items that are written and read at a time."""


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


def sort_items(items: Iterable[T], in_memory: int, key: Callable[[T], Any] | None = None) -> Iterator[T]:
    """Yield the items, sorted.

    Args:
        items: The items, which can be pickled. An exception that this raises, except Stopped, is raised after the
            sorted items.
        in_memory: The number of items that are sorted in memory. If there are more, sorted batches of so many items
            wait in a temporary file.
        key: Returns the sort key of an item; None: the items themselves are compared.

    Raises:
        LocalError: The temporary file cannot be written.
        StorageFull: There is no room for it.
    """
    raised: list[Exception] = []
    remaining: Iterator[Any] = _yield_until_error(items, raised)
    batch = sorted(itertools.islice(remaining, in_memory), key=key)
    if len(batch) < in_memory:
        yield from batch
    else:
        yield from _merge_batches(batch, remaining, in_memory, key)
    if raised:
        raise raised[0]


def _yield_until_error(items: Iterable[T], raised: list[Exception]) -> Iterator[T]:
    """Yield the items up to an exception, and append that exception to `raised`."""
    try:
        yield from items
    except Stopped:
        raise
    except Exception as error:  # noqa: BLE001  (raised by the caller, after what came before)
        raised.append(error)


def _merge_batches(batch: list[T], remaining: Iterator[T], size: int, key: Callable[[T], Any] | None) -> Iterator[T]:
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


def _write(file: IO[bytes], batch: list[Any]) -> tuple[int, int]:
    import pickle

    begin = file.tell()
    for first in range(0, len(batch), CHUNK):
        pickle.dump(batch[first : first + CHUNK], file, pickle.HIGHEST_PROTOCOL)
    file.flush()
    return begin, file.tell()


def _read(file: IO[bytes], start: int, end: int) -> Iterator[Any]:
    import pickle

    while start < end:
        file.seek(start)
        items = pickle.load(file)  # noqa: S301  (our own data, in a file without a name)
        start = file.tell()
        yield from items
