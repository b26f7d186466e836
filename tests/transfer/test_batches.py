"""What becomes of the files that no worker has tried."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path

from stores.memory import MemoryStore
from transfer.conftest import MakeRun

from ctadata.entries import Entry, Kind
from ctadata.paths import RemotePath
from ctadata.transfer.batches import TRIES, Batches, BatchResult
from ctadata.transfer.dir_cache import DirCache
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.download_task import download_task
from ctadata.transfer.report import NullReporter, Outcome
from ctadata.transfer.run import Run, Task
from ctadata.transfer.task_queue import MOST_FILES, TaskQueue


class Lost(Executor):
    """Its workers all die."""

    def submit(self, function: Callable[..., object], /, *arguments: object, **named: object) -> Future[object]:
        future: Future[object] = Future()
        future.set_exception(RuntimeError("KilledWorker"))
        return future


class LostOneAfterTheOther(Executor):
    """Its first batch costs a worker each time; the other workers die after it has failed."""

    def __init__(self) -> None:
        self.first, self.others, self.count = "", list[Future[object]](), 0

    def submit(self, function: Callable[..., object], /, *arguments: object, **named: object) -> Future[object]:
        future: Future[object] = Future()
        self.first = self.first or str(arguments[0])
        if str(arguments[0]) != self.first:
            self.others.append(future)
            return future
        self.count += 1
        for lost in [future, *(self.others if self.count == TRIES else ())]:
            lost.set_exception(RuntimeError("KilledWorker"))
        return future


def work(*arguments: object) -> BatchResult:
    raise AssertionError("no worker begins it")


def find(run: Run, folder: Path) -> Iterator[Task]:
    """Yield files without end."""
    number = 0
    while True:
        entry = Entry(RemotePath.parse(f"/d/{number}"), Kind.FILE, 1)
        yield download_task(run, DirCache(), DownloadTarget(entry, folder, (), str(number)))
        number += 1


def test_a_stop_ends_the_report_of_files_that_were_not_tried(run: MakeRun, tmp_path: Path) -> None:
    here = run()

    class Stopping(NullReporter):
        def ended(self, outcome: Outcome) -> None:
            if len(here.summary.failed) > MOST_FILES:
                here.stop.set()

    here.reporter, here.task_runner = Stopping(), Batches(work, Lost(), 1)
    summary = here.execute(find(here, tmp_path))
    assert summary.stopped
    assert len(summary.failed) == MOST_FILES + 1
    assert str(summary.errors[-1]).startswith("/d/500: it was not tried: no worker has finished it")


def test_processes_that_all_die_leave_no_file_unreported(store: MemoryStore, run: MakeRun, tmp_path: Path) -> None:
    """Another process takes what they have not taken; the batches that they have taken fail."""
    here, found = run(), TaskQueue(10)
    tasks = find(here, tmp_path)
    with found.reading([next(tasks) for _ in range(100)]):
        Batches(work, LostOneAfterTheOther(), 3).hand_out(here, found)
        left = len(list(found.take_all()))
    assert 0 < left < 100
    assert len(here.summary.failed) + left == 100
