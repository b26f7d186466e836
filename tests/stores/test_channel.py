"""A channel passes items from producer threads to one consumer."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.stores.channel import CAPACITY, Channel, ThreadedIterator, for_each


def test_items_come_in_order_and_then_end() -> None:
    def produce(put) -> None:
        for i in range(0, 1000, 10):
            put(range(i, i + 10))

    assert list(ThreadedIterator(produce)) == list(range(1000))


def test_the_producer_starts_with_the_first_request_for_an_item() -> None:
    produced = threading.Event()
    items = ThreadedIterator(lambda put: produced.set())
    assert not produced.is_set()
    assert list(items) == []
    assert produced.is_set()


def test_an_error_of_the_producer_comes_after_its_items() -> None:
    def produce(put) -> None:
        put([1, 2])
        raise KeyError("broken")

    items = ThreadedIterator(produce)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(KeyError, match="broken"):
        next(items)
    with pytest.raises(StopIteration):
        next(items)


def test_an_item_arrives_before_the_next_is_produced() -> None:
    seen = threading.Event()

    def produce(put) -> None:
        put([1])
        assert seen.wait(60)
        put([2])

    items = ThreadedIterator(produce)
    assert next(items) == 1
    seen.set()
    assert next(items) == 2


def test_the_producer_waits_for_a_slow_consumer() -> None:
    produced, ended = 0, threading.Event()

    def produce(put) -> None:
        nonlocal produced
        for i in range(100):
            put([i] * 100)
            produced += 100
        ended.set()

    items = ThreadedIterator(produce)
    next(items)
    assert not ended.wait(0.05)
    assert produced <= 2 * CAPACITY + 100  # what was taken at once, and what waits
    assert len(list(items)) == 10_000 - 1
    assert ended.is_set()


@pytest.mark.parametrize("how", ["close", "drop"])
def test_a_consumer_that_stops_ends_the_producer(how: str) -> None:
    ended = threading.Event()

    def produce(put) -> None:
        try:
            while True:
                put([1] * 100)
        finally:
            ended.set()

    items = ThreadedIterator(produce)
    assert next(items) == 1
    if how == "close":
        items.close()  # type: ignore[attr-defined]
    else:
        del items
    assert ended.wait(60)


def test_for_each_produces_in_the_thread_of_the_caller() -> None:
    taken: list[tuple[int, int]] = []

    def produce(put) -> None:
        put([1, 2])
        put([3])

    for_each(ThreadedIterator(produce), lambda item: taken.append((item, threading.get_ident())))
    for_each(iter([4]), lambda item: taken.append((item, threading.get_ident())))
    assert taken == [(item, threading.get_ident()) for item in (1, 2, 3, 4)]


def test_for_each_raises_the_errors_of_producer_and_consumer() -> None:
    produced: list[int] = []

    def produce(put) -> None:
        for i in range(10):
            produced.append(i)
            put([i])
            if i == 5:
                raise KeyError("broken")

    def take(item: int) -> None:
        if item == 2:
            raise IndexError("enough")

    with pytest.raises(IndexError, match="enough"):
        for_each(ThreadedIterator(produce), take)
    assert produced == [0, 1, 2]
    with pytest.raises(KeyError, match="broken"):
        for_each(ThreadedIterator(produce), lambda item: None)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), st.integers(1, 8))
def test_many_producers_and_a_small_channel_lose_nothing_and_keep_each_order(batches: list[int], capacity: int) -> None:
    channel: Channel[tuple[int, int]] = Channel(len(batches), capacity)

    def produce(producer: int, count: int) -> None:
        for i in range(count):
            assert channel.put([(producer, 2 * i), (producer, 2 * i + 1)])
        channel.finish()

    threads = [threading.Thread(daemon=True, target=produce, args=one) for one in enumerate(batches)]
    for thread in threads:
        thread.start()
    received = list(channel)
    for thread in threads:
        thread.join(60)
    for producer, count in enumerate(batches):
        assert [i for one, i in received if one == producer] == list(range(2 * count))
    assert len(received) == 2 * sum(batches)


def test_waiting_producers_return_when_the_consumer_stops() -> None:
    channel: Channel[int] = Channel(2, 1)
    results: list[bool] = []
    threads = [threading.Thread(daemon=True, target=lambda: results.append(channel.put([1, 2, 3]))) for _ in range(2)]
    for thread in threads:
        thread.start()
    channel.stop()
    for thread in threads:
        thread.join(60)
    assert results == [False, False]
