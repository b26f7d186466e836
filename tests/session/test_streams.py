"""Large files: several streams from one door request, and runs that resume earlier ones."""

import itertools
import os
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from session.conftest import OpenSession

from ctadata.errors import Changed, Forbidden, IntegrityError
from ctadata.http.timeouts import Limits
from ctadata.paths import RemotePath
from ctadata.sandbox import Sandbox, faults
from ctadata.session import Session
from ctadata.stores.base import Delivery
from ctadata.transfer import download_file, resume_journal, segmented_download, segments, sink
from ctadata.transfer import run as transfer_run
from ctadata.transfer.equality import Compare
from ctadata.transfer.local_dir import LocalDir
from ctadata.transfer.partial_file import SUFFIX, PartialFile
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import NullReporter

SIZE = 2_000_000
CONTENT = random.Random(3).randbytes(SIZE)
BLOCK = 20_000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make everything a hundredth of its size, and retry at once."""
    monkeypatch.setattr(segmented_download, "DIVIDED_FROM", 500_000)
    monkeypatch.setattr(resume_journal, "RESUMABLE_FROM", 4 * BLOCK)
    monkeypatch.setattr(sink, "PIECE", BLOCK // 2)
    monkeypatch.setattr(resume_journal, "BLOCK", BLOCK)
    monkeypatch.setattr(segments, "SMALLEST", 50_000)
    monkeypatch.setattr(segments, "GRID", BLOCK)
    monkeypatch.setattr(transfer_run, "FIRST_PAUSE", 0.001)


@pytest.fixture
def filled(box: Sandbox) -> Iterator[Sandbox]:
    box.files.put("/lst/f", CONTENT)
    return box


def gets(box: Sandbox, server: str) -> list[str | None]:
    return [dict(s.headers).get("Range") for s in box.seen if s.method == "GET" and s.server.startswith(server)]


def bytes_served(box: Sandbox) -> int:
    return sum(s.answer_bytes or 0 for s in box.seen if s.method == "GET" and s.server.startswith("pool"))


@pytest.mark.parametrize("jobs", [2, 8])
def test_several_streams_read_from_one_door_request(
    filled: Sandbox, session: Session, tmp_path: Path, jobs: int
) -> None:
    gate = filled.faults.add("pool", "GET", "/lst/f", faults.Stall(after=100_000), times=1)  # so that others join
    helped = threading.Event()

    class Watching(NullReporter):
        def moved(self, name: str, size: int) -> None:
            if len(gets(filled, "pool")) > 1:
                helped.set()
                gate.release()

    summary = session.get(["lst/f"], str(tmp_path / "f"), jobs=jobs, reporter=Watching())
    assert ([str(e) for e in summary.errors], summary.done) == ([], 1)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert helped.is_set()
    assert len(gets(filled, "door")) == 1
    assert len({s.target for s in filled.seen if s.method == "GET" and s.server.startswith("pool")}) == 1


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_stalled_stream_is_given_up_and_its_segment_fetched_again(
    filled: Sandbox, session: Session, tmp_path: Path, jobs: int
) -> None:
    """This takes no longer than the stall limit, whatever the other streams do; no byte is fetched twice."""
    session.store._client._transport.limits = Limits(stall_seconds=2)  # type: ignore[attr-defined]
    filled.faults.add("pool", "GET", "/lst/f", faults.Stall(after=100_000), times=1)
    moved: list[int] = []

    class Counting(NullReporter):
        def moved(self, name: str, size: int) -> None:
            moved.append(size)

    summary = session.get(["lst/f"], str(tmp_path / "f"), jobs=jobs, reporter=Counting())
    assert ([str(e) for e in summary.errors], summary.done) == ([], 1)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert sum(size for size in moved if size > 0) <= SIZE + jobs * BLOCK


def test_an_unreachable_pool_is_not_waited_for(
    filled: Sandbox, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []
    monkeypatch.setattr(session.store._client, "_sleep", naps.append)  # type: ignore[attr-defined]
    got = bytearray()

    class Into:
        def begin(self, delivery: Delivery) -> None:
            pass

        def write(self, block: bytes) -> None:
            got.extend(block)

    with session.store.open(RemotePath.parse("lst/f")) as reading:
        reading.send(Into(), 0, 1000)
        filled.stop_pool(0)
        reading.send(Into(), 1000, 2000)
        filled.stop_pool(1)
    assert (bytes(got), naps) == (CONTENT[:2000], [])


def test_with_one_stream_the_whole_file_is_requested_once(filled: Sandbox, session: Session, tmp_path: Path) -> None:
    session.get(["lst/f"], str(tmp_path / "f"), jobs=1)
    assert gets(filled, "pool") == [None]


@pytest.mark.parametrize(
    "fault", [faults.Flip(at=5000), faults.Cut(after=3000), faults.Short(by=1), faults.Cut(after=0)]
)
@pytest.mark.parametrize("skip", [0, 2])
def test_one_broken_stream_does_not_break_the_file(
    filled: Sandbox, session: Session, tmp_path: Path, fault: faults.Fault, skip: int
) -> None:
    filled.faults.add("pool", "GET", "/lst/f", fault, times=1, skip=skip)
    summary = session.get(["lst/f"], str(tmp_path / "f"))
    assert ([str(e) for e in summary.errors], summary.done) == ([], 1)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert [p.name for p in tmp_path.iterdir() if ".ctadata-" in p.name] == []


def test_a_flipped_byte_in_every_stream_is_never_published(filled: Sandbox, session: Session, tmp_path: Path) -> None:
    filled.faults.add("pool", "GET", "/lst/f", faults.Flip(at=100))
    summary = session.get(["lst/f"], str(tmp_path / "f"))
    assert isinstance(summary.errors[0], IntegrityError)
    assert [p.name for p in tmp_path.iterdir() if p.name == "f" or ".ctadata-" in p.name] == []


@pytest.mark.parametrize("jobs", [1, 4])
def test_the_next_run_resumes_where_the_last_one_ended(
    filled: Sandbox, open_session: OpenSession, tmp_path: Path, jobs: int
) -> None:
    first = open_session()

    class Stopping(NullReporter):
        received = 0

        def moved(self, name: str, size: int) -> None:
            self.received += size
            if self.received > 900_000:
                first.stop.set()

    first.get(["lst/f"], str(tmp_path / "f"), jobs=jobs, reporter=(stopping := Stopping()))
    assert not (tmp_path / "f").exists()
    assert 900_000 < stopping.received < SIZE

    received, left = 0, stopping.received

    class Counting(NullReporter):
        def moved(self, name: str, size: int) -> None:
            nonlocal received
            received += size

    summary = open_session().get(["lst/f"], str(tmp_path / "f"), jobs=jobs, reporter=Counting())
    assert summary.done == 1
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert SIZE - left <= received <= SIZE - left + jobs * BLOCK
    assert summary.resumed == SIZE - received
    assert [p.name for p in tmp_path.iterdir() if ".ctadata-" in p.name] == []


@pytest.mark.parametrize("size", [SIZE, 5 * BLOCK])
def test_a_file_that_changed_between_two_runs_starts_over(
    filled: Sandbox, open_session: OpenSession, tmp_path: Path, size: int
) -> None:
    """This holds even if the file is now shorter than the part."""
    _begin(filled, open_session, tmp_path)
    other = bytes(reversed(CONTENT[:size]))
    filled.files.put("/lst/f", other)
    summary = open_session().get(["lst/f"], str(tmp_path / "f"), jobs=1)
    assert (summary.done, summary.size, summary.resumed) == (1, size, 0)
    assert (tmp_path / "f").read_bytes() == other
    assert gets(filled, "pool")[-1] is None


def _begin(box: Sandbox, open_session: OpenSession, out: Path) -> None:
    """Run a download that ends in the middle of /lst/f."""
    box.faults.add("pool", "GET", "/lst/f", faults.Cut(after=300_000), times=1)
    box.faults.add("door", "GET", "/lst/f", faults.Status(403, "Forbidden"), skip=1)
    assert open_session().get(["lst/f"], str(out / "f"), jobs=1).done == 0
    box.faults.clear()
    assert len(list(out.glob(".ctadata-*"))) == 2


@pytest.mark.parametrize("source", ["lst/", "lst/f"])
def test_the_part_of_a_file_that_is_small_now_is_deleted(
    filled: Sandbox, open_session: OpenSession, tmp_path: Path, source: str
) -> None:
    out = tmp_path / "out"
    _begin(filled, open_session, out)
    filled.files.put("/lst/f", b"small")
    target = out if source.endswith("/") else out / "f"
    assert open_session().get([source], str(target), recursive=True).done == 1
    assert list(out.glob(".ctadata-*")) == []


@pytest.mark.parametrize("compare", [Compare.SIZE, Compare.CHECKSUM])
def test_the_part_of_a_file_that_is_complete_now_is_deleted(
    filled: Sandbox, open_session: OpenSession, tmp_path: Path, compare: Compare
) -> None:
    """The size tells it, or the checksum."""
    out = tmp_path / "out"
    _begin(filled, open_session, out)
    (out / "f").write_bytes(CONTENT)
    rules = Rules(compare=compare)
    assert open_session().get(["lst/"], str(out), recursive=True, rules=replace(rules, dry_run=True)).skipped == 1
    assert len(list(out.glob(".ctadata-*"))) == 2
    assert open_session().get(["lst/"], str(out), recursive=True, rules=rules).skipped == 1
    assert list(out.glob(".ctadata-*")) == []


def test_the_part_of_another_file_stays(filled: Sandbox, open_session: OpenSession, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _begin(filled, open_session, out)
    filled.files.put("/lst/other/g", b"small")
    assert open_session().get(["lst/other/"], str(out), recursive=True).done == 1
    assert len(list(out.glob(".ctadata-*"))) == 2


def test_a_part_that_somebody_made_longer_is_not_published(filled: Sandbox, session: Session, tmp_path: Path) -> None:
    def lengthen() -> None:
        [part] = tmp_path.glob(".ctadata-*.part")
        with part.open("r+b") as file:
            file.seek(SIZE)
            file.write(b"more")

    filled.faults.add("pool", "GET", "/lst/f", faults.Meanwhile(lengthen, after=100_000), times=1)
    assert session.get(["lst/f"], str(tmp_path / "f"), jobs=1).done == 1
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_file_that_changed_when_its_stream_broke_off_starts_over_at_once(
    filled: Sandbox, session: Session, tmp_path: Path
) -> None:
    other = bytes(reversed(CONTENT))
    change = faults.Meanwhile(lambda: filled.files.put("/lst/f", other), after=200_000)
    filled.faults.add("pool", "GET", "/lst/f", change, times=1)
    filled.faults.add("pool", "GET", "/lst/f", faults.Cut(after=300_000), times=1)
    assert session.get(["lst/f"], str(tmp_path / "f"), jobs=1).done == 1
    assert (tmp_path / "f").read_bytes() == other
    assert gets(filled, "pool") == [None, None]  # no byte of one version was fetched to complete another version


def test_a_file_that_changes_at_each_attempt_is_reported(filled: Sandbox, session: Session, tmp_path: Path) -> None:
    seeds = itertools.count(4)

    def change() -> None:
        filled.files.put("/lst/f", random.Random(next(seeds)).randbytes(SIZE))

    filled.faults.add("pool", "GET", "/lst/f", faults.Meanwhile(change, after=100_000))
    filled.faults.add("pool", "GET", "/lst/f", faults.Flip(at=1))
    [error] = session.get(["lst/f"], str(tmp_path / "f"), jobs=1).errors
    assert (type(error), error.exit_code) == (Changed, 5)
    assert list(tmp_path.glob(".ctadata-*")) == []


def test_no_stream_writes_into_a_closed_part(
    filled: Sandbox, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then, its descriptor's number may belong to another file."""
    session.store._client._transport.limits = Limits(stall_seconds=2)  # type: ignore[attr-defined]
    helping = filled.faults.add("pool", "GET", "/lst/f", faults.Stall(after=100_000), times=1, skip=1)
    meeting = faults.Meanwhile(lambda: helping.reached.wait(60), after=50_000)
    filled.faults.add("pool", "GET", "/lst/f", meeting, times=1)
    filled.faults.add("pool", "GET", "/lst/f", faults.Cut(after=60_000), times=1)
    filled.faults.add("door", "GET", "/lst/f", faults.Status(403, "Forbidden"), skip=1)
    files, left = list[segmented_download.SegmentedDownload](), list[int]()
    close = PartialFile.close

    class SegmentedDownload(segmented_download.SegmentedDownload):
        def fetch(self) -> None:
            files.append(self)
            super().fetch()

    def closing(part: PartialFile) -> None:
        left.append(len(files[0].segments._active))
        close(part)

    monkeypatch.setattr(download_file, "SegmentedDownload", SegmentedDownload)
    monkeypatch.setattr(PartialFile, "close", closing)
    [error] = session.get(["lst/f"], str(tmp_path / "f"), jobs=2).errors
    assert (type(error), helping.hits, left) == (Forbidden, 1, [0])


# --- the bytes of an earlier run are read back


def _harm(out: Path, at: int, content: bytes) -> None:
    [part] = out.glob(".ctadata-*.part")
    with part.open("r+b") as file:
        file.seek(at)
        file.write(content)


@pytest.mark.parametrize("tells", [True, False], ids=["adler32", "no checksum"])
@pytest.mark.parametrize("jobs", [1, 4])
@pytest.mark.parametrize(
    ("at", "content"),
    [(BLOCK + 5, b"7 bytes"), (2 * BLOCK, bytes(BLOCK)), (0, b"\0")],
    ids=["overwritten", "zeroed", "first"],
)
def test_only_damaged_bytes_of_a_part_are_fetched_again(
    filled: Sandbox,
    open_session: OpenSession,
    tmp_path: Path,
    jobs: int,
    at: int,
    content: bytes,
    tells: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """This holds even if the server has no checksum."""
    sessions = [open_session(), open_session()] if tells else [_mute(open_session), _mute(open_session)]
    filled.faults.add("pool", "GET", "/lst/f", faults.Cut(after=300_000), times=1)
    filled.faults.add("door", "GET", "/lst/f", faults.Status(403, "Forbidden"), skip=1)
    assert sessions[0].get(["lst/f"], str(tmp_path / "f"), jobs=1).done == 0
    filled.faults.clear()
    _harm(tmp_path, at, content)
    filled.forget_seen()
    summary = sessions[1].get(["lst/f"], str(tmp_path / "f"), jobs=jobs)
    assert ([str(e) for e in summary.errors], summary.done) == ([], 1)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert summary.resumed == 300_000 - BLOCK
    assert (
        sum(asked.last + 1 - asked.first for asked in filled.transfer_log.requested("/lst/f")) == SIZE - summary.resumed
    )
    assert filled.transfer_log.requested_twice("/lst/f") == []


def _mute(open_session: OpenSession) -> Session:
    """Return a session that asks for no checksum, as with a server that has none."""
    return open_session(kind="webdav")


@pytest.mark.parametrize("harmed", [False, True])
def test_a_complete_part_of_an_earlier_run_is_read_before_it_is_published(
    filled: Sandbox, open_session: OpenSession, tmp_path: Path, harmed: bool
) -> None:
    """The run was killed after its last byte, before the file got its name."""
    first = open_session()
    [entry] = [e for e in first.store.list(RemotePath(("lst",))) if e.path.name == "f"]
    with LocalDir.open(tmp_path) as folder:
        part = folder.open_resumable_part("f", resume_journal.version_of(entry))
        notes = part.block_writer(0)
        assert notes
        part.write(CONTENT, 0)
        notes.add(memoryview(CONTENT))
        notes.end()
        part.close()
    if harmed:
        _harm(tmp_path, SIZE - 1, b"?")
    filled.forget_seen()
    assert open_session().get(["lst/f"], str(tmp_path / "f")).done == 1
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert sum(asked.last + 1 - asked.first for asked in filled.transfer_log.requested("/lst/f")) == harmed * BLOCK


@pytest.mark.parametrize("plant", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("end", [resume_journal.SUFFIX, SUFFIX])
def test_no_odd_file_with_the_name_of_a_journal_or_part_stops_a_download(
    filled: Sandbox, open_session: OpenSession, tmp_path: Path, plant: Callable[[Path], None], end: str
) -> None:
    out = tmp_path / "out"
    _begin(filled, open_session, out)
    [path] = out.glob(f".ctadata-*{end}")
    path.unlink()
    plant(path)
    assert open_session().get(["lst/f"], str(out / "f")).done == 1
    assert (out / "f").read_bytes() == CONTENT
