"""`get_many` and `put_many`: batches for other processes and other machines."""

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from transfer.trees import files_below

from ctadata import batch_transfer, direct
from ctadata.batch_transfer import LocalProcesses
from ctadata.config.request_limit import RequestLimit
from ctadata.errors import ConfigError, LoginNeeded, NotFound, PartialFailure, UsageError
from ctadata.sandbox import Sandbox, faults
from ctadata.transfer import helper_processes, task_queue
from ctadata.transfer.batches import Batches, BatchResult
from ctadata.transfer.report import NullReporter
from ctadata.transfer.run import Run, Task

FILES = 90
NAMES = [f"{number % 4}/{number:03}" for number in range(FILES)]
EXPECTED = {name: name.encode() * 3 for name in NAMES}


@pytest.fixture
def box(use_sandbox: Callable[[Sandbox], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox with files in /lst/d, the site of the environment; the working directory is empty."""
    with Sandbox() as box:
        use_sandbox(box)
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        for name, content in EXPECTED.items():
            box.files.put(f"/lst/d/{name}", content)
        yield box


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of at most 16 files."""
    monkeypatch.setattr(task_queue, "MOST_FILES", task_queue.FEWEST_FILES)
    monkeypatch.setattr(helper_processes, "BATCH_FILES", task_queue.FEWEST_FILES)


class Pickling(Executor):
    """Runs the work in a thread, from a pickle to a pickle. It keeps the pickles."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(2)
        self.travelled: list[bytes] = []

    def submit(self, function: Callable[..., object], /, *arguments: object, **named: object) -> Future[object]:
        self.travelled.append(pickle.dumps((function, arguments, named)))
        return self.threads.submit(self.run, self.travelled[-1])

    def run(self, pickled: bytes) -> object:
        function, arguments, named = pickle.loads(pickled)
        self.travelled.append(pickle.dumps(function(*arguments, **named)))
        return pickle.loads(self.travelled[-1])


class Dying(Pickling):
    """Its workers die with some of the batches; from then on it is broken, as a ProcessPoolExecutor is."""

    def __init__(self, dies: Callable[[int], bool]) -> None:
        super().__init__()
        self.dies, self.is_broken, self.count = dies, False, 0

    def submit(self, function: Callable[..., object], /, *arguments: object, **named: object) -> Future[object]:
        if self.is_broken:
            raise BrokenExecutor("a worker has died")
        self.count += 1
        if not self.dies(self.count):
            return super().submit(function, *arguments, **named)
        self.is_broken = True
        future: Future[object] = Future()
        future.set_exception(BrokenExecutor("a worker has died"))
        return future


class Remarks(NullReporter):
    """Keeps what was remarked and how many bytes were planned and have moved."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> "Remarks":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def remarked(self, words: str) -> None:
        self.words.append(words)

    def planned(self, files: int, size: int) -> None:
        self.counts["planned"] += size

    def moved(self, name: str, size: int) -> None:
        self.counts["moved"] += size


def lines(receipt: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(receipt).read_text().splitlines()]


def test_no_token_and_no_session_travels(box: Sandbox, small_batches: None) -> None:
    executor, shown = Pickling(), Remarks()
    paths = direct.list_dir("lst/d", recursive=True)
    summary = direct.get_many(paths, "out", base="lst/d", executor=executor, receipt="r.jsonl", progress=shown)
    assert (summary.done, summary.size, summary.failed) == (FILES, sum(map(len, EXPECTED.values())), [])
    assert files_below(Path("out")) == EXPECTED
    assert shown.counts["planned"] == shown.counts["moved"] == summary.size
    travelled = b"".join(executor.travelled)
    assert b"sandbox" in travelled
    secrets = [Path(os.environ["BEARER_TOKEN_FILE"]).read_bytes(), b"https://", b"Session", b"Client"]
    assert [secret for secret in secrets if secret in travelled] == []
    assert sorted(str(line["local"]) for line in lines("r.jsonl")) == sorted(
        str(Path("out", n).absolute()) for n in NAMES
    )


def test_progress_has_the_bytes_of_each_batch_that_has_ended(box: Sandbox, small_batches: None) -> None:
    shown, seen = Remarks(), list[int]()

    class Watched(Pickling):
        def submit(self, function: Callable[..., object], /, *arguments: object, **named: object) -> Future[object]:
            seen.append(shown.counts["moved"])
            return super().submit(function, *arguments, **named)

    paths = direct.list_dir("lst/d", recursive=True)
    summary = direct.get_many(paths, "out", base="lst/d", executor=Watched(), at_once=1, progress=shown)
    assert len(seen) >= FILES / 16
    assert seen[0] == 0
    assert seen == sorted(set(seen))
    assert seen[-1] < shown.counts["moved"] == summary.size


def test_what_is_equal_already_is_not_handed_out(box: Sandbox) -> None:
    paths = direct.list_dir("lst/d", recursive=True)
    direct.get_many(paths, "out", executor=Pickling())
    second = Pickling()
    assert direct.get_many(paths, "out", executor=second).skips == {"equal": FILES}
    assert second.travelled == []


def test_uploads_go_in_batches_too(box: Sandbox, small_batches: None) -> None:
    for name, content in EXPECTED.items():
        Path("run", name).parent.mkdir(parents=True, exist_ok=True)
        Path("run", name).write_bytes(content)
    summary = direct.put_many(sorted(NAMES), "home:up", base="run", executor=Pickling(), receipt="r.jsonl")
    assert summary.done == FILES
    assert {name: box.files.read(f"/lst/users/ada/up/{name}") for name in NAMES} == EXPECTED
    assert len(lines("r.jsonl")) == FILES
    assert direct.put_many(NAMES, "home:up", base="run").skips == {"equal": FILES}


def test_no_directory_is_made_for_local_files_that_do_not_exist(box: Sandbox) -> None:
    Path("run").mkdir()
    Path("run/here").write_bytes(b"1")
    with pytest.raises(PartialFailure, match="No such file") as caught:
        direct.put_many(["run/a", "sub/b", "here"], "home:none", base="run")
    assert len(caught.value.failures) == 2
    assert box.files.read("/lst/users/ada/none/here") == b"1"
    assert not box.files.exists("/lst/users/ada/none/run")
    assert not box.files.exists("/lst/users/ada/none/sub")


def test_one_path_is_one_file_and_not_its_letters(box: Sandbox) -> None:
    for one in ("lst/d/1/001", direct.stat("lst/d/1/005"), PurePosixPath("lst/d/1/009")):
        assert direct.get_many(one, "one", base="lst/d").done == 1
    assert sorted(files_below(Path("one"))) == ["1/001", "1/005", "1/009"]
    for one in ("1/001", Path("1/005")):
        assert direct.put_many(one, "home:one", base="one").done == 1
    assert box.files.exists("/lst/users/ada/one/1/005")


def test_a_path_that_is_no_listed_one_is_looked_up_and_one_outside_the_base_fails(box: Sandbox) -> None:
    with pytest.raises(PartialFailure) as caught:
        direct.get_many(["lst/d/1/001", "lst/d/none", "lst/e/x"], "out", base="lst/d", executor=Pickling())
    assert {type(error) for error in caught.value.failures} == {NotFound, UsageError}
    assert files_below(Path("out")) == {"1/001": b"1/001" * 3}


def test_a_broken_executor_is_made_anew_if_the_caller_says_how(box: Sandbox, small_batches: None) -> None:
    made: list[Dying] = []

    def make() -> Dying:
        made.append(Dying(lambda count: len(made) < 3 and count == 2))
        return made[-1]

    paths = direct.list_dir("lst/d", recursive=True)
    summary = direct.get_many(paths, "out", base="lst/d", executor=make, receipt="r.jsonl")
    assert len(made) == 3
    assert summary.done + summary.skipped == FILES
    assert files_below(Path("out")) == EXPECTED
    assert Counter(line["path"] for line in lines("r.jsonl")) == dict.fromkeys((f"lst/d/{name}" for name in NAMES), 1)


def test_this_process_moves_the_rest_if_a_given_executor_breaks(
    box: Sandbox, small_batches: None, caplog: pytest.LogCaptureFixture
) -> None:
    paths, shown = direct.list_dir("lst/d", recursive=True), Remarks()
    summary = direct.get_many(paths, "out", base="lst/d", executor=Dying(lambda count: count == 2), progress=shown)
    assert summary.done + summary.skipped == FILES
    assert files_below(Path("out")) == EXPECTED
    words = "the executor is broken, so this process moves the remaining files"
    assert shown.words == summary.remarks == [words]
    assert [(each.levelname, each.getMessage()) for each in caplog.records if each.levelname == "WARNING"] == [
        ("WARNING", words)
    ]


def test_a_batch_that_costs_every_worker_fails_and_the_run_ends(box: Sandbox) -> None:
    with pytest.raises(PartialFailure, match="no worker has finished it: BrokenExecutor: a worker has died"):
        direct.get_many(direct.list_dir("lst/d", recursive=True), "out", executor=lambda: Dying(lambda count: True))
    assert files_below(Path("out")) == {}


class Lost(Executor):
    """Its workers all die, as those of a cluster that kills them; the executor itself lasts."""

    def submit(self, function: Callable[..., object], /, *arguments: object, **named: object) -> Future[object]:
        future: Future[object] = Future()
        future.set_exception(RuntimeError("KilledWorker"))
        return future


@pytest.mark.parametrize("at_once", [1, 3])
def test_files_that_were_not_handed_out_fail_too_if_no_worker_lasts(
    box: Sandbox, small_batches: None, at_once: int
) -> None:
    paths = direct.list_dir("lst/d", recursive=True)
    with pytest.raises(PartialFailure, match=f"{FILES} of {FILES} failed") as caught:
        direct.get_many(paths, "out", base="lst/d", executor=Lost(), at_once=at_once, receipt="r.jsonl")
    reasons = Counter(error.what for error in caught.value.failures)
    tried = "no worker has finished it: RuntimeError: KilledWorker"
    assert reasons.keys() == {tried, f"it was not tried: {tried}"}
    assert Counter((line["path"], line["state"]) for line in lines("r.jsonl")) == dict.fromkeys(
        ((f"lst/d/{name}", "failed") for name in NAMES), 1
    )


def test_uploads_that_were_not_handed_out_fail_too(box: Sandbox, small_batches: None) -> None:
    for name, content in EXPECTED.items():
        Path("run", name).parent.mkdir(parents=True, exist_ok=True)
        Path("run", name).write_bytes(content)
    with pytest.raises(PartialFailure, match=f"{FILES} of {FILES} failed"):
        direct.put_many(sorted(NAMES), "home:up", base="run", executor=Lost(), at_once=1, receipt="r.jsonl")
    assert len(lines("r.jsonl")) == FILES


def test_a_needed_login_ends_the_run_and_every_file_fails(box: Sandbox, small_batches: None) -> None:
    paths, executor = direct.list_dir("lst/d", recursive=True), Pickling()
    Path(os.environ["BEARER_TOKEN_FILE"]).write_text(box.token(lifetime=-60))
    with pytest.raises(PartialFailure) as caught:
        direct.get_many(paths, "out", executor=executor, at_once=1, receipt="r.jsonl")
    assert [type(error) for error in caught.value.failures] == [LoginNeeded] * FILES
    assert len(executor.travelled) == 2  # one batch and its answer
    assert len({line["path"] for line in lines("r.jsonl")}) == len(lines("r.jsonl")) == FILES


def test_a_worker_that_cannot_begin_ends_the_run_and_every_file_fails(box: Sandbox, small_batches: None) -> None:
    class Elsewhere(Executor):
        def submit(self, function: Callable[..., object], /, *arguments: object, **named: object) -> Future[object]:
            future: Future[object] = Future()
            future.set_result(BatchResult(error=ConfigError("there is no profile sandbox")))
            return future

    paths = direct.list_dir("lst/d", recursive=True)
    with pytest.raises(PartialFailure) as caught:
        direct.get_many(paths, "out", executor=Elsewhere(), at_once=1, receipt="r.jsonl")
    assert [type(error) for error in caught.value.failures] == [ConfigError] * FILES
    assert len(lines("r.jsonl")) == FILES


@pytest.mark.parametrize(
    ("executor", "at_once", "words"),
    [("2", None, "the executor"), (2.5, None, "the executor"), (Lost, "2", "at_once"),
     (Lost, 1.5, "at_once"), (object, None, "the executor")],
)  # fmt: skip
def test_another_type_is_refused(box: Sandbox, executor: Any, at_once: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        direct.get_many(["lst/d/1/001"], "out", executor=executor, at_once=at_once)


def test_an_executor_that_forks_is_refused(box: Sandbox) -> None:
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as executor,
        pytest.raises(UsageError, match="this executor forks"),
    ):
        direct.get_many(["lst/d/1/001"], "out", executor=executor)


def test_a_killed_worker_process_costs_its_batch_again(box: Sandbox, small_batches: None) -> None:
    killed: list[int] = []
    rule = box.faults.add(
        "pool", "GET", "*", faults.Meanwhile(lambda: killed.append(kill_a_worker())), times=1, skip=20
    )
    paths = direct.list_dir("lst/d", recursive=True)
    summary = direct.get_many(paths, "out", base="lst/d", executor=LocalProcesses(2), receipt="r.jsonl")
    assert rule.hits == 1
    assert len(killed) == 1
    assert (summary.done + summary.skipped, summary.failed) == (FILES, [])
    assert files_below(Path("out")) == EXPECTED
    assert Counter(line["path"] for line in lines("r.jsonl")) == dict.fromkeys((f"lst/d/{name}" for name in NAMES), 1)


@pytest.mark.full("processes")
def test_this_process_and_another_one_share_the_files_and_the_limit_of_requests(
    box: Sandbox, small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_has_ended_one, own, shares = threading.Event(), list[int](), list[int]()
    report, take_all = Batches._report, task_queue.TaskQueue.take_all

    def note_report(batches: Batches, run: Run, *arguments: Any) -> None:
        report(batches, run, *arguments)
        other_has_ended_one.set()

    def take_all_then(found: task_queue.TaskQueue) -> Iterator[Task]:
        assert other_has_ended_one.wait(300)
        for task in take_all(found):
            own.append(task.size)
            yield task

    def note_share(limit: RequestLimit, processes: int) -> None:
        shares.append(processes)
        divide(limit, processes)

    divide = RequestLimit.divide
    monkeypatch.setattr(Batches, "_report", note_report)
    monkeypatch.setattr(task_queue.TaskQueue, "take_all", take_all_then)
    monkeypatch.setattr(RequestLimit, "divide", note_share)
    monkeypatch.setattr(helper_processes.MeasuredDemand, "count", lambda demand, taken, waiting: 7)
    monkeypatch.setattr(batch_transfer, "usable_processors", lambda: 2)
    paths = direct.list_dir("lst/d", recursive=True)
    summary = direct.get_many(paths, "out", base="lst/d", executor=8, receipt="r.jsonl")
    assert (summary.done, summary.failed) == (FILES, [])
    assert 0 < len(own) < FILES
    assert shares == [2, 1]
    assert files_below(Path("out")) == EXPECTED
    assert Counter(line["path"] for line in lines("r.jsonl")) == dict.fromkeys((f"lst/d/{name}" for name in NAMES), 1)


@pytest.mark.parametrize("are_small", [True, False])
def test_processes_that_make_the_run_slower_end_and_this_one_gets_the_whole_limit_back(
    box: Sandbox, small_batches: None, monkeypatch: pytest.MonkeyPatch, are_small: bool
) -> None:
    other_has_ended, shares, executor = threading.Event(), list[int](), Pickling()
    hand_out, take_all, divide = Batches.hand_out, task_queue.TaskQueue.take_all, RequestLimit.divide

    def note_end(batches: Batches, *arguments: Any) -> None:
        hand_out(batches, *arguments)
        other_has_ended.set()

    def take_all_then(found: task_queue.TaskQueue) -> Iterator[Task]:
        assert other_has_ended.wait(300)
        yield from take_all(found)

    def note_share(limit: RequestLimit, processes: int) -> None:
        shares.append(processes)
        divide(limit, processes)

    class InThreads(LocalProcesses):
        def __call__(self) -> Executor:
            return executor

    monkeypatch.setattr(Batches, "hand_out", note_end)
    monkeypatch.setattr(task_queue.TaskQueue, "take_all", take_all_then)
    monkeypatch.setattr(RequestLimit, "divide", note_share)
    monkeypatch.setattr(helper_processes.MeasuredDemand, "count", lambda demand, taken, waiting: 1)
    monkeypatch.setattr(helper_processes.MeasuredDemand, "is_slower", lambda demand, files: True)
    monkeypatch.setattr(batch_transfer, "usable_processors", lambda: 2)
    monkeypatch.setattr(batch_transfer, "LocalProcesses", InThreads)
    if not are_small:
        monkeypatch.setattr("ctadata.transfer.run.SMALL", 0)
    paths = direct.list_dir("lst/d", recursive=True)
    summary = direct.get_many(paths, "out", base="lst/d", executor=2, receipt="r.jsonl")
    assert (summary.done, summary.failed) == (FILES, [])
    first = 2 * batch_transfer.AHEAD  # the batches that they had, and their answers
    assert len(executor.travelled) == first if are_small else len(executor.travelled) > first
    assert shares == [2, 1]
    assert files_below(Path("out")) == EXPECTED
    assert Counter(line["path"] for line in lines("r.jsonl")) == dict.fromkeys((f"lst/d/{name}" for name in NAMES), 1)


def test_a_killed_worker_of_dask_costs_its_batch_again(analysis: Path, box: Sandbox, tmp_path: Path) -> None:
    pids, killed = tmp_path / "pids", list[int]()

    def kill() -> None:
        killed.append(int(pids.read_text().split()[0]))
        os.kill(killed[-1], signal.SIGKILL)

    rule = box.faults.add("pool", "GET", "*", faults.Meanwhile(kill), times=1, skip=20)
    script = Path(__file__).with_name("dask_many.py")
    program = [str(analysis), str(script), "local", "lst/d", "out", "r.jsonl", str(pids)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert rule.hits == len(killed) == 1
    counts = json.loads(done.stdout.splitlines()[-1])
    assert (counts["done"] + counts["skipped"], counts["failed"]) == (FILES, 0)
    assert files_below(Path("out")) == EXPECTED
    assert Counter(line["path"] for line in lines("r.jsonl")) == dict.fromkeys((f"lst/d/{name}" for name in NAMES), 1)


def test_the_processes_of_mpi_share_the_batches(cluster: Path, box: Sandbox) -> None:
    mpi = [str(cluster.with_name("mpiexec")), "-launcher", "fork", "-iface", "lo", "-n", "3"]
    script = Path(__file__).with_name("mpi_many.py")
    program = [*mpi, str(cluster), "-m", "mpi4py.futures", str(script), "lst/d", "out", "r.jsonl"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts == {"done": FILES, "skipped": 0, "failed": 0, "workers": 2}
    assert files_below(Path("out")) == EXPECTED
    assert Counter(line["path"] for line in lines("r.jsonl")) == dict.fromkeys((f"lst/d/{name}" for name in NAMES), 1)


def kill_a_worker() -> int:
    """Kill one process that this one has spawned, and return its id."""
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)
                return int(child)
    raise AssertionError("there is no worker")
