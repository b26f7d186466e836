"""A door that counts requests, closes for a while, or breaks off: nothing is lost, and it gets few requests."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from ctadata.http import congestion
from ctadata.http.messages import Origin
from ctadata.sandbox import Sandbox, faults
from ctadata.session import Session

OpenSession = Callable[..., Session]
PATIENCE = 60.0


@pytest.fixture
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(approve=True, rate_limit=getattr(request, "param", False)) as box:
        yield box


@pytest.mark.parametrize(("box", "files"), [(True, 300), ("retry-after", 100)], indirect=["box"])
def test_a_door_that_counts_requests(box: Sandbox, files: int, session: Session, tmp_path: Path) -> None:
    for i in range(files):
        box.files.put(f"/lst/run/{i % 5}/f{i}", b"%d" % i)
    summary = session.get(["lst/run"], str(tmp_path / "out"), recursive=True)
    assert (summary.done, summary.exit_code) == (files, 0)
    assert all((tmp_path / f"out/run/{i % 5}/f{i}").read_bytes() == b"%d" % i for i in range(files))
    statuses = Counter(seen.status for seen in box.seen if seen.server == "door")
    assert statuses[429] <= 10


@pytest.mark.parametrize("box", [True], indirect=True)
def test_a_door_that_counts_uploads(box: Sandbox, session: Session, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for i in range(40):
        (tmp_path / f"run/{i}").write_bytes(b"%d" % i)
    summary = session.put([str(tmp_path / "run")], "up", recursive=True)
    assert (summary.done, summary.exit_code) == (40, 0)
    assert sum(seen.status == 429 for seen in box.seen) <= 10


def test_a_door_that_says_503_gets_no_requests_until_its_time(
    box: Sandbox, open_session: OpenSession, tmp_path: Path
) -> None:
    """The refusal of one request holds back all others, for the time that the door named.

    When the client reads the refusal, the eight requests in flight may have ended, and eight others may have begun.
    """
    for i in range(40):
        box.files.put(f"/lst/run/f{i}", b"x")
    box.faults.add("door", "GET", "*", faults.Status(503, "Closed", headers=(("Retry-After", "1"),)), times=2, skip=10)
    summary = open_session(jobs="8").get(["lst/run"], str(tmp_path / "out"), recursive=True)
    assert (summary.done, summary.exit_code) == (40, 0)
    door = [seen for seen in box.seen if seen.server == "door" and seen.method == "GET"]
    refused = next(i for i, seen in enumerate(door) if seen.status == 503)
    pause = next(i for i, (one, other) in enumerate(pairwise(door[refused:])) if other.at - one.at > 0.9)
    assert pause <= 16


class Meeting:
    """Requests that meet: each waits until `number` of them are there at once; afterwards none waits."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.here = self.most = 0
        self.change = threading.Condition()

    def come(self) -> None:
        with self.change:
            self.here += 1
            self.most = max(self.most, self.here)
            self.change.notify_all()
            assert self.change.wait_for(lambda: self.most >= self.number, PATIENCE)
        with self.change:
            self.here -= 1


@pytest.mark.parametrize("jobs", [4, 12])
def test_jobs_on_the_command_line_are_an_exact_number(
    jobs: int, box: Sandbox, open_session: OpenSession, tmp_path: Path
) -> None:
    meeting = Meeting(jobs)
    for i in range(60):
        box.files.put(f"/lst/run/f{i}", b"x")
    box.faults.add("door", "GET", "*", faults.Meanwhile(meeting.come))
    summary = open_session(jobs=str(jobs)).get(["lst/run"], str(tmp_path / "out"), recursive=True)
    assert (summary.done, meeting.most) == (60, jobs)


@pytest.mark.parametrize(("at_once", "share"), [(4, 2), (16, 1)])
def test_tasks_that_run_at_once_share_the_limit(
    at_once: int, share: int, box: Sandbox, open_session: OpenSession, tmp_path: Path
) -> None:
    meeting = Meeting(share)
    for i in range(40):
        box.files.put(f"/lst/run/f{i}", b"x")
    box.faults.add("door", "GET", "*", faults.Meanwhile(meeting.come))
    summary = open_session(at_once=at_once).get(["lst/run"], str(tmp_path / "out"), recursive=True)
    assert (summary.done, meeting.most) == (40, share)


def test_only_the_pool_that_breaks_off_gets_fewer_streams(
    box: Sandbox, open_session: OpenSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTADATA_JOBS", "8")
    session = open_session()
    monkeypatch.setattr(congestion, "SLOW_BY", math.inf)  # a busy machine makes both of them slow
    for i in range(24):
        box.files.put(f"/lst/run/f{i}", b"x" * 1000)
    session.get(["lst/run"], str(tmp_path / "before"), recursive=True)
    widths = session.store._client._transport.limiters.__getitem__  # type: ignore[attr-defined]
    door, pool = Origin.parse(box.door), Origin.parse(box.pools[0])
    assert (widths(door)._window.width, widths(pool)._window.width) == (8, 8)
    box.faults.add("pool1", "GET", "*", faults.Cut(after=500, reset=True), times=1)
    summary = session.get(["lst/run"], str(tmp_path / "after"), recursive=True)
    assert (summary.done, summary.exit_code) == (24, 0)
    assert widths(door)._window.width == 8
    assert widths(pool)._window.width < 8


def test_the_jobs_argument_comes_before_the_profiles_jobs(open_session: OpenSession) -> None:
    usual, asked = open_session(), open_session(jobs="5")
    rules = [usual.run(None, None).rules, usual.run(None, None, jobs=3).rules, asked.run(None, None).rules]
    assert [one.jobs for one in rules] == [8, 3, 5]
