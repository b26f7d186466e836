"""A walk yields every item once, in several threads, in bounded memory, and ends when nobody takes items."""

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.namespace import walk as walking
from ctadata.namespace.walk import Node

Tree = dict[str, "Tree"]
trees = st.recursive(st.just({}), lambda t: st.dictionaries(st.sampled_from("abcde"), t, max_size=4), max_leaves=40)


def walk(roots, expand, *, threads):
    """The walk, of an `expand` that yields what it gives."""

    def giving(node, give) -> None:
        for thing in expand(node):
            give(thing)

    return walking.walk(roots, giving, threads=threads)


def paths(tree: Tree, base: str = "") -> Iterator[str]:
    for name, below in tree.items():
        yield f"{base}/{name}"
        yield from paths(below, f"{base}/{name}")


@given(trees, st.integers(1, 5))
def test_every_item_comes_out_exactly_once(tree: Tree, threads: int) -> None:
    def expand(node: tuple[str, Tree]) -> Iterator[Node[tuple[str, Tree]] | str]:
        base, below = node
        for name, deeper in below.items():
            yield f"{base}/{name}"
            yield Node((f"{base}/{name}", deeper))

    assert sorted(walk([("", tree)], expand, threads=threads)) == sorted(paths(tree))


def test_an_error_comes_out_of_the_iterator_and_ends_the_threads() -> None:
    def expand(node: int) -> Iterator[Node[int] | int]:
        yield node
        if node == 3:
            raise RuntimeError("at three")
        yield Node(node + 1)

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="at three"):
        list(walk([0], expand, threads=3))
    assert threading.active_count() == before


def test_a_walk_that_is_left_early_ends_its_threads_even_when_the_queue_is_full() -> None:
    def expand(node: int) -> Iterator[Node[int] | int]:
        yield from range(10 * walking.WAITING)

    before = threading.active_count()
    items = walk([0, 1, 2], expand, threads=3)
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_no_more_than_the_bound_waits() -> None:
    made = 0

    def expand(node: int) -> Iterator[Node[int] | int]:
        nonlocal made
        for i in range(100_000):
            made += 1
            yield i

    items = walk([0], expand, threads=1)
    for i in range(50):
        assert next(items) == i
    assert made <= walking.WAITING + 60
    items.close()  # type: ignore[attr-defined]


def test_roots_are_taken_one_at_a_time_when_no_other_node_is_left() -> None:
    taken, expanded = [], []

    def roots() -> Iterator[int]:
        for root in (10, 20, 30):
            taken.append((root, len(expanded)))
            yield root

    def expand(node: int) -> Iterator[Node[int] | int]:
        expanded.append(node)
        yield node
        if node % 10 < 4:
            yield Node(node + 1)

    assert list(walk(roots(), expand, threads=1)) == [10, 11, 12, 13, 14, 20, 21, 22, 23, 24, 30, 31, 32, 33, 34]
    assert taken == [(10, 0), (20, 5), (30, 10)]


@given(st.lists(st.integers(0, 6), max_size=30), st.integers(1, 5))
def test_every_root_is_walked(depths: list[int], threads: int) -> None:
    def expand(node: tuple[int, int]) -> Iterator[Node[tuple[int, int]] | tuple[int, int]]:
        yield node
        if node[1]:
            yield Node((node[0], node[1] - 1))

    expected = [(root, depth) for root, top in enumerate(depths) for depth in range(top + 1)]
    assert sorted(walk(iter(enumerate(depths)), expand, threads=threads)) == expected


def test_an_error_of_the_roots_iterator_is_raised() -> None:
    def roots() -> Iterator[int]:
        yield 1
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        list(walk(roots(), lambda node: [node], threads=3))


@pytest.mark.parametrize("from_roots", [True, False])
def test_an_idle_process_walks_with_all_threads(monkeypatch: pytest.MonkeyPatch, from_roots: bool) -> None:
    monkeypatch.setattr(time, "process_time", lambda: 0.0)
    together = threading.Barrier(3)

    def expand(node: int) -> Iterator[Node[int] | int]:
        if node < 0:
            yield from map(Node, range(12))
        else:
            together.wait(60)
            yield node

    assert sorted(walk(range(12) if from_roots else [-1], expand, threads=3)) == list(range(12))


class Work:
    """A tree that ends when the first thread alone has walked for a while, or after very many nodes."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.together = threading.Barrier(3)

    def expand(self, node: int) -> Iterator[Node[int] | int]:
        self.names.append(threading.current_thread().name)
        yield node
        if (set(self.names[-200:]) != {"walk-0"} or len(self.names) < 5000) and len(self.names) < 300_000:
            yield Node(node + 1)
            yield Node(-node)


def test_a_busy_process_walks_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "INTERVAL", 0.001)
    monkeypatch.setattr(time, "process_time", time.monotonic)
    work = Work()
    list(walk([1], work.expand, threads=3))
    assert set(work.names) == {"walk-0"}


def test_threads_pause_when_python_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, work, together = threading.Event(), Work(), threading.Barrier(3)
    clock = time.monotonic
    monkeypatch.setattr(time, "process_time", lambda: clock() if busy.is_set() else 0.0)

    def expand(node: int) -> Iterator[Node[int] | int]:
        if not busy.is_set():
            if node:
                together.wait(60)
                busy.set()
            else:
                yield from map(Node, (1, 2, 3))
        yield from work.expand(node or 1)

    for _ in walk([0], expand, threads=3):
        pass
    assert set(work.names[-200:]) == {"walk-0"}
