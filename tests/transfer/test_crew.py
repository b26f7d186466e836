"""The workers: every task once, help for what can be divided, and no hang whatever goes wrong."""

import threading
from collections.abc import Iterator

import pytest

from ctadata.transfer import crew as module
from ctadata.transfer.crew import Crew
from ctadata.transfer.crowding import Crowding


def test_every_task_is_done_once() -> None:
    done: list[int] = []
    crew: Crew[int] = Crew(threading.Event())
    crew.work_off(iter(range(1000)), done.append, threads=5)
    assert sorted(done) == list(range(1000))


def test_what_a_task_raises_comes_out_and_nobody_hangs() -> None:
    def do(task: int) -> None:
        if task == 3:
            raise RuntimeError("at three")

    crew: Crew[int] = Crew(threading.Event())
    with pytest.raises(RuntimeError, match="at three"):
        crew.work_off(iter(range(1000)), do, threads=3)


def test_what_the_tasks_raise_comes_out_and_the_workers_end() -> None:
    def tasks() -> Iterator[int]:
        yield 1
        raise RuntimeError("no more")

    before = threading.active_count()
    crew: Crew[int] = Crew(threading.Event())
    with pytest.raises(RuntimeError, match="no more"):
        crew.work_off(tasks(), lambda task: None, threads=3)
    assert threading.active_count() == before


def test_a_stop_ends_the_workers() -> None:
    stop, done = threading.Event(), []

    def do(task: int) -> None:
        done.append(task)
        stop.set()

    crew: Crew[int] = Crew(stop)
    crew.work_off(iter(range(100_000)), do, threads=2)
    assert len(done) < 10


def test_an_interrupt_while_the_workers_are_started_is_that_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    start, join, before, stop = (
        threading.Thread.start,
        threading.Thread.join,
        threading.active_count(),
        threading.Event(),
    )

    def interrupted(thread: threading.Thread) -> None:
        if thread.name == "transfer-1":
            raise KeyboardInterrupt
        start(thread)

    def waited_for(thread: threading.Thread, timeout: float | None = None) -> None:
        stop.set()
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    monkeypatch.setattr(threading.Thread, "join", waited_for)
    crew: Crew[int] = Crew(stop)
    with pytest.raises(KeyboardInterrupt):
        crew.work_off(iter(range(1000)), lambda task: stop.wait() or None, threads=3)
    crew.join()
    assert threading.active_count() == before


def test_an_end_gives_up_the_tasks_that_nobody_has_asked_for() -> None:
    closed, done = threading.Event(), list[int]()
    crew: Crew[int] = Crew(threading.Event())

    def tasks() -> Iterator[int]:
        try:
            yield from range(100_000)
        finally:
            closed.set()

    def do(task: int) -> None:
        done.append(task)
        crew.end()

    crew.work_off(tasks(), do, threads=2)
    assert closed.is_set()
    assert len(done) < 10


def test_a_crew_works_off_one_lot_after_the_other() -> None:
    done: list[int] = []
    crew: Crew[int] = Crew(threading.Event())
    for lot in ([1, 2], [3], []):
        crew.work_off(lot, done.append, threads=2)
    assert sorted(done) == [1, 2, 3]


class ForThree:
    """Work that can be divided until three others have helped."""

    def __init__(self) -> None:
        self.helped: set[str] = set()
        self.everybody = threading.Event()

    def help(self) -> bool:
        self.helped.add(threading.current_thread().name)
        if len(self.helped) == 3:
            self.everybody.set()
        return not self.everybody.is_set()


def test_who_has_no_task_helps_with_what_can_be_divided() -> None:
    work = ForThree()
    crew: Crew[int] = Crew(threading.Event())

    def do(task: int) -> None:
        with crew.divisible(work):
            assert work.everybody.wait(20)

    crew.work_off(iter([1]), do, threads=4)
    assert len(work.helped) == 3


class Narrow(Crowding):
    """Says that one worker is enough, until it is told otherwise."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.looks: list[int] = []
        self.fewest, self.two = 1, threading.Event()

    def look(self, passed: float, worked: float, done: int) -> None:
        assert passed > 0
        assert worked >= 0
        self.looks.append(done)
        self.width = self.fewest
        if len(self.looks) > 1:
            self.two.set()


def test_workers_step_back_where_they_crowd_and_help_later() -> None:
    crowding, work, before, after = Narrow(4), ForThree(), set[str](), set[str]()
    crew: Crew[int] = Crew(threading.Event())

    def do(task: int) -> None:
        name = threading.current_thread().name
        if task < 4:
            before.add(name)
            assert crowding.two.wait(20)
            return
        after.add(name)
        if task == 99:
            crowding.fewest = 4
            with crew.divisible(work):
                assert work.everybody.wait(20)

    crew.work_off(iter(range(100)), do, threads=4, crowding=crowding)
    assert before == {f"transfer-{i}" for i in range(4)}
    assert after == {"transfer-0"}
    assert work.helped == before - after
    assert sum(crowding.looks) <= 100


def test_workers_come_back_when_there_is_room_again() -> None:
    together = threading.Barrier(3)

    class Wide(Crowding):
        def look(self, passed: float, worked: float, done: int) -> None:
            self.width = 3

    crowding = Wide(3)
    crowding.width = 1
    crew: Crew[int] = Crew(threading.Event())
    crew.work_off(iter(range(3)), lambda task: together.wait(20), threads=3, crowding=crowding)


def test_who_waits_for_work_that_was_not_ready_is_told_when_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 600.0)
    refused, ready, helped = threading.Event(), threading.Event(), threading.Event()

    class Work:
        def help(self) -> bool:
            (helped if ready.is_set() else refused).set()
            return False

    crew: Crew[int] = Crew(threading.Event())

    def do(task: int) -> None:
        with crew.divisible(Work()):
            assert refused.wait(20)
            ready.set()
            crew.rouse()
            assert helped.wait(20)

    crew.work_off(iter([1]), do, threads=2)
