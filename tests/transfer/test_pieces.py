"""One file, several streams: every byte exactly once, and the adler32 of the whole."""

import random
import threading
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.transfer import pieces as module
from ctadata.transfer.pieces import Lease, Piece, Pieces


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALLEST", 10)
    monkeypatch.setattr(module, "ASKED", 50)


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
    pieces, disk = Pieces(size, here), Disk(content, here)
    at_work: list[Lease] = []
    while not pieces.is_complete:
        if len(at_work) < streams and (lease := pieces.take(alone=streams == 1)):
            at_work.append(lease)
            continue
        lease = rng.choice(at_work)
        block = content[lease.at : min(lease.at + rng.randrange(1, 40), max(lease.asked, lease.stop))]
        more = lease.at < lease.stop and pieces.add(lease, block, disk.write, hashing=True)
        if not more or rng.random() < 0.1 or lease.at >= lease.asked:
            if more and rng.random() < 0.7 and pieces.extend(lease):
                continue
            at_work.remove(lease)
            pieces.give_back(lease)  # done, or broken off
    assert bytes(disk.bytes) == content
    assert pieces.adler32 == zlib.adler32(content)
    assert pieces.received == size


def test_who_is_alone_asks_for_everything_at_once() -> None:
    lease = Pieces(10_000).take(alone=True)
    assert lease
    assert (lease.start, lease.asked, lease.stop) == (0, 10_000, 10_000)


def test_who_goes_on_asks_for_half_of_what_is_left() -> None:
    pieces = Pieces(1000)
    lease = pieces.take(alone=False)
    assert lease
    asked = []
    while pieces.add(lease, bytes(lease.asked - lease.at), lambda block, offset: None, hashing=False):
        assert pieces.extend(lease)
        asked.append(lease.asked)
    assert asked == [525, 762, 881, 940, 990, 1000]


def test_a_second_stream_takes_half_of_what_was_not_asked_for_yet() -> None:
    pieces = Pieces(1000)
    first, second = pieces.take(alone=False), pieces.take(alone=False)
    assert first
    assert second
    assert (first.start, first.asked, first.stop) == (0, 50, 500)
    assert (second.start, second.asked, second.stop) == (500, 550, 1000)


def test_little_is_not_divided() -> None:
    pieces = Pieces(39)
    assert pieces.take(alone=False)
    assert pieces.take(alone=False) is None


def test_of_a_file_that_starts_anew_no_stream_gets_an_old_lease() -> None:
    pieces = Pieces(100)
    lease = pieces.take(alone=True)
    assert lease
    pieces.add(lease, b"x" * 60, lambda block, offset: None, hashing=True)
    pieces.give_back(lease)
    assert pieces.void() == 60
    assert pieces.take(alone=True) is None
    assert pieces.received == 0
    assert not pieces.is_complete


def test_a_file_starts_anew_once_its_streams_have_ended() -> None:
    pieces, lost = Pieces(100), list[int]()
    lease = pieces.take(alone=True)
    assert lease
    starting = threading.Thread(target=lambda: lost.append(pieces.void()))
    starting.start()
    while not pieces.is_void:
        pass
    pieces.add(lease, b"x" * 60, lambda block, offset: None, hashing=True)
    assert lost == []
    assert not pieces.extend(lease)  # else its stream would ask again and again, and the file wait for it
    pieces.give_back(lease)
    starting.join(10)
    assert lost == [60]


def test_an_empty_file_is_complete_once_it_was_asked_for() -> None:
    pieces = Pieces(0)
    assert not pieces.is_complete
    lease = pieces.take(alone=True)
    assert lease
    pieces.give_back(lease)
    assert pieces.is_complete
    assert pieces.adler32 == 1
