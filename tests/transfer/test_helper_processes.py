"""More processes start only if this one is busy, processors are idle and work is left. They end if they do not help."""

import pytest

from ctadata import resources
from ctadata.transfer.helper_processes import MeasuredDemand


@pytest.mark.parametrize(
    ("busy", "idle", "waiting", "expected"),
    [
        (0.95, 1.0, 4000, 1),
        (0.95, 63.2, 4000, 63),
        (0.95, 0.6, 4000, 1),
        (0.95, 0.3, 4000, 0),  # the server, or somebody else, has the other processors
        (0.4, 1.6, 4000, 0),  # this process waits for the server
        (0.95, 1.0, 1000, 0),  # it is done in a second
    ],
)
def test_what_is_measured_decides(
    monkeypatch: pytest.MonkeyPatch, busy: float, idle: float, waiting: int, expected: int
) -> None:
    monkeypatch.setattr(resources.BusyMeter, "measure", lambda meter: busy)
    monkeypatch.setattr(resources.IdleMeter, "measure", lambda meter: idle)
    monkeypatch.setattr(resources.BusyMeter, "elapsed", 0.5)
    demand = MeasuredDemand()
    assert demand.count(500, waiting) == 0  # the first look measures the start of the run too
    assert demand.count(1000, waiting) == expected  # 1,000 files a second


def test_a_demand_of_one_look_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    idle = iter([1.0, 0.2, 1.0, 1.0])
    monkeypatch.setattr(resources.BusyMeter, "measure", lambda meter: 0.95)
    monkeypatch.setattr(resources.IdleMeter, "measure", lambda meter: next(idle))
    monkeypatch.setattr(resources.BusyMeter, "elapsed", 0.5)
    demand = MeasuredDemand()
    assert [demand.count(taken, 4000) for taken in (500, 1000, 1500, 2000)] == [0, 0, 0, 1]


@pytest.mark.parametrize(("files_each_second", "expected"), [(1300, False), (1000, False), (900, True)])
def test_processes_that_make_the_run_slower_are_found_once_they_have_worked_for_a_second(
    monkeypatch: pytest.MonkeyPatch, files_each_second: int, expected: bool
) -> None:
    monkeypatch.setattr(resources.BusyMeter, "elapsed", 0.5)
    now = 0.0
    demand = MeasuredDemand(lambda: now)
    demand.count(500, 4000)
    demand.count(1000, 4000)  # 1,000 files a second
    now = 10.0
    assert not demand.is_slower(1000)  # the start of the processes is not counted
    now = 10.5
    assert not demand.is_slower(1001)
    now = 12.0
    assert demand.is_slower(1000 + 2 * files_each_second) is expected
    now = 20.0
    assert not demand.is_slower(1000 + 2 * files_each_second)  # it is judged once
