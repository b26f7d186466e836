"""The workers: every task once, help for what can be divided, and no hang whatever goes wrong."""

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from ctadata import fibers
from ctadata.errors import LocalError
from ctadata.transfer import worker_pool as module
from ctadata.transfer.small_task_threads import SmallTaskThreads
from ctadata.transfer.worker_pool import WorkerPool


def test_every_task_is_done_once() -> None:
    done: list[int] = []
    pool: WorkerPool[int] = WorkerPool(threading.Event())
    pool.run(iter(range(1000)), done.append, jobs=5)
    assert sorted(done) == list(range(1000))


def test_the_error_of_a_task_is_raised_and_no_worker_hangs() -> None:
    def do(task: int) -> None:
        if task == 3:
            raise RuntimeError("at three")

    pool: WorkerPool[int] = WorkerPool(threading.Event())
    with pytest.raises(RuntimeError, match="at three"):
        pool.run(iter(range(1000)), do, jobs=3)


def test_the_error_of_the_iterator_is_raised_and_the_workers_end() -> None:
    def tasks() -> Iterator[int]:
        yield 1
        raise RuntimeError("no more")

    before = threading.active_count()
    pool: WorkerPool[int] = WorkerPool(threading.Event())
    with pytest.raises(RuntimeError, match="no more"):
        pool.run(tasks(), lambda task: None, jobs=3)
    assert threading.active_count() == before


def test_a_stop_ends_the_workers() -> None:
    stop, done = threading.Event(), []

    def do(task: int) -> None:
        done.append(task)
        stop.set()

    pool: WorkerPool[int] = WorkerPool(stop)
    pool.run(iter(range(100_000)), do, jobs=2)
    assert len(done) < 10


@pytest.mark.parametrize("name", ["tasks", "transfer-small", "transfer-0", "transfer-1"])
def test_the_error_of_a_thread_that_cannot_start_is_raised(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start, before = threading.Thread.start, threading.active_count()

    def refused(thread: threading.Thread) -> None:
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    pool: WorkerPool[int] = WorkerPool(threading.Event())
    done: list[int] = []
    if name == "transfer-1":  # those that there are do it all
        pool.run(iter(range(1000)), done.append, jobs=3)
        assert sorted(done) == list(range(1000))
    else:
        with pytest.raises(LocalError, match="no further thread"):
            pool.run(iter(range(1000)), done.append, jobs=3)
    pool.join()
    assert threading.active_count() == before


@pytest.mark.parametrize("name", ["_wake_all", "_find_tasks"])
def test_a_lack_of_memory_anywhere_in_a_thread_is_raised(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(WorkerPool, name, full)
    before = threading.active_count()
    with pytest.raises(MemoryError):
        WorkerPool(threading.Event()).run(iter(range(10)), lambda task: None, jobs=2, is_small=lambda task: True)
    assert threading.active_count() == before


def test_a_lack_of_memory_between_fibers_is_raised_and_not_the_end_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(self: fibers.Fibers) -> None:
        raise MemoryError

    monkeypatch.setattr(fibers.Fibers, "_wait_for_all", full)
    pool: WorkerPool[int] = WorkerPool(threading.Event())
    with pytest.raises(MemoryError):
        pool.run(iter(range(10)), lambda task: fibers.sleep(60), jobs=2, is_small=lambda task: True)


def test_an_interrupt_during_join_is_raised_and_join_works_again() -> None:
    stop, working, before = threading.Event(), threading.Event(), threading.active_count()
    pool: WorkerPool[int] = WorkerPool(stop)

    def interrupt() -> None:
        assert working.wait(60)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def do(task: int) -> None:
        working.set()
        stop.wait()

    interrupting = threading.Thread(daemon=True, target=interrupt)
    with pytest.raises(KeyboardInterrupt):
        interrupting.start()
        pool.run(iter(range(1000)), do, jobs=3)
    interrupting.join()
    assert threading.active_count() >= before + 3
    stop.set()
    pool.join()
    assert threading.active_count() == before


def test_a_stop_gives_up_the_tasks_that_were_not_begun() -> None:
    closed, stop, done = threading.Event(), threading.Event(), list[int]()
    pool: WorkerPool[int] = WorkerPool(stop)

    def tasks() -> Iterator[int]:
        try:
            yield from range(100_000)
        finally:
            closed.set()

    def do(task: int) -> None:
        done.append(task)
        stop.set()

    pool.run(tasks(), do, jobs=2)
    assert closed.is_set()
    assert len(done) < 10


def test_a_pool_can_run_several_times() -> None:
    done: list[int] = []
    pool: WorkerPool[int] = WorkerPool(threading.Event())
    for lot in ([1, 2], [3], []):
        pool.run(lot, done.append, jobs=2)
    assert sorted(done) == [1, 2, 3]


class Meeting:
    """Where so many come together before any goes on; knows how many were there at most."""

    def __init__(self, size: int) -> None:
        self.size, self.there, self.most, self.change = size, 0, 0, fibers.Condition()

    def come(self) -> None:
        with self.change:
            self.there += 1
            self.most = max(self.most, self.there)
            self.change.notify_all()
            while self.most < self.size:
                assert self.change.wait(60)
        fibers.sleep(0)
        with self.change:
            self.there -= 1


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


def test_a_worker_without_tasks_helps_with_divisible_work() -> None:
    work = ForThree()
    pool: WorkerPool[int] = WorkerPool(threading.Event())

    def do(task: int) -> None:
        with pool.divisible(work):
            assert work.everybody.wait(60)

    pool.run(iter([1]), do, jobs=4)
    assert len(work.helped) == 3


def test_more_threads_may_help_than_take_tasks() -> None:
    pool: WorkerPool[int] = WorkerPool(threading.Event())
    in_work, most = 0, 0
    lock = threading.Lock()

    def do(task: int) -> None:
        nonlocal in_work, most
        work = ForThree()
        with lock:
            in_work += 1
            most = max(most, in_work)
        with pool.divisible(work):
            assert work.everybody.wait(60)
        with lock:
            in_work -= 1

    pool.run(iter(range(5)), do, jobs=1, streams=4)
    assert most == 1


def test_small_tasks_share_one_thread() -> None:
    together, threads, pool = Meeting(3), set[str](), WorkerPool[int](threading.Event())

    def do(task: int) -> None:
        threads.add(threading.current_thread().name)
        together.come()

    pool.run(iter(range(9)), do, jobs=3, is_small=lambda task: True)
    assert threads == {"transfer-small"}
    assert together.most == 3


@pytest.mark.parametrize("jobs", [1, 3])
def test_small_and_large_tasks_together_never_exceed_jobs(jobs: int) -> None:
    there, pool, done = Meeting(0), WorkerPool[int](threading.Event()), list[int]()

    def do(task: int) -> None:
        there.come()
        done.append(task)

    pool.run(iter(range(300)), do, jobs=jobs, is_small=lambda task: task % 3 > 0)
    assert sorted(done) == list(range(300))
    assert there.most <= jobs


def test_large_tasks_go_to_threads_and_do_not_hold_up_small_ones() -> None:
    small, pool = threading.Event(), WorkerPool[int](threading.Event())

    def do(task: int) -> None:
        if task:
            small.set()
        else:
            assert small.wait(60)

    pool.run(iter([0, 1]), do, jobs=2, is_small=bool)


def test_threads_take_small_tasks_as_many_as_allowed() -> None:
    together = threading.Barrier(3)  # which holds up all fibers

    class Stuck(SmallTaskThreads):
        def adjust(self, elapsed: float, stuck: float, done: int) -> None:
            assert 0 <= stuck <= elapsed
            self.threads = 2

    pool: WorkerPool[int] = WorkerPool(threading.Event())
    pool.run(
        iter(range(3)), lambda task: together.wait(60), jobs=3, is_small=lambda task: True, small_task_threads=Stuck(3)
    )


def test_fibers_are_not_stuck_while_another_thread_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """They wait for the interpreter then, and further threads would only wait too."""
    monkeypatch.setattr(module.time, "process_time", lambda: 1000 * time.monotonic())
    looks, looked = list[float](), threading.Event()

    class Looks(SmallTaskThreads):
        def adjust(self, elapsed: float, stuck: float, done: int) -> None:
            looks.append(stuck)
            if len(looks) == 3:
                looked.set()

    pool: WorkerPool[int] = WorkerPool(threading.Event())
    pool.run(iter(range(1)), lambda task: looked.wait(60), jobs=1, is_small=lambda _: True, small_task_threads=Looks(1))
    assert not any(looks)


def test_fibers_leave_tasks_to_the_threads_that_help_them() -> None:
    names, pool, relieved = list[str](), WorkerPool[int](threading.Event()), threading.Event()
    lock, inside, most = threading.Lock(), [0, 0], [0, 0]

    class Relieved(SmallTaskThreads):
        def adjust(self, elapsed: float, stuck: float, done: int) -> None:
            self.threads = 2
            relieved.set()

    def tasks() -> Iterator[int]:
        number = 0
        while number < 300_000 and len(names) < 3000:
            yield number
            number += 1

    def do(task: int) -> None:
        late, name = relieved.is_set(), threading.current_thread().name
        in_fiber = name == "transfer-small"
        with lock:
            inside[in_fiber] += late
            most[in_fiber] = max(most[in_fiber], inside[in_fiber])
        fibers.sleep(0)
        with lock:
            inside[in_fiber] -= late
        if late:
            names.append(name)

    pool.run(tasks(), do, jobs=3, is_small=lambda task: True, small_task_threads=Relieved(2))
    assert "transfer-small" in names
    assert len(set(names)) > 1
    assert most == [2, 1]  # threads, fibers


def test_tasks_are_not_read_far_ahead() -> None:
    read, first, pool = list[int](), threading.Event(), WorkerPool[int](threading.Event())

    def tasks() -> Iterator[int]:
        for i in range(10 * module.AHEAD):
            read.append(i)
            if i == module.AHEAD - 1:
                first.set()
            yield i

    def do(task: int) -> None:
        assert first.wait(60)
        assert len(read) <= task + module.AHEAD + 4

    pool.run(tasks(), do, jobs=1)  # a second worker could go ahead of the first one's look
    assert len(read) == 10 * module.AHEAD


def test_waiting_workers_are_woken_when_work_becomes_divisible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT", 600.0)
    refused, ready, helped = threading.Event(), threading.Event(), threading.Event()

    class Work:
        def help(self) -> bool:
            (helped if ready.is_set() else refused).set()
            return False

    pool: WorkerPool[int] = WorkerPool(threading.Event())

    def do(task: int) -> None:
        with pool.divisible(Work()):
            assert refused.wait(60)
            ready.set()
            pool.wake_workers()
            assert helped.wait(60)

    pool.run(iter([1]), do, jobs=2)


class CountedLooks(threading.Event):
    """An event that counts how often it is looked at: each worker that wakes does so once or twice."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def is_set(self) -> bool:
        self.looks += 1
        return super().is_set()


def test_few_fibers_wake_for_a_task_while_a_server_is_busy_and_a_thread_helps() -> None:
    class One(SmallTaskThreads):
        def adjust(self, elapsed: float, stuck: float, done: int) -> None:
            pass

    helpers = One(1)
    helpers.threads = 1
    stop, slots, freed = CountedLooks(), threading.Semaphore(4), fibers.Condition()

    def send_a_request(_: int) -> None:
        with freed, fibers.queueing():
            while not slots.acquire(blocking=False):
                freed.wait()
        fibers.sleep(0)
        with freed:
            slots.release()
            freed.notify()

    WorkerPool[int](stop).run(
        iter(range(500)), send_a_request, jobs=2, small_jobs=256, is_small=lambda _: True, small_task_threads=helpers
    )
    assert stop.looks < 500 * 20  # some 7 for each task


def test_idle_fibers_begin_tasks_when_others_leave_the_queue() -> None:
    """The queue of a server empties at once when it allows more requests; no task has to end first."""
    change, waiting, inside, is_open = fibers.Condition(), [0], [0], [False]
    both, until = 2 * module.QUEUED, time.monotonic() + 60

    def tasks() -> Iterator[int]:
        yield from range(both)
        with change:
            while waiting[0] < module.QUEUED:
                change.wait(60)
            is_open[0] = True
            change.notify_all()
            while inside[0] < both:
                assert time.monotonic() < until, f"{inside[0]} tasks have begun"
                change.wait(1)

    def do(task: int) -> None:
        with change:
            with fibers.queueing():
                waiting[0] += 1
                change.notify_all()
                while not is_open[0]:
                    change.wait(60)
            inside[0] += 1
            change.notify_all()
            while inside[0] < both and time.monotonic() < until:
                change.wait(1)

    WorkerPool[int](threading.Event()).run(tasks(), do, jobs=2, small_jobs=2 * both, is_small=lambda _: True)
