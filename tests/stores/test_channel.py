"""Items from one thread to another."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.stores.channel import CAPACITY, Channel, ThreadedIterator, for_each


def test_items_come_in_order_and_then_end() -> None:
    def make(give) -> None:
        for i in range(0, 1000, 10):
            give(range(i, i + 10))

    assert list(ThreadedIterator(make)) == list(range(1000))


def test_nothing_is_made_before_it_is_asked_for() -> None:
    made = threading.Event()
    items = ThreadedIterator(lambda give: made.set())
    assert not made.is_set()
    assert list(items) == []
    assert made.is_set()


def test_what_breaks_the_making_comes_after_what_was_made() -> None:
    def make(give) -> None:
        give([1, 2])
        raise KeyError("broken")

    items = ThreadedIterator(make)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(KeyError, match="broken"):
        next(items)
    with pytest.raises(StopIteration):
        next(items)


def test_an_item_is_there_before_the_next_is_made() -> None:
    seen = threading.Event()

    def make(give) -> None:
        give([1])
        assert seen.wait(60)
        give([2])

    items = ThreadedIterator(make)
    assert next(items) == 1
    seen.set()
    assert next(items) == 2


def test_the_maker_waits_for_a_slow_user() -> None:
    made, ended = 0, threading.Event()

    def make(give) -> None:
        nonlocal made
        for i in range(100):
            give([i] * 100)
            made += 100
        ended.set()

    items = ThreadedIterator(make)
    next(items)
    assert not ended.wait(0.05)
    assert made <= 2 * CAPACITY + 100  # what was taken at once, and what waits
    assert len(list(items)) == 10_000 - 1
    assert ended.is_set()


@pytest.mark.parametrize("how", ["close", "drop"])
def test_a_user_who_leaves_ends_the_making(how: str) -> None:
    ended = threading.Event()

    def make(give) -> None:
        try:
            while True:
                give([1] * 100)
        finally:
            ended.set()

    items = ThreadedIterator(make)
    assert next(items) == 1
    if how == "close":
        items.close()  # type: ignore[attr-defined]
    else:
        del items
    assert ended.wait(60)


def test_each_is_made_in_the_thread_that_takes() -> None:
    taken: list[tuple[int, int]] = []

    def make(give) -> None:
        give([1, 2])
        give([3])

    for_each(ThreadedIterator(make), lambda item: taken.append((item, threading.get_ident())))
    for_each(iter([4]), lambda item: taken.append((item, threading.get_ident())))
    assert taken == [(item, threading.get_ident()) for item in (1, 2, 3, 4)]


def test_what_the_taker_or_the_maker_of_each_raises_comes_out_and_ends_the_making() -> None:
    made: list[int] = []

    def make(give) -> None:
        for i in range(10):
            made.append(i)
            give([i])
            if i == 5:
                raise KeyError("broken")

    def take(item: int) -> None:
        if item == 2:
            raise IndexError("enough")

    with pytest.raises(IndexError, match="enough"):
        for_each(ThreadedIterator(make), take)
    assert made == [0, 1, 2]
    with pytest.raises(KeyError, match="broken"):
        for_each(ThreadedIterator(make), lambda item: None)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), st.integers(1, 8))
def test_many_makers_and_little_room_lose_nothing_and_keep_the_order_of_each(batches: list[int], ahead: int) -> None:
    channel: Channel[tuple[int, int]] = Channel(len(batches), ahead)

    def make(maker: int, count: int) -> None:
        for i in range(count):
            assert channel.put([(maker, 2 * i), (maker, 2 * i + 1)])
        channel.finish()

    crew = [threading.Thread(daemon=True, target=make, args=one) for one in enumerate(batches)]
    for thread in crew:
        thread.start()
    got = list(channel)
    for thread in crew:
        thread.join(60)
    for maker, count in enumerate(batches):
        assert [i for one, i in got if one == maker] == list(range(2 * count))
    assert len(got) == 2 * sum(batches)


def test_makers_who_wait_for_room_hear_that_the_user_has_left() -> None:
    channel: Channel[int] = Channel(2, 1)
    said: list[bool] = []
    crew = [threading.Thread(daemon=True, target=lambda: said.append(channel.put([1, 2, 3]))) for _ in range(2)]
    for thread in crew:
        thread.start()
    channel.stop()
    for thread in crew:
        thread.join(60)
    assert said == [False, False]
