"""How many workers take tasks: few where the interpreter is what they wait for, all of them otherwise."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from ctadata.transfer.crowding import FEWEST, LONGEST_REST, REST, Crowding

LOOK = 0.05
Look = tuple[float, int]  # processor time, tasks done
FAR_AWAY: Look = (0.005, 20)
LARGE_FILES: Look = (0.10, 3)
UNDER_WAY: Look = (0.0, 0)
AT_REST: Look = (0.02, 80)


def close_by(width: int) -> Look:
    """Small files: the fewer there are, the less they wake each other."""
    return 0.045, {8: 20, 4: 31, 2: 47}.get(width, 47)


def not_far(width: int) -> Look:
    """Small files, and a server that takes its time: each worker does so many."""
    return 0.0055 * width, 10 * width


def widths(crowding: Crowding, look: Callable[[int], Look], times: int = 10) -> list[int]:
    found = []
    for _ in range(times):
        crowding.look(LOOK, *look(crowding.width))
        found.append(crowding.width)
    return found


def test_small_files_from_close_by_leave_few() -> None:
    assert widths(Crowding(8), close_by, 4) == [4, 2, FEWEST, FEWEST]


def test_where_fewer_get_less_done_they_come_back_and_it_is_tried_again_ever_more_seldom() -> None:
    found = widths(Crowding(8), not_far, 1000)
    tried = [i for i, width in enumerate(found) if width == 4]
    assert set(found) == {4, 8}
    between = [later - earlier - 1 for earlier, later in pairwise(tried)]
    assert between[:6] == [REST, 8, 16, 32, LONGEST_REST, LONGEST_REST]


@pytest.mark.parametrize("look", [FAR_AWAY, LARGE_FILES, UNDER_WAY])
def test_who_waits_for_the_network_or_moves_many_bytes_is_many(look: Look) -> None:
    crowding = Crowding(8)
    assert set(widths(crowding, lambda width: look)) == {8}
    widths(crowding, close_by)
    assert widths(crowding, lambda width: look, 3) == [4, 8, 8]


def test_where_it_is_neither_nothing_changes() -> None:
    crowding = Crowding(8)
    widths(crowding, close_by, 1)
    assert set(widths(crowding, lambda width: AT_REST)) == {4}


def test_one_is_one_and_a_number_that_was_asked_for_stays() -> None:
    assert set(widths(Crowding(1), close_by)) == {1}
    assert set(widths(Crowding(16, pinned=True), close_by)) == {16}
