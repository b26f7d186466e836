"""How many workers take tasks: few where the interpreter is what they wait for, all of them otherwise."""

import pytest

from ctadata.transfer.crowding import FEWEST, Crowding

SMALL_FILES = {"passed": 0.05, "worked": 0.05, "done": 200}  # the processor is busy, with a quarter of a ms for each
FAR_AWAY = {"passed": 0.05, "worked": 0.005, "done": 20}
LARGE_FILES = {"passed": 0.05, "worked": 0.10, "done": 3}
UNDER_WAY = {"passed": 0.05, "worked": 0.0, "done": 0}
AT_REST = {"passed": 0.05, "worked": 0.035, "done": 140}


def widths(crowding: Crowding, look: dict[str, float], times: int = 10) -> list[int]:
    found = []
    for _ in range(times):
        crowding.look(**look)  # type: ignore[arg-type]
        found.append(crowding.width)
    return found


def test_small_files_from_close_by_leave_few() -> None:
    assert widths(Crowding(8), SMALL_FILES, 4) == [4, 2, FEWEST, FEWEST]


@pytest.mark.parametrize("look", [FAR_AWAY, LARGE_FILES, UNDER_WAY])
def test_who_waits_for_the_network_or_moves_many_bytes_is_many(look: dict[str, float]) -> None:
    crowding = Crowding(8)
    assert set(widths(crowding, look)) == {8}
    widths(crowding, SMALL_FILES)
    assert widths(crowding, look, 3) == [4, 8, 8]


def test_where_it_is_neither_nothing_changes() -> None:
    crowding = Crowding(8)
    crowding.look(**SMALL_FILES)  # type: ignore[arg-type]
    assert set(widths(crowding, AT_REST)) == {4}


def test_one_is_one_and_a_number_that_was_asked_for_stays() -> None:
    assert set(widths(Crowding(1), SMALL_FILES)) == {1}
    assert set(widths(Crowding(16, pinned=True), SMALL_FILES)) == {16}
