"""More processes start only if this one is busy, processors are idle and work is left. They end if they do not help."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ctadata import resources
from ctadata.transfer.helper_processes import BATCH_FILES, HelperProcesses, MeasuredDemand
from ctadata.transfer.task_queue import MOST_FILES, TaskQueue


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


class _Task:
    size = 4000


class _Run:
    """A run that waits for the further processes, and then moves the other files."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.have_batches = threading.Event()

    def work_here(self, tasks: Iterator[Any]) -> None:
        assert self.have_batches.wait(60)
        list(tasks)


class _Batches:
    """Cuts four batches, and moves nothing."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def hand_out(self, run: Any, found: TaskQueue, is_slower: object) -> None:
        while len(self.sizes) < 4:
            with found.change:
                found.change.wait_for(lambda: found.waiting >= BATCH_FILES, timeout=0.01)
                batch = found.cut(2)
            self.sizes += [len(batch)] if batch else []
        run.have_batches.set()


class _Wanted:
    """One further process is wanted."""

    def count(self, taken: int, waiting: int) -> int:
        return 1

    def is_slower(self, files: int) -> bool:
        return False


def test_a_batch_for_a_process_of_this_machine_has_more_files() -> None:
    run, batches = _Run(), _Batches()

    def find() -> Iterator[Any]:
        yield from [_Task()] * 5 * BATCH_FILES
        run.have_batches.wait(60)

    HelperProcesses(1, lambda count: batches, _Wanted).run(run, find())  # type: ignore[arg-type, return-value]
    assert batches.sizes == [BATCH_FILES] * 4
    assert BATCH_FILES > MOST_FILES
