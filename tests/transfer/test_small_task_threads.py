"""How many threads relieve the fibers: none, unless these are stuck, and only as many as get more done."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from ctadata.transfer.small_task_threads import LONGEST_REST, REST, SmallTaskThreads

LOOK = 0.05
Look = tuple[float, int]  # seconds stuck, files done
BUSY: Look = (0.001, 200)
FAR_AWAY: Look = (0.002, 20)
UNDER_WAY: Look = (0.05, 0)


def distant_disk(threads: int) -> Look:
    """Each file takes the disk 5 ms: fibers wait for them one after the other, threads at once."""
    return 0.045, 10 * (threads + 1)


def others_at_work(threads: int) -> Look:
    """Other processes have the processor."""
    return 0.03, 50


def numbers(state: SmallTaskThreads, look: Callable[[int], Look], times: int = 10) -> list[int]:
    found = []
    for _ in range(times):
        state.adjust(LOOK, *look(state.threads))
        found.append(state.threads)
    return found


def test_threads_are_added_if_the_disk_blocks_the_fibers() -> None:
    assert numbers(SmallTaskThreads(8), distant_disk, 6) == [1, 2, 4, 8, 8, 8]


def test_threads_without_gain_stop_and_are_tried_less_and_less_often() -> None:
    found = numbers(SmallTaskThreads(8), others_at_work, 1000)
    tried = [i for i, threads in enumerate(found) if threads]
    assert set(found) == {0, 1}
    between = [later - earlier - 1 for earlier, later in pairwise(tried)]
    assert between[:6] == [REST, 8, 16, 32, LONGEST_REST, LONGEST_REST]


@pytest.mark.parametrize("look", [BUSY, FAR_AWAY, UNDER_WAY])
def test_fibers_that_work_or_wait_for_the_network_need_no_threads(look: Look) -> None:
    assert set(numbers(SmallTaskThreads(8), lambda threads: look)) == {0}


def test_threads_stop_when_the_disk_is_quick_again() -> None:
    state = SmallTaskThreads(8)
    numbers(state, distant_disk)
    assert numbers(state, lambda threads: BUSY, 5) == [4, 2, 1, 0, 0]
