"""The walker: everything once, overlapped, bounded, and ended when nobody takes any more."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.transfer import walk as walking
from ctadata.transfer.walk import Node, walk

Tree = dict[str, "Tree"]
trees = st.recursive(st.just({}), lambda t: st.dictionaries(st.sampled_from("abcde"), t, max_size=4), max_leaves=40)


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
