"""One file, several streams: every byte exactly once, and the adler32 of the whole."""

import random
import threading
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.transfer import segments as module
from ctadata.transfer.segments import Piece, Segment, Segments


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALLEST", 10)
    monkeypatch.setattr(module, "LARGEST", 100)
    monkeypatch.setattr(module, "GRID", 5)


class Disk:
    """What is written, and that no byte is written twice."""

    def __init__(self, content: bytes, here: list[Piece]) -> None:
        self.content, self.bytes, self.seen = content, bytearray(len(content)), set()
        for piece in here:
            self.write(content[piece.start : piece.stop], piece.start)

    def write(self, block: bytes, offset: int) -> None:
        span = range(offset, offset + len(block))
        assert not self.seen & set(span)
        self.seen |= set(span)
        self.bytes[offset : offset + len(block)] = block


def piece_of(content: bytes, start: int, stop: int) -> Piece:
    return Piece(start, stop, zlib.adler32(content[start:stop]))


@given(st.integers(0, 2000), st.integers(1, 6), st.randoms(use_true_random=False), st.lists(st.integers(0, 2000)))
def test_whatever_the_streams_do_every_byte_comes_once(
    size: int, streams: int, rng: random.Random, marks: list[int]
) -> None:
    content = rng.randbytes(size)
    cuts = sorted({mark for mark in marks if mark < size})
    here = [piece_of(content, a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    pieces, disk = Segments(size, here, streams=streams), Disk(content, here)
    at_work: list[Segment] = []
    while not pieces.is_complete:
        if len(at_work) < streams and (lease := pieces.take(alone=streams == 1)):
            assert lease.stop is not None and lease.stop - lease.start <= (size if streams == 1 else 100)
            at_work.append(lease)
            continue
        lease = rng.choice(at_work)
        block = content[lease.at : min(lease.at + rng.randrange(1, 40), lease.stop)]
        pieces.add(lease, block, disk.write, hashing=True)
        if lease.is_done or rng.random() < 0.1:
            at_work.remove(lease)
            pieces.give_back(lease, ended=lease.is_done)  # done, or broken off
    assert bytes(disk.bytes) == content
    assert pieces.adler32 == zlib.adler32(content)
    assert pieces.received == size


def test_who_is_alone_asks_for_everything_at_once() -> None:
    lease = Segments(10_000).take(alone=True)
    assert lease
    assert (lease.start, lease.stop) == (0, 10_000)


def ranges(pieces: Segments) -> list[tuple[int, int | None]]:
    return [(lease.start, lease.stop) for lease in iter(lambda: pieces.take(alone=False), None)]


def test_ranges_are_large_while_there_is_much_to_do_and_small_at_the_end() -> None:
    taken = ranges(Segments(1003, streams=2))
    sizes = [stop - start for start, stop in taken]
    assert taken[0] == (0, 100)
    assert [start for start, _ in taken] == [0, *(stop for _, stop in taken[:-1])]
    assert sizes[:-1] == sorted(sizes[:-1], reverse=True)
    assert sizes[-3:] == [10, 10, 8]


def test_ranges_end_where_blocks_do_whatever_was_here_already() -> None:
    taken = ranges(Segments(200, [Piece(0, 13, 1), Piece(100, 121, 1)], streams=4))
    assert all(stop % 5 == 0 for _, stop in taken)
    assert (taken[0][0], next(start for start, _ in taken if start > 100)) == (13, 121)


def test_a_file_of_unknown_size_is_one_range_without_an_end() -> None:
    pieces = Segments(None)
    lease = pieces.take(alone=True)
    assert lease
    assert (lease.stop, lease.is_done, pieces.is_complete) == (None, False, False)
    pieces.add(lease, b"x" * 60, lambda block, offset: None, hashing=True)
    pieces.end_at(lease)
    pieces.give_back(lease, ended=True)
    assert (pieces.size, pieces.is_complete) == (60, True)


def test_of_a_file_that_starts_anew_no_stream_gets_an_old_lease() -> None:
    pieces = Segments(100)
    lease = pieces.take(alone=True)
    assert lease
    pieces.add(lease, b"x" * 60, lambda block, offset: None, hashing=True)
    pieces.give_back(lease, ended=False)
    assert pieces.void() == 60
    assert pieces.take(alone=True) is None
    assert pieces.received == 0
    assert not pieces.is_complete


def test_a_file_starts_anew_once_its_streams_have_ended() -> None:
    pieces, lost = Segments(100), list[int]()
    lease = pieces.take(alone=True)
    assert lease
    starting = threading.Thread(daemon=True, target=lambda: lost.append(pieces.void()))
    starting.start()
    while not pieces.is_void:
        pass
    pieces.add(lease, b"x" * 60, lambda block, offset: None, hashing=True)
    assert lost == []
    pieces.give_back(lease, ended=False)
    starting.join(60)
    assert lost == [60]


def test_an_empty_file_is_complete_once_it_was_asked_for() -> None:
    pieces = Segments(0)
    assert not pieces.is_complete
    lease = pieces.take(alone=True)
    assert lease
    pieces.give_back(lease, ended=False)
    assert not pieces.is_complete
    lease = pieces.take(alone=True)
    assert lease
    pieces.give_back(lease, ended=True)
    assert pieces.is_complete
    assert pieces.adler32 == 1
