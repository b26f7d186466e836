"""The faults between client, door, pool and local disk, for each way to move a file.

One table: the rows are faults, the columns are commands. Each cell is tried with a fault that occurs once, and with one
that lasts. A cell says how the command ends: its exit code, its words on stderr, and the hidden files that are left for
a later run. Meanwhile nothing wrong ever has a final name. If the command fails, all that was at the target is still
there, also what a sync was to delete. After the fault, the same command brings the file, and no hidden file is left on
either side.
"""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from session.matrix import COLUMNS, KEPT, SMALL, WELL, Ends, Strike, Trial, after, content, limited, on, quicken

from ctadata.sandbox import Sandbox
from ctadata.sandbox.faults import (
    Cut,
    Flip,
    Full,
    Long,
    LostAnswer,
    Meanwhile,
    Prealloc,
    Short,
    Stall,
    Status,
    WholeFile,
    WrongDigest,
    WrongRange,
)


@dataclass(frozen=True)
class Cell:
    """A fault, and how the command ends.

    name:  the name of the file.
    mends: whether the fault can be ended.
    worst: another possible end if the fault lasts and the streams need the door more than once each time.
    """

    strike: Strike
    once: Ends
    ever: Ends
    name: str = "f"
    mends: bool = True
    worst: Ends | None = None


CHANGED = Ends(5, "the file changed while it was read")


def passing(strike: Strike, ever: Ends) -> Cell:
    """A fault that is survived if it occurs once."""
    return Cell(strike, WELL, ever)


def lasting(strike: Strike, ends: Ends) -> Cell:
    """A fault without retry: once is as bad as for ever."""
    return Cell(strike, ends, ends)


def harmless(strike: Strike, worst: Ends | None = None) -> Cell:
    """A fault that is survived each time."""
    return Cell(strike, WELL, WELL, worst=worst)


# --- faults that the sandbox alone does not have ---


def pools_gone(trial: Trial, ever: bool) -> None:
    """One of the two pools refuses connections; if it lasts, both do."""
    for number in (0, 1) if ever else (0,):
        trial.box.stop_pool(number)
        trial.undo.append(lambda number=number: trial.box.start_pool(number))


def door_restarted(method: str) -> Strike:
    """The door goes away when it is asked, and comes back on the same port; if it lasts, it stays away."""

    def strike(trial: Trial, ever: bool) -> None:
        def go() -> None:
            trial.may_go_on.clear()
            trial.box.stop_door()
            if not ever:
                trial.box.start_door()
            trial.may_go_on.set()

        trial.box.faults.add("door", method, f"{trial.there}/*", Meanwhile(go), times=1)
        if ever:
            limited()(trial, ever)  # in a process of its own, so that the next run takes its left files for dead
            trial.undo.append(trial.box.start_door)

    return strike


def source_changes(server: str, method: str, *, at: int | None = None, size: int | None = None) -> Strike:
    """The file at the source is replaced by another one; if it lasts, at each look."""

    def strike(trial: Trial, ever: bool) -> None:
        seeds = itertools.count(2)

        def change() -> None:
            seed = next(seeds)
            trial.place(trial.up, trial.name, content(size or len(trial.new), seed), 1_600_000_000.0 + 60 * seed)

        on(server, method, Meanwhile(change, after=at))(trial, ever)

    return strike


def target_taken(trial: Trial, ever: bool) -> None:
    """Another program writes under the name just before the file is published."""

    def take() -> None:
        trial.place(not trial.up, trial.name, b"somebody else's")

    if trial.up:
        on("door", "MOVE", Meanwhile(take))(trial, ever)
    else:
        on("pool", "GET", Meanwhile(take, after=SMALL // 2))(trial, ever)


def disk_full(trial: Trial, ever: bool) -> None:
    """The file system has no room for bytes from 200 kB on (simulated; see also the real one below)."""
    real = os.pwrite

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        if offset + len(data) > 200_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data, offset)

    os.pwrite = pwrite
    trial.undo.append(lambda: setattr(os, "pwrite", real))


def read_only(trial: Trial, ever: bool) -> None:
    """Nobody may write into the local directory."""
    limited()(trial, ever)
    trial.here.chmod(0o555)
    trial.undo.append(lambda: trial.here.chmod(0o755))


def nothing(trial: Trial, ever: bool) -> None:
    """The fault exists from the start."""


def two_cases(trial: Trial, ever: bool) -> None:
    """Another file's name differs only in case; for file systems that confuse them see test_fault_matrix_case."""
    trial.place(trial.up, "F", b"the large F")


# --- the table ---

SAID_429 = Status(429, "Too Many Requests", b"Server is busy. Please try again later.")
WAIT_3, WAIT_LONG = (replace(SAID_429, headers=(("Retry-After", text),)) for text in ("3", "86400"))
BUSY = Ends(5, "the server is busy")
TEMPORARY = ("temporary",)
SECOND = on("pool", "GET", Cut(after=300_000))
"""The faults after which an undivided download asks for a range."""

SHORT = "the connection ended before the body did"
BROKE = "the connection ended in the middle of a body"
NO_RANGE = "an upload asks for no range"
TAKES_ALL = "a download takes no room on the storage"
ONE_NAME = "a single file's name differs from no other; sync has two"

TABLE: dict[str, Mapping[str, Cell | str]] = {
    "cut": {
        "get": harmless(on("pool", "GET", Cut(after=300_000))),
        "get divided": harmless(on("pool", "GET", Cut(after=300_000))),
        "put": passing(on("pool", "PUT", Cut(after=300_000)), Ends(5, BROKE)),
    },
    "reset": {
        "get": harmless(on("pool", "GET", Cut(after=300_000, reset=True))),
        "get divided": harmless(on("pool", "GET", Cut(after=300_000, reset=True))),
        "put": passing(on("pool", "PUT", Cut(after=300_000, reset=True)), Ends(5, BROKE)),
    },
    "cut before the first byte": {
        "get": passing(on("pool", "GET", Cut()), Ends(5, SHORT)),
        "get divided": passing(on("pool", "GET", Cut()), Ends(5, SHORT, KEPT)),
        "put": passing(on("pool", "PUT", Cut()), Ends(5, "the connection")),
    },
    "stall": {
        "get": harmless(on("pool", "GET", Stall(after=300_000))),
        "get divided": harmless(on("pool", "GET", Stall(after=300_000))),
        "put": passing(on("pool", "PUT", Stall(after=300_000)), Ends(124, "s of silence")),
    },
    "stall before the first byte": {
        "get": passing(on("pool", "GET", Stall()), Ends(124, "the transfer stalled")),
        "get divided": passing(on("pool", "GET", Stall()), Ends(124, "the transfer stalled", KEPT)),
        "put": passing(on("pool", "PUT", Stall()), Ends(124, "s of silence")),
    },
    "flip": {
        "get": passing(on("pool", "GET", Flip(at=123_456)), Ends(7, "the adler32 is")),
        "get divided": passing(on("pool", "GET", Flip(at=100_000)), Ends(7, "the adler32 is")),
        "put": passing(on("pool", "PUT", Flip(at=123_456)), Ends(7, "the adler32 is")),
    },
    "short": {
        "get": passing(on("pool", "GET", Short(by=1)), Ends(5, "1 bytes missing")),
        "get divided": passing(on("pool", "GET", Short(by=1 << 19)), Ends(5, SHORT, KEPT)),
        "put": "how long an upload is, we say ourselves; what a server keeps less of it, its digest shows: flip",
    },
    "long": {
        "get": passing(on("pool", "GET", Long(by=5, announced=True)), Ends(7, "700005 bytes arrived instead")),
        "get divided": passing(on("pool", "GET", Long(by=5, announced=True)), Ends(7, "")),
        "put": "how long an upload is, we say ourselves",
    },
    "long, not announced": {
        "get": harmless(on("pool", "GET", Long(by=5))),
        "get divided": harmless(on("pool", "GET", Long(by=5))),
        "put": "how long an upload is, we say ourselves",
    },
    "wrong digest": {
        "get": passing(on("pool", "GET", WrongDigest()), Ends(7, "its adler32 is")),
        "get divided": passing(on("pool", "GET", WrongDigest()), Ends(7, "its adler32 is")),
        "put": passing(on("pool", "PUT", WrongDigest()), Ends(7, "the adler32 is")),
    },
    "200 for 206": {
        "get": harmless(after(SECOND, on("pool", "GET", WholeFile(), skip=1))),
        "get divided": harmless(on("pool", "GET", WholeFile())),
        "put": NO_RANGE,
    },
    "wrong Content-Range": {
        "get": harmless(after(SECOND, on("pool", "GET", WrongRange(), skip=1))),
        "get divided": passing(on("pool", "GET", WrongRange()), Ends(7, "instead of the bytes")),
        "put": NO_RANGE,
    },
    "416": {
        "get": passing(
            after(SECOND, on("pool", "GET", Status(416, "Range Not Satisfiable"), skip=1)), Ends(7, "416 Range Not")
        ),
        "get divided": passing(on("pool", "GET", Status(416, "Range Not Satisfiable")), Ends(7, "416 Range Not")),
        "put": NO_RANGE,
    },
    "429": {
        "get": passing(on("door", "GET", SAID_429), BUSY),
        "get divided": passing(on("door", "GET", SAID_429), replace(BUSY, left=KEPT)),
        "put": passing(on("door", "PUT", SAID_429), BUSY),
    },
    "429 with Retry-After": {
        "get": Cell(on("door", "GET", WAIT_3), replace(WELL, slept=3), BUSY),
        "get divided": passing(on("door", "GET", WAIT_3), replace(BUSY, left=KEPT)),
        "put": Cell(on("door", "PUT", WAIT_3), replace(WELL, slept=3), BUSY),
    },
    "429 with a Retry-After beyond all patience": {
        "get": lasting(on("door", "GET", WAIT_LONG), BUSY),
        "get divided": lasting(on("door", "GET", WAIT_LONG), replace(BUSY, left=KEPT)),
        "put": lasting(on("door", "PUT", WAIT_LONG), BUSY),
    },
    "429 at a pool": {
        "get": passing(on("pool", "GET", SAID_429), BUSY),
        "get divided": passing(on("pool", "GET", SAID_429), replace(BUSY, left=KEPT)),
        "put": passing(on("pool", "PUT", SAID_429), BUSY),
    },
    "500 at the door": {
        "get": passing(on("door", "GET", Status(500, "Internal problem: x")), Ends(5, "500 Internal problem: x")),
        "get divided": passing(
            on("door", "GET", Status(500, "Internal problem: x")), Ends(5, "500 Internal problem: x", KEPT)
        ),
        "put": passing(on("door", "PUT", Status(500, "Internal problem: x")), Ends(5, "500 Internal problem: x")),
    },
    "500 at the pool": {
        "get": passing(on("pool", "GET", Status(500, "Disk error")), Ends(5, "500 Disk error")),
        "get divided": passing(on("pool", "GET", Status(500, "Disk error")), Ends(5, "500 Disk error", KEPT)),
        "put": passing(on("pool", "PUT", Status(500, "Disk error")), Ends(5, "500 Disk error")),
    },
    "500 at the last step": {
        "get": "a download's last step is local: disk full",
        "get divided": "a download's last step is local: disk full",
        "put": passing(on("door", "MOVE", Status(500, "Internal problem: y")), Ends(5, "500 Internal problem: y")),
    },
    "answer lost": {
        "get": "the answer to a download is its body: cut",
        "get divided": "the answer to a download is its body: cut",
        "put": passing(on("pool", "PUT", LostAnswer()), Ends(5, "the connection")),
    },
    "answer to the last step lost": {
        "get": "a download's last step is local",
        "get divided": "a download's last step is local",
        "put": harmless(on("door", "MOVE", LostAnswer())),
    },
    "507 at the door": {
        "get": TAKES_ALL,
        "get divided": TAKES_ALL,
        "put": lasting(
            on("door", "PUT", Status(507, "Insufficient storage: SER_QUOTA_EXCEEDED")), Ends(11, "SER_QUOTA_EXCEEDED")
        ),
    },
    "507 at the pool, in the middle": {
        "get": TAKES_ALL,
        "get divided": TAKES_ALL,
        "put": lasting(on("pool", "PUT", Full(after=300_000)), Ends(11, "No space left on device")),
    },
    "pool without room from the start": {
        "get": TAKES_ALL,
        "get divided": TAKES_ALL,
        "put": lasting(on("pool", "PUT", Prealloc()), Ends(11, "Failed to preallocate space")),
    },
    "pool gone": {
        "get": passing(pools_gone, Ends(5, "no connection")),
        "get divided": passing(pools_gone, Ends(5, "no connection", KEPT)),
        "put": passing(pools_gone, Ends(5, "no connection")),
    },
    "door restarted": {
        "get": passing(door_restarted("GET"), Ends(5, "no connection")),
        "get divided": passing(door_restarted("GET"), Ends(5, "no connection")),
        "put": passing(door_restarted("PUT"), Ends(5, "no connection", TEMPORARY)),
    },
    "login refused": {
        "get": lasting(on("door", "GET", Status(401, "login failed")), Ends(4, "401 login failed")),
        "get divided": lasting(on("door", "GET", Status(401, "login failed")), Ends(4, "401 login failed", KEPT)),
        "put": lasting(on("door", "PUT", Status(401, "login failed")), Ends(4, "401 login failed")),
    },
    "forbidden": {
        "get": lasting(on("door", "GET", Status(403, "Forbidden")), Ends(4, "not allowed: 403")),
        "get divided": lasting(on("door", "GET", Status(403, "Forbidden")), Ends(4, "not allowed: 403", KEPT)),
        "put": lasting(on("door", "PUT", Status(403, "Forbidden")), Ends(4, "not allowed: 403")),
    },
    "changed between listing and reading": {
        "get": harmless(source_changes("door", "GET"), worst=CHANGED),
        "get divided": harmless(source_changes("door", "GET"), worst=CHANGED),
        "put": "a local file is looked at when it is open",
    },
    "changed in size between listing and reading": {
        "get": harmless(source_changes("door", "GET", size=SMALL + 1), worst=CHANGED),
        "get divided": harmless(source_changes("door", "GET", size=SMALL + 1), worst=CHANGED),
        "put": "a local file is looked at when it is open",
    },
    "changed while it is read": {
        "get": harmless(source_changes("pool", "GET", at=300_000)),
        "get divided": passing(source_changes("pool", "GET", at=300_000), CHANGED),
        "put": lasting(source_changes("door", "PUT"), Ends(11, "the file changed while it was read")),
    },
    "name taken meanwhile": {
        "get": harmless(target_taken),
        "get divided": harmless(target_taken),
        "put": harmless(target_taken),
    },
    "local disk full": {
        "get": lasting(disk_full, Ends(11, "local: No space left on device")),
        "get divided": lasting(disk_full, Ends(11, "local: No space left on device", KEPT)),
        "put": "an upload writes nothing here",
    },
    "file larger than the local disk takes": {
        "get": lasting(limited(RLIMIT_FSIZE=200_000), Ends(11, "local: File too large")),
        "get divided": "a command of its own divides files from 64 MiB on: local disk full",
        "put": "an upload writes nothing here",
    },
    "target read-only": {
        "get": lasting(read_only, Ends(11, "local: Permission denied")),
        "get divided": "the part is made before anybody can help",
        "put": "what may not be written to on the storage, the door says: forbidden",
    },
    "name too long": {
        "get": replace(lasting(nothing, Ends(11, "local: File name too long")), name="n" * 300, mends=False),
        "get divided": "the name is looked at before it is known that others may help",
        "put": lasting(on("door", "MOVE", Status(414, "URI Too Long")), Ends(1, "the name is too long")),
    },
    "names that differ in case only": {
        "get": ONE_NAME,
        "get divided": ONE_NAME,
        "put": ONE_NAME,
        "sync down": harmless(two_cases),
        "sync up": harmless(two_cases),
    },
    "listing fails": {
        "get": "what one file is, a PROPFIND of it says",
        "get divided": "what one file is, a PROPFIND of it says",
        "put": "what one file is, a PROPFIND of it says",
        "sync down": passing(on("door", "PROPFIND", Status(500, "Oh")), Ends(5, "500 Oh")),
        "sync up": passing(on("door", "PROPFIND", Status(500, "Oh")), Ends(5, "500 Oh")),
    },
}

QUICK = {
    ("cut", "get", True), ("cut", "get divided", True), ("cut", "put", False), ("cut", "sync up", True),
    ("cut before the first byte", "get divided", True),
    ("stall", "get divided", False),
    ("flip", "get", True), ("flip", "get divided", False), ("flip", "sync up", True),
    ("short", "sync down", True), ("long", "get", True),
    ("200 for 206", "get divided", True), ("200 for 206", "get", True),
    ("wrong Content-Range", "get divided", True), ("416", "get divided", True),
    ("429", "put", True), ("429 with Retry-After", "get", False),
    ("500 at the door", "sync down", True), ("500 at the pool", "get divided", True),
    ("500 at the last step", "put", True),
    ("507 at the pool, in the middle", "put", True), ("507 at the door", "sync up", True),
    ("pool gone", "get", True), ("pool gone", "put", False),
    ("door restarted", "get", False), ("door restarted", "sync up", False),
    ("changed in size between listing and reading", "get", False), ("changed while it is read", "get divided", True),
    ("changed while it is read", "put", True),
    ("local disk full", "get divided", True), ("target read-only", "get", True), ("name too long", "sync down", True),
    ("names that differ in case only", "sync down", False), ("listing fails", "sync down", True),
}  # fmt: skip
"""Cells that every run of the suite tries."""


def cell_of(row: str, column: str) -> Cell | str:
    """Return a cell of the table.

    sync moves a file as get and put do, and ends with 6, because another file succeeds.
    """
    cells = TABLE[row]
    if column in cells:
        return cells[column]
    cell = cells["get" if column == "sync down" else "put"]
    if isinstance(cell, str):
        return cell
    once, ever, worst = (
        end if end is None or end.well else replace(end, code=6) for end in (cell.once, cell.ever, cell.worst)
    )
    return replace(cell, once=once, ever=ever, worst=worst)


def tries() -> Iterator[object]:
    """Return every cell that says how the command ends."""
    for row, column, ever, old in itertools.product(TABLE, COLUMNS, (False, True), (True, False)):
        cell = cell_of(row, column)
        if isinstance(cell, Cell) and (old or cell.name == "f" or cell.mends):
            label = f"{row}, {'for ever' if ever else 'once'}: {column}, {'old' if old else 'new'}"
            quick = old and (row, column, ever) in QUICK
            marks = [] if quick else [pytest.mark.full("matrix")]
            yield pytest.param(row, column, ever, old and cell.mends, id=label, marks=marks)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(approve=True) as box:
        yield box


@pytest.fixture
def settings(box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox in the environment."""
    config = tmp_path / "config.toml"
    config.write_text(f'default = "sandbox"\n{box.profile_toml()}')
    monkeypatch.setenv("CTADATA_CONFIG", str(config))
    monkeypatch.setenv("BEARER_TOKEN", box.token(lifetime=3600))


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(("row", "column", "ever", "old"), list(tries()))
def test_a_command_under_what_goes_wrong(
    box: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    row: str,
    column: str,
    ever: bool,
    old: bool,
) -> None:
    cell = cell_of(row, column)
    assert isinstance(cell, Cell)
    there = f"/lst/users/ada/{next(NUMBERS)}"
    trial = Trial(column, box, tmp_path / "here", there, old=old, name=cell.name)
    quicken(monkeypatch, trial, stalls="stall" in row)
    trial.prepare()
    before = trial.stands(not trial.up)
    try:
        cell.strike(trial, ever)
        code, said = trial.run(capsys)
    finally:
        box.faults.clear()
        for undo in reversed(trial.undo):
            undo()
    ends = cell.ever if ever else cell.once
    if ever and cell.worst and code == cell.worst.code:
        ends = cell.worst
    if ends.well:
        check_all_is_well(trial, code, said)
    else:
        assert (code, trial.stands(not trial.up), trial.left()) == (ends.code, before, ends.left), said
        assert ends.words in said
        assert "unexpected" not in said
    assert max(trial.slept, default=0.0) >= ends.slept
    if cell.mends:
        check_all_is_well(trial, *trial.run(capsys))
        assert trial.stands(not trial.up)[trial.name] == trial.stands(trial.up)[trial.name]


NUMBERS = itertools.count()


def check_all_is_well(trial: Trial, code: int, said: str) -> None:
    """Check that the target has the file, that nothing to be deleted is there, and that no hidden file is left."""
    assert code == 0, said
    assert trial.stands(not trial.up)[trial.name] in trial.versions
    if trial.sync and len(trial.versions) == 1:
        assert trial.stands(True) == trial.stands(False)
    assert trial.left() == ()


def test_each_cell_of_the_table_expects_something() -> None:
    for row in TABLE:
        for column in COLUMNS:
            cell = cell_of(row, column)
            assert isinstance(cell, Cell) or len(cell.split()) > 4, (row, column)
    assert {(row, column) for row, column, _ in QUICK if isinstance(cell_of(row, column), str)} == set()


IN_ITS_OWN_SPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
FULL = """
set -e
mount -t tmpfs -o size=1m none "$1"; cd "$1"
printf old > f; dd if=/dev/zero of=filler bs=1024 count=900 status=none
set +e
"$2" -m ctadata get "$3" f; code=$?
ls -A; cat f; exit $code
"""


@pytest.mark.full("matrix")
@pytest.mark.usefixtures("settings")
def test_a_file_system_that_is_really_full(box: Sandbox, tmp_path: Path) -> None:
    subprocess.run([*IN_ITS_OWN_SPACE, "true"], check=True, timeout=60)
    (tmp_path / "small").mkdir()
    there = f"/lst/users/ada/{next(NUMBERS)}/f"
    box.files.put(there, content(SMALL))
    argv = [*IN_ITS_OWN_SPACE, FULL, "sh", str(tmp_path / "small"), sys.executable, there]
    done = subprocess.run(argv, capture_output=True, timeout=60, check=False, text=True)
    assert (done.returncode, done.stdout) == (11, "f\nfiller\nold"), done.stderr
    assert "local: No space left on device" in done.stderr
