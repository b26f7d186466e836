"""One file, several streams: every byte exactly once, and the adler32 of the whole."""

import random
import threading
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.transfer import segments as module
from ctadata.transfer.segments import ReceivedRange, Segment, Segments


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALLEST", 10)
    monkeypatch.setattr(module, "LARGEST", 100)
    monkeypatch.setattr(module, "GRID", 5)


class Disk:
    """What is written, and that no byte is written twice."""

    def __init__(self, content: bytes, here: list[ReceivedRange]) -> None:
        self.content, self.bytes, self.seen = content, bytearray(len(content)), set()
        for each in here:
            self.write(content[each.start : each.stop], each.start)

    def write(self, block: bytes, offset: int) -> None:
        span = range(offset, offset + len(block))
        assert not self.seen & set(span)
        self.seen |= set(span)
        self.bytes[offset : offset + len(block)] = block


def range_of(content: bytes, start: int, stop: int) -> ReceivedRange:
    return ReceivedRange(start, stop, zlib.adler32(content[start:stop]))


@given(st.integers(0, 2000), st.integers(1, 6), st.randoms(use_true_random=False), st.lists(st.integers(0, 2000)))
def test_every_byte_is_fetched_once_whatever_the_streams_do(
    size: int, streams: int, rng: random.Random, marks: list[int]
) -> None:
    content = rng.randbytes(size)
    cuts = sorted({mark for mark in marks if mark < size})
    here = [range_of(content, a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    segments, disk = Segments(size, here), Disk(content, here)
    at_work: list[Segment] = []
    while not segments.is_complete:
        if len(at_work) < streams and (segment := segments.take(streams)):
            assert segment.stop is not None and segment.stop - segment.start <= (size if streams == 1 else 100)
            at_work.append(segment)
            continue
        segment = rng.choice(at_work)
        block = content[segment.at : min(segment.at + rng.randrange(1, 40), segment.stop)]
        segments.add(segment, block, disk.write, hashing=True)
        if segment.is_done or rng.random() < 0.1:
            at_work.remove(segment)
            segments.give_back(segment, ended=segment.is_done)  # done, or broken off
    assert bytes(disk.bytes) == content
    assert segments.adler32 == zlib.adler32(content)
    assert segments.received == size


def test_a_single_stream_asks_for_everything_at_once() -> None:
    segment = Segments(10_000).take(1)
    assert segment
    assert (segment.start, segment.stop) == (0, 10_000)


def ranges(segments: Segments, streams: int) -> list[tuple[int, int | None]]:
    return [(segment.start, segment.stop) for segment in iter(lambda: segments.take(streams), None)]


def test_ranges_are_large_at_first_and_small_at_the_end() -> None:
    taken = ranges(Segments(1003), 2)
    sizes = [stop - start for start, stop in taken]
    assert taken[0] == (0, 100)
    assert [start for start, _ in taken] == [0, *(stop for _, stop in taken[:-1])]
    assert sizes[:-1] == sorted(sizes[:-1], reverse=True)
    assert sizes[-3:] == [10, 10, 8]


def test_who_helps_takes_no_range_beyond_the_number_of_streams() -> None:
    segments = Segments(1000)
    first, second = segments.take(2), segments.take(2, helps=True)
    assert first is not None
    assert second is not None
    assert segments.take(2, helps=True) is None
    assert segments.take(3, helps=True) is not None
    assert segments.take(2) is not None  # the stream that owns the file


def test_ranges_end_on_the_grid_of_blocks() -> None:
    taken = ranges(Segments(200, [ReceivedRange(0, 13, 1), ReceivedRange(100, 121, 1)]), 4)
    assert all(stop % 5 == 0 for _, stop in taken)
    assert (taken[0][0], next(start for start, _ in taken if start > 100)) == (13, 121)


def test_a_file_of_unknown_size_is_one_range_without_an_end() -> None:
    segments = Segments(None)
    segment = segments.take(1)
    assert segment
    assert (segment.stop, segment.is_done, segments.is_complete) == (None, False, False)
    segments.add(segment, b"x" * 60, lambda block, offset: None, hashing=True)
    segments.end_at(segment)
    segments.give_back(segment, ended=True)
    assert (segments.size, segments.is_complete) == (60, True)


def test_a_file_that_starts_again_gives_no_old_range() -> None:
    segments = Segments(100)
    segment = segments.take(1)
    assert segment
    segments.add(segment, b"x" * 60, lambda block, offset: None, hashing=True)
    segments.give_back(segment, ended=False)
    assert segments.invalidate() == 60
    assert segments.take(1) is None
    assert segments.received == 0
    assert not segments.is_complete


def test_a_file_starts_again_after_its_streams_have_ended() -> None:
    segments, lost = Segments(100), list[int]()
    segment = segments.take(1)
    assert segment
    starting = threading.Thread(daemon=True, target=lambda: lost.append(segments.invalidate()))
    starting.start()
    while not segments.is_invalid:
        pass
    segments.add(segment, b"x" * 60, lambda block, offset: None, hashing=True)
    assert lost == []
    segments.give_back(segment, ended=False)
    starting.join(60)
    assert lost == [60]


def test_an_empty_file_is_complete_after_one_request() -> None:
    segments = Segments(0)
    assert not segments.is_complete
    segment = segments.take(1)
    assert segment
    segments.give_back(segment, ended=False)
    assert not segments.is_complete
    segment = segments.take(1)
    assert segment
    segments.give_back(segment, ended=True)
    assert segments.is_complete
    assert segments.adler32 == 1
