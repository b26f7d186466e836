"""A part of a file, given on: whatever the store begins with, and whatever breaks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from stores.memory import MemoryReading, MemoryStore

from ctadata.errors import CtadataError, IntegrityError, Interrupted, TimedOut, UsageError
from ctadata.paths import RemotePath
from ctadata.stores.base import Delivery, Sink
from ctadata.transfer.streams import ATTEMPTS, stream_range_to

A = RemotePath(("a",))
CONTENT = bytes(range(256)) * 10


class Content:
    """The bytes to upload."""

    size = len(CONTENT)
    mtime = None

    def __init__(self) -> None:
        self.left = CONTENT

    def read(self, limit: int) -> bytes:
        block, self.left = self.left[:limit], self.left[limit:]
        return block

    def rewind(self) -> None:
        raise AssertionError("nothing is sent twice here")


class Odd(MemoryReading):
    """A reading that begins elsewhere than asked by `shift` bytes, and breaks off `times` times."""

    shift: Callable[[int], int] = staticmethod(lambda start: 0)
    times = 0
    error: type[CtadataError] = Interrupted

    def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> Delivery:
        begin = start + self.shift(start)
        if self.times:
            self.times -= 1
            sink.begin(Delivery(begin, len(CONTENT)))
            sink.write(CONTENT[begin : begin + 7])
            raise self.error("gone")
        return super().send(sink, begin, None if begin != start else stop)


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.write(A, Content())
    return store


@pytest.fixture
def odd(store, monkeypatch) -> Odd:
    reading = Odd(store, A)
    monkeypatch.setattr(store, "open", lambda path: reading)
    return reading


def poured(store: MemoryStore, start: int, stop: int | None) -> bytes:
    blocks: list[bytes] = []
    stream_range_to(store, store.info(A), start, stop, blocks.append)
    return b"".join(blocks)


@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 1), (100, 200), (2559, None), (2000, 9999), (5, 5)])
def test_any_range_is_streamed(store, start, stop):
    assert poured(store, start, stop) == CONTENT[start:stop]


@pytest.mark.parametrize(("start", "stop"), [(100, 200), (300, None)])
def test_a_store_that_begins_at_the_first_byte(store, odd, start, stop):
    odd.shift = lambda start: -start
    assert poured(store, start, stop) == CONTENT[start:stop]


def test_a_store_that_begins_too_late(store, odd):
    odd.shift = lambda start: 1
    with pytest.raises(IntegrityError, match="offered"):
        poured(store, 100, 200)


@pytest.mark.parametrize("error", [Interrupted, TimedOut])
def test_a_read_that_breaks_off_continues(store, odd, error):
    odd.times, odd.error = ATTEMPTS - 1, error
    assert poured(store, 10, 500) == CONTENT[10:500]
    odd.times = ATTEMPTS
    with pytest.raises(error):
        poured(store, 10, 500)


def test_errors_that_are_not_of_the_network_are_not_retried(store, odd):
    odd.times, odd.error = 1, UsageError
    with pytest.raises(UsageError):
        poured(store, 10, 500)


def test_the_error_of_the_writer_is_raised(store):
    def write(block: bytes) -> None:
        raise BrokenPipeError("nobody there")

    with pytest.raises(BrokenPipeError):
        stream_range_to(store, store.info(A), 0, 10, write)


def test_a_directory(store):
    with pytest.raises(UsageError, match="directory"):
        stream_range_to(store, store.info(RemotePath()), 0, 1, lambda block: None)
