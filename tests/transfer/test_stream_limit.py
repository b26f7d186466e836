"""The number of streams of one file grows while that makes the file faster."""

from __future__ import annotations

import pytest

from ctadata.transfer.stream_limit import AGAIN, FIRST, LOOK, WARM_UP, StreamLimit


class File:
    """A file of which `rate(streams)` bytes a second arrive, and its limit."""

    def __init__(self, most: int, rate) -> None:
        self.limit, self.rate = StreamLimit(most), rate
        self.now, self.received = 1000.0, 0
        self.limit.update(self.received, self.now)

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 10) + 1):
            self.now += 0.1
            self.received += round(self.rate(self.limit.allowed) / 10)
            self.limit.update(self.received, self.now)

    def look(self) -> int:
        """Go on until the next look is over, and return the number of streams."""
        self.wait(WARM_UP + LOOK + 0.2)
        return self.limit.allowed


def test_each_stream_is_held_to_a_window_a_round_trip() -> None:
    file = File(16, lambda streams: 40e6 * streams)
    assert [file.look() for _ in range(3)] == [2 * FIRST, 4 * FIRST, 4 * FIRST]


@pytest.mark.parametrize("rate", [lambda streams: 500e6, lambda streams: 500e6 - 10e6 * streams, lambda streams: 0])
def test_more_streams_that_are_no_faster_are_given_up(rate) -> None:
    file = File(16, rate)
    assert [file.look() for _ in range(3)] == [2 * FIRST, FIRST, FIRST]


def test_they_are_tried_again_later() -> None:
    file = File(16, lambda streams: 500e6)
    assert [file.look(), file.look()] == [2 * FIRST, FIRST]
    file.rate = lambda streams: 50e6 * streams
    assert file.look() == FIRST
    file.wait(AGAIN)
    assert 16 in (file.look(), file.look(), file.look())


def test_a_number_that_the_user_sets_is_kept() -> None:
    limit = StreamLimit(30, first=30)
    for number in range(100):
        limit.update(0, 1000.0 + number)
    assert limit.allowed == 30


def test_fewer_than_at_first() -> None:
    assert StreamLimit(2).allowed == 2
