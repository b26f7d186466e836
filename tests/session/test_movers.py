"""The streams of one file share a mover of the pool: none is broken off, and an ended mover is not waited for."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from session.conftest import OpenSession

from ctadata.http.timeouts import Limits
from ctadata.sandbox import Sandbox, faults
from ctadata.sandbox.transfer_log import BrokenConnection, RangeRequest
from ctadata.session import Session
from ctadata.transfer import resume_journal, segmented_download, segments, sink
from ctadata.transfer import run as transfer_run
from ctadata.transfer.report import NullReporter, Outcome
from ctadata.transfer.streams import stream_range_to

PATH = "/lst/f"
MIB = 1 << 20
CONTENT = random.Random(3).randbytes(1 << 16) * 384
SIZE = len(CONTENT)
SMALL = [(segmented_download, "DIVIDED_FROM", 4 * MIB), (segments, "SMALLEST", MIB // 2), (segments, "GRID", MIB // 4)]
SMALL += [(resume_journal, "BLOCK", MIB // 4), (sink, "PIECE", MIB // 16)]
NEVER = 600.0
"""Seconds of a limit that a test must not meet."""


@pytest.fixture(scope="module")
def shared_box() -> Iterator[Sandbox]:
    with Sandbox(approve=True) as box:
        yield box


@pytest.fixture
def box(shared_box: Sandbox) -> Iterator[Sandbox]:
    shared_box.files.put(PATH, CONTENT)
    shared_box.forget_seen()
    yield shared_box
    shared_box.faults.clear()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ranges a sixteenth of their size, and retry at once."""
    for module, name, value in SMALL:
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(transfer_run, "FIRST_PAUSE", 0.001)


@pytest.fixture
def session(open_session: OpenSession, small: None) -> Session:
    session = open_session()
    session.store._client._transport.limits = Limits(stall_seconds=NEVER, mover_probe=0.3)  # type: ignore[attr-defined]
    return session


class Told(NullReporter):
    """A reporter that keeps the outcomes of the run."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def ended(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def get(session: Session, target: Path, jobs: int) -> Outcome:
    summary = session.get(["lst/f"], str(target), jobs=jobs, reporter=(told := Told()))
    assert [str(error) for error in summary.errors] == []
    assert target.read_bytes() == CONTENT
    return told.outcomes[0]


def door_requests(box: Sandbox) -> int:
    return sum(seen.method == "GET" and seen.server == "door" for seen in box.seen)


def questions(box: Sandbox) -> list[RangeRequest]:
    """The requests for `bytes=0-0` by which a silent stream asks after its mover."""
    return [asked for asked in box.transfer_log.requested(PATH) if (asked.first, asked.last) == (0, 0)]


def broken_off(box: Sandbox) -> list[BrokenConnection]:
    """The connections to movers of this run that broke off; the pool may learn late of those of a killed run."""
    movers = {asked.uuid for asked in box.transfer_log.requested(PATH)}
    return [broken for broken in box.transfer_log.broken(PATH) if broken.uuid in movers]


@pytest.mark.parametrize("jobs", [1, 2, 4, 8, 16])
def test_no_byte_is_asked_for_twice_and_no_connection_broken_off(
    box: Sandbox, session: Session, tmp_path: Path, jobs: int
) -> None:
    session.store._client._transport.limits = Limits(mover_probe=600)  # type: ignore[attr-defined]  # a busy machine is no silence
    outcome = get(session, tmp_path / "f", jobs)
    assert (outcome.retries, door_requests(box)) == (0, 1)
    assert box.transfer_log.requested_twice(PATH) == []
    assert sum(asked.last + 1 - asked.first for asked in box.transfer_log.requested(PATH)) == SIZE
    assert (box.transfer_log.broken(), box.transfer_log.failed) == ([], [])


def test_the_mover_ends_with_the_file_though_the_session_goes_on(
    box: Sandbox, session: Session, tmp_path: Path
) -> None:
    get(session, tmp_path / "f", 4)
    movers = [pool.movers._movers for pool in box._pools]
    while any(movers):
        os.sched_yield()
    assert box.transfer_log.failed == []


@pytest.mark.parametrize("fault", [faults.FailedMover(after=300_000), faults.Cut(after=300_000)])
@pytest.mark.parametrize("jobs", [1, 2, 4, 8, 16])
def test_streams_whose_mover_ended_ask_the_door_again(
    box: Sandbox, session: Session, tmp_path: Path, jobs: int, fault: faults.Fault
) -> None:
    """This holds even if the pool does not close the connections; the stall limit would be ten minutes."""
    box.faults.add("pool", "GET", PATH, fault, times=1, skip=jobs // 2)
    get(session, tmp_path / "f", jobs)
    assert len({asked.uuid for asked in box.transfer_log.requested(PATH)}) <= 3
    assert door_requests(box) <= 3


def test_a_pool_that_is_slow_is_not_taken_for_dead(box: Sandbox, session: Session, tmp_path: Path) -> None:
    slow = box.faults.add("pool", "GET", PATH, faults.Stall(after=300_000), times=1)
    threading.Thread(target=lambda: _after(box, lambda: bool(questions(box)), slow.release), daemon=True).start()
    outcome = get(session, tmp_path / "f", 4)
    assert (outcome.retries, door_requests(box)) == (0, 1)
    assert (box.transfer_log.broken(), box.transfer_log.failed) == ([], [])
    assert len({asked.connection for asked in questions(box)}) == len(questions(box))
    others = {asked.connection for asked in box.transfer_log.requested(PATH) if asked not in questions(box)}
    assert not others & {asked.connection for asked in questions(box)}


def _after(box: Sandbox, happened: Callable[[], bool], do: Callable[[], object]) -> None:
    box.wait_for(lambda _: happened(), 60)
    do()


def test_a_pool_that_does_not_answer_is_given_up(box: Sandbox, session: Session, tmp_path: Path) -> None:
    box.faults.add("pool", "GET", PATH, faults.Silence(after=300_000), times=1)
    box.faults.add("pool", "GET", PATH, faults.NoAnswer(), times=1, skip=1)
    get(session, tmp_path / "f", 1)
    assert door_requests(box) == 2


def test_a_stream_that_is_silent_for_too_long_ends_all_streams_of_its_mover(
    box: Sandbox, session: Session, tmp_path: Path
) -> None:
    """Only one connection is silent, and the pool answers: only the stall limit ends the stream."""
    session.store._client._transport.limits = Limits(stall_seconds=1.0, mover_probe=0.3)  # type: ignore[attr-defined]
    box.faults.add("pool", "GET", PATH, faults.Silence(after=300_000), times=1)
    get(session, tmp_path / "f", 4)
    assert questions(box)
    assert door_requests(box) == 2


def test_a_run_that_is_stopped_leaves_no_mover(box: Sandbox, session: Session, tmp_path: Path) -> None:
    class Stopping(NullReporter):
        def moved(self, name: str, size: int) -> None:
            session.stop.set()

    box.faults.add("pool", "GET", PATH, faults.Stall(after=300_000), skip=1)
    session.get(["lst/f"], str(tmp_path / "f"), jobs=4, reporter=Stopping())
    movers = [pool.movers._movers for pool in box._pools]
    box.faults.clear()
    while any(movers):
        os.sched_yield()
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize("fault", [faults.FailedMover(after=300_000), faults.Cut(after=300_000)])
def test_a_broken_range_read_is_resumed_at_the_door(box: Sandbox, session: Session, fault: faults.Fault) -> None:
    """`cat --range` reads in this way."""
    box.faults.add("pool", "GET", PATH, fault, times=1)
    got = bytearray()
    stream_range_to(session.store, session.store.info(session.resolve("lst/f")), 1000, 2 * MIB, got.extend)
    assert bytes(got) == CONTENT[1000 : 2 * MIB]
    assert door_requests(box) == 2


# --- killed and resumed


KILLED = """
import sys
from ctadata.transfer import resume_journal, segmented_download, segments, sink
for line in sys.argv.pop(1).split(";"):
    exec(line)
from ctadata.__main__ import main
main()
"""


def killed(box: Sandbox, environ: dict[str, str], target: Path, jobs: int, at: int, skip: int, *, small: bool) -> None:
    """Run a `get` that is killed when its `skip`th request has received `at` bytes."""
    lines = [f"{module.__name__.rpartition('.')[2]}.{name} = {value}" for module, name, value in SMALL if small]
    command = [sys.executable, "-c", KILLED, ";".join(lines), "get", "-j", str(jobs), "lst/f", str(target)]
    begun = threading.Event()
    process: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        begun.wait(60)
        process[0].send_signal(signal.SIGKILL)

    box.faults.add("pool", "GET", PATH, faults.Meanwhile(kill, after=at), times=1, skip=skip)
    environ = {**environ, "BEARER_TOKEN": box.token()}  # with a long count, one kill may fail
    process.append(subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL))
    begun.set()
    assert process[0].wait(120) == -signal.SIGKILL
    box.faults.clear()
    for asked in {asked.uuid for asked in box.transfer_log.requested(PATH)}:
        box.transfer_log.wait_for_failure(asked, 60)


@pytest.fixture
def environ(box: Sandbox, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "settings.toml").write_text(f'default = "sandbox"\n{box.profile_toml("sandbox")}')
    return {**os.environ, "CTADATA_CONFIG": str(tmp_path / "settings.toml")}


@pytest.mark.parametrize("jobs", [1, 8])
def test_after_a_kill_only_the_missing_bytes_are_requested_once(
    box: Sandbox, session: Session, environ: dict[str, str], tmp_path: Path, jobs: int
) -> None:
    at, skip = (SIZE // 2, 0) if jobs == 1 else (MIB // 4, 20)
    killed(box, environ, tmp_path / "f", jobs, at, skip, small=True)
    box.forget_seen()
    outcome = get(session, tmp_path / "f", jobs)
    asked = box.transfer_log.requested(PATH)
    assert [second for _, second in box.transfer_log.requested_twice(PATH) if second.last] == []
    assert outcome.resumed
    # a request for the first byte alone ends an opened mover that has nothing left to send
    assert sum(each.last + 1 - each.first for each in asked if each.last) == SIZE - outcome.resumed
    assert (outcome.retries, door_requests(box), broken_off(box)) == (0, 1, [])


@pytest.mark.soak
@pytest.mark.parametrize("kill", [False, True], ids=["whole", "killed"])
def test_a_large_file_is_killed_and_resumed_many_times(
    box: Sandbox,
    open_session: OpenSession,
    environ: dict[str, str],
    tmp_path: Path,
    count: Callable[..., int],
    rng: random.Random,
    kill: bool,
) -> None:
    """Everything has its full size, as in the program itself, with eight streams."""
    size = count(96 * MIB, 400 * MIB)
    box.files.put(PATH, CONTENT[: 1 << 16] * (size >> 16))
    for turn in range(count(1, 50)):
        target = tmp_path / str(turn)
        if kill:
            killed(box, environ, target, 8, rng.randrange(1, 8 * MIB), rng.randrange(count(3, 20)), small=False)
            box.forget_seen()
        session = open_session()
        began = time.monotonic()
        summary = session.get(["lst/f"], str(target), jobs=8, reporter=(told := Told()))
        print(f"{turn}: {time.monotonic() - began:.2f} s, {summary.resumed / MIB:.0f} MiB resumed")
        session.close()
        assert [str(error) for error in summary.errors] == []
        assert target.stat().st_size == size
        assert (told.outcomes[0].retries, door_requests(box)) == (0, 1)
        assert (box.transfer_log.requested_twice(PATH), broken_off(box)) == ([], [])
        asked = sum(asked.last + 1 - asked.first for asked in box.transfer_log.requested(PATH))
        assert asked == size - summary.resumed
        target.unlink()
        box.forget_seen()
