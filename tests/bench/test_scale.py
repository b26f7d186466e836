"""The simulation of a campaign, and its table in docs/design/scale.md."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bench.scale import DAY, Plan, simulate, table

PAGE = Path(__file__).parents[2] / "docs" / "design" / "scale.md"
SMALL = Plan(files=1e6, size=1e5, tasks=20, pieces=2, doors=1, life=0.0)


def test_without_deaths_the_time_is_that_of_the_limit_and_of_reading() -> None:
    result = simulate(SMALL)
    reading = 2 * 5e5 / SMALL.lines
    assert result.limit == "doors"
    assert result.seconds == pytest.approx(1e6 / 250 + reading)
    assert result.moving == pytest.approx(1e6 / 250 / result.seconds)
    assert result.deaths == 0


@pytest.mark.parametrize(
    ("changes", "limit"), [({"network": 1e7}, "network"), ({"card": 1e6}, "card"), ({"per_task": 1.0}, "task")]
)
def test_the_smallest_of_the_limits_counts(changes: dict[str, float], limit: str) -> None:
    assert simulate(dataclasses.replace(SMALL, **changes)).limit == limit


def test_deaths_cost_time_and_a_seed_gives_the_same_deaths() -> None:
    plan = dataclasses.replace(SMALL, tasks=400, life=600.0)
    first, again, other = simulate(plan, 7), simulate(plan, 7), simulate(plan, 8)
    assert first == again != other
    assert first.deaths > 0
    assert first.moving < simulate(dataclasses.replace(plan, life=0.0)).moving


def test_a_task_that_never_lives_long_enough_to_read_its_listing_does_not_end() -> None:
    result = simulate(dataclasses.replace(SMALL, files=1e9, pieces=1, life=300.0))
    assert not result.ends
    assert result.moving == 0
    assert result.seconds >= 99 * DAY


@pytest.mark.full("scale")
def test_the_page_has_the_table_of_the_simulation() -> None:
    assert table() in PAGE.read_text()
