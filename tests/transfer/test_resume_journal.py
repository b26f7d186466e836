"""What a killed run has left, and what the next one may believe of it."""

import contextlib
import errno
import fcntl
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata import system
from ctadata.entries import Entry, Kind
from ctadata.paths import RemotePath
from ctadata.transfer import local_dir, resume_journal, temp_names
from ctadata.transfer.local_dir import LocalDir
from ctadata.transfer.partial_file import PartialFile

CONTENT = bytes(range(256)) * 100
ENTRY = Entry(RemotePath(("f",)), Kind.FILE, len(CONTENT), 1e9, '"v1"')
VERSION = resume_journal.version_of(ENTRY)
HERE = [
    resume_journal.Block(0, 1000, zlib.crc32(CONTENT[:1000])),
    resume_journal.Block(5000, 9000, zlib.crc32(CONTENT[5000:9000])),
]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[LocalDir]:
    with LocalDir.open(tmp_path) as folder:
        yield folder


def begin(folder: LocalDir) -> PartialFile:
    """A part with two pieces in it, as a run that is killed now leaves it."""
    part = folder.open_resumable_part("f", VERSION)
    for block in HERE:
        write(part, block.start, block.stop)
    return part


def write(part: PartialFile, start: int, stop: int) -> None:
    """What a stream writes, in steps that fit no block."""
    notes = part.block_writer(start)
    assert notes
    for at in range(start, stop, 700):
        content = memoryview(CONTENT)[at : min(at + 700, stop)]
        part.write(content, at)
        notes.add(content)
    notes.end()


def kill(part: PartialFile) -> None:
    """What the end of a process does: its descriptors close."""
    assert part.journal
    os.close(part.fd)
    os.close(part.journal.fd)


def names(folder: LocalDir) -> list[str]:
    return sorted(os.listdir(folder.path))


def journal_file(folder: LocalDir) -> Path:
    return next(folder.path.glob("*" + resume_journal.SUFFIX))


def test_the_next_run_knows_the_blocks(folder: LocalDir) -> None:
    kill(begin(folder))
    part = folder.open_resumable_part("f", VERSION)
    assert part.blocks == HERE
    part.remove()
    assert names(folder) == []


def test_a_later_line_of_a_block_replaces_an_earlier_one(folder: LocalDir) -> None:
    part = begin(folder)
    longer = resume_journal.Block(0, 2000, zlib.crc32(CONTENT[:2000]))
    write(part, 0, 2000)
    kill(part)
    part = folder.open_resumable_part("f", VERSION)
    assert part.blocks == [longer, HERE[1]]
    part.remove()


@pytest.mark.parametrize("change", [{"size": 7}, {"etag": '"v2"'}, {"mtime": 1e9 + 1}, {"path": "/g"}])
def test_the_blocks_of_another_version_are_ignored(folder: LocalDir, change: dict[str, object]) -> None:
    kill(begin(folder))
    part = folder.open_resumable_part("f", {**VERSION, **change})
    assert part.blocks == []
    part.remove()


@pytest.mark.parametrize(
    "damage", ["", "{", "[]\n", '{"version": 1}\n', "\x00" * 100, '{"by": "x", "boot": 1}\n0 1 1\n']
)
def test_a_damaged_journal_is_no_journal(folder: LocalDir, damage: str) -> None:
    kill(begin(folder))
    journal_file(folder).write_text(damage)
    part = folder.open_resumable_part("f", VERSION)
    assert part.blocks == []
    part.remove()


@pytest.mark.parametrize(
    "line", ["9000 999999999 1\n", "-5 3 1\n", "3000 2000 1\n", "500 700 1\n", "9000 9500 12", "a b c\n"]
)
def test_invalid_lines_are_ignored(folder: LocalDir, line: str) -> None:
    kill(begin(folder))
    with journal_file(folder).open("a") as file:
        file.write(line)
    part = folder.open_resumable_part("f", VERSION)
    assert part.blocks == HERE
    part.remove()


def test_a_stream_notes_blocks_that_end_on_the_grid(folder: LocalDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume_journal, "BLOCK", 2000)
    part = folder.open_resumable_part("f", VERSION)
    write(part, 1500, 7000)
    kill(part)
    part = folder.open_resumable_part("f", VERSION)
    edges = [1500, 2000, 4000, 6000, 7000]
    assert [(block.start, block.stop) for block in part.blocks] == list(itertools.pairwise(edges))
    assert [part.read_block(block) for block in part.blocks] == [CONTENT[b.start : b.stop] for b in part.blocks]
    part.remove()


@pytest.mark.parametrize(
    "harm",
    [
        lambda fd: os.pwrite(fd, b"7 bytes", 6000),
        lambda fd: os.pwrite(fd, bytes(4000), 5000),
        lambda fd: os.pwrite(fd, CONTENT[6001:6002] + CONTENT[6000:6001], 6000),
        lambda fd: os.ftruncate(fd, 8999),
    ],
    ids=["overwritten", "zeroed", "swapped", "cut"],
)
def test_changed_bytes_of_a_part_are_noticed(folder: LocalDir, harm: Callable[[int], object]) -> None:
    part = begin(folder)
    harm(part.fd)
    kill(part)
    part = folder.open_resumable_part("f", VERSION)
    assert [part.read_block(block) is not None for block in part.blocks] in ([True, False], [True])
    part.remove()


# --- what has the journal's name, and is none


def fifo(path: Path) -> None:
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.mkdir()
    (path / "full").touch()


def link(path: Path) -> None:
    good = path.with_name("elsewhere")
    good.write_bytes(GOOD[0])
    path.symlink_to(good)


def second_name(path: Path) -> None:
    good = path.with_name("elsewhere")
    good.write_bytes(GOOD[0])
    path.hardlink_to(good)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.write(GOOD[0])
        file.truncate(1 << 40)


def deep(path: Path) -> None:
    path.write_text('{"version":' * 20_000 + "\n")


def socket_file(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(path.parent):
        server.bind(path.name)


GOOD = [b""]


@pytest.mark.parametrize("plant", [fifo, directory, link, second_name, huge, deep, socket_file])
@pytest.mark.parametrize("which", [resume_journal.SUFFIX, local_dir.SUFFIX])
def test_whatever_has_the_journals_name_the_file_starts_again(
    folder: LocalDir, plant: Callable[[Path], None], which: str
) -> None:
    kill(begin(folder))
    path = next(folder.path.glob("*" + which))
    GOOD[0] = path.read_bytes()
    path.unlink()
    plant(path)
    part = folder.open_resumable_part("f", VERSION)
    assert part.blocks == [] or which == local_dir.SUFFIX  # a part is only bytes, which are read back
    part.write(CONTENT, 0)
    part.publish("f", mtime=None, replace=None)
    assert (folder.path / "f").read_bytes()[: len(CONTENT)] == CONTENT
    assert not (folder.path / "elsewhere").exists() or (folder.path / "elsewhere").read_bytes() == GOOD[0]


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_journal_is_read_without_a_fault(garbage: bytes, at: int) -> None:
    """Whatever its bytes are: blocks within the file that do not overlap, or nothing."""
    with tempfile.TemporaryDirectory() as path, LocalDir.open(Path(path)) as folder:
        kill(begin(folder))
        file = journal_file(folder)
        good = file.read_bytes()
        file.write_bytes(good[:at] + garbage + good[at + len(garbage) :])
        part = folder.open_resumable_part("f", VERSION)
        ends = [0, *(edge for block in part.blocks for edge in (block.start, block.stop)), len(CONTENT)]
        assert ends == sorted(ends)
        part.remove()


def test_two_runs_on_one_target_never_share_a_part(folder: LocalDir) -> None:
    first, second = begin(folder), folder.open_resumable_part("f", VERSION)
    assert second.name != first.name
    assert second.blocks == []
    second.remove()
    kill(first)


def test_without_true_locks_no_part_is_shared_or_removed(folder: LocalDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda fd, operation: None)
    folder.nameless = False
    lasting, own = folder.open_resumable_part("f", VERSION), folder.create_part()
    before = names(folder)
    assert before == sorted([lasting.name, lasting.name.replace(".part", ".journal"), own.name])
    folder.remove_stale_parts()
    second = folder.open_resumable_part("f", VERSION)
    assert second.name != lasting.name
    second.remove()
    assert names(folder) == before
    lasting.remove()
    own.remove()


def test_a_part_that_is_published_before_it_is_locked_is_not_used(
    folder: LocalDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, flock = begin(folder), fcntl.flock

    def late(fd: int, operation: int) -> None:
        if not first.fd:
            return flock(fd, operation)
        first.publish("f", mtime=None, replace=None)  # between the other's open and its lock
        first.fd = 0
        return flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    second = folder.open_resumable_part("f", VERSION)
    second.write(b"another version", 0)
    second.remove()
    assert (folder.path / "f").read_bytes().startswith(CONTENT[:100])
    assert [name for name in names(folder) if name.endswith(local_dir.SUFFIX)] == []


def rename_writer(folder: LocalDir, **fields: str) -> list[Path]:
    """Give the part and its journal the name of another writer: of another host, boot or process."""
    files = []
    for file in sorted(folder.path.glob(".ctadata-*")):
        names = ["prefix", "target", "host", "boot", "pid", "start", "random"]
        parts = dict(zip(names, file.stem.split("-"), strict=True)) | fields
        files.append(file.rename(file.with_name("-".join(parts.values()) + file.suffix)))
    return files


def test_a_part_that_another_host_may_write_is_left_alone(folder: LocalDir) -> None:
    kill(begin(folder))
    files = rename_writer(folder, host="ffffffff")
    part = folder.open_resumable_part("f", VERSION)
    assert part.blocks == []
    part.remove()
    with LocalDir.open(folder.path) as later:
        for file in files:
            os.utime(file, (1e9, 1e9))
        part = later.open_resumable_part("f", VERSION)
        assert part.blocks == HERE
        part.remove()
    assert names(folder) == []


@pytest.mark.parametrize("killed", [True, False])
def test_no_lock_is_needed_to_know_that_a_process_has_ended(
    folder: LocalDir, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    kill(begin(folder))
    monkeypatch.setattr(local_dir, "_lock", lambda *_: False)
    rename_writer(folder, **({"pid": "999999999"} if killed else {}))
    with LocalDir.open(folder.path) as later:
        part = later.open_resumable_part("f", VERSION)
        assert bool(part.blocks) is killed
        part.remove()


def test_a_part_of_an_earlier_boot_is_taken_up(folder: LocalDir, monkeypatch: pytest.MonkeyPatch) -> None:
    kill(begin(folder))
    files = rename_writer(folder, boot="00000000")
    mtime = files[1].stat().st_mtime
    for booted, blocks in ((mtime - 10, []), (mtime + 10, HERE)):
        monkeypatch.setattr(temp_names, "read_boot_time", lambda booted=booted: booted)
        monkeypatch.setattr(local_dir.time, "time", lambda: mtime + 700)
        with LocalDir.open(folder.path) as later:
            part = later.open_resumable_part("f", VERSION)
            assert part.blocks == blocks
            part.remove()


def test_of_two_runs_that_take_up_a_part_one_gets_it(folder: LocalDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is between its look and its renaming."""
    kill(begin(folder))
    rename_writer(folder, pid="999999999")
    folder = LocalDir(folder.path, folder.fd)
    rename, met = os.rename, []

    def late(old: str, new: str, **where: int) -> None:
        if not met:
            met.append(old)
            with LocalDir.open(folder.path) as other:
                met.append(other.open_resumable_part("f", VERSION))
        rename(old, new, **where)

    monkeypatch.setattr(os, "rename", late)
    loser, winner = folder.open_resumable_part("f", VERSION), met[1]
    assert (winner.blocks, loser.blocks) == (HERE, [])
    assert winner.name != loser.name
    loser.remove()
    kill(winner)


def test_a_part_of_an_earlier_version_is_taken_up(folder: LocalDir) -> None:
    """Its name has no writer; the journal has it."""
    kill(begin(folder))
    for file in list(folder.path.glob(".ctadata-*")):
        file.rename(file.with_name("-".join(file.stem.split("-")[:2]) + file.suffix))
    with LocalDir.open(folder.path) as later:
        part = later.open_resumable_part("f", VERSION)
        assert part.blocks == HERE
        part.remove()
    assert names(folder) == []


def test_a_link_or_a_second_name_in_the_parts_place_is_not_written_to(folder: LocalDir) -> None:
    kill(begin(folder))
    part_file = next(folder.path.glob("*" + local_dir.SUFFIX))
    victim = folder.path / "victim"
    for plant in (part_file.symlink_to, part_file.hardlink_to):
        part_file.unlink()
        victim.write_bytes(b"precious")
        plant(victim)
        part = folder.open_resumable_part("f", VERSION)
        part.write(b"evil", 0)
        assert victim.read_bytes() == b"precious"
        part.remove()


def test_a_part_waits_a_week_for_a_run_that_resumes_it(folder: LocalDir) -> None:
    kill(begin(folder))
    folder.remove_stale_parts()
    assert len(names(folder)) == 2
    mtime = next(folder.path.glob("*" + local_dir.SUFFIX)).stat().st_mtime
    folder.remove_stale_parts(now=mtime + local_dir.KEPT_FOR + 1)
    assert names(folder) == []


def test_the_leftovers_of_a_kill_while_publishing_are_removed(folder: LocalDir) -> None:
    part = begin(folder)
    os.link(folder.path / part.name, folder.path / "f")
    kill(part)
    folder.remove_stale_parts()
    assert names(folder) == ["f"]


def test_a_journal_without_a_part_is_removed(folder: LocalDir) -> None:
    kill(begin(folder))
    next(folder.path.glob("*" + local_dir.SUFFIX)).unlink()
    folder.remove_stale_parts()
    assert names(folder) == []


def test_publishing_removes_the_journal(folder: LocalDir) -> None:
    part = begin(folder)
    part.publish("f", mtime=None, replace=None)
    assert names(folder) == ["f"]


def test_a_part_can_be_resumed_in_the_same_process(folder: LocalDir) -> None:
    begin(folder).close()
    part = folder.open_resumable_part("f", VERSION)
    assert part.blocks == HERE
    fcntl.flock(part.fd, fcntl.LOCK_UN)
    part.remove()


def test_a_part_without_room_for_its_journal_leaves_none(folder: LocalDir, monkeypatch: pytest.MonkeyPatch) -> None:
    open_file = system.open_file

    def refuse_to_append(name: str, flags: int, *arguments: int, directory: system.Directory) -> int:
        if flags & os.O_APPEND:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return open_file(name, flags, *arguments, directory=directory)

    monkeypatch.setattr(system, "open_file", refuse_to_append)
    part = folder.open_resumable_part("f", VERSION)
    part.remove()
    assert os.listdir(folder.path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from ctadata import system
from ctadata.transfer.local_dir import LocalDir
from transfer.test_resume_journal import VERSION

rename = system.rename

def kill(directory, name, new_name):
    if name.endswith(".part") and sys.argv[1] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    rename(directory, name, new_name)
    if name.endswith(".part"):
        os.kill(os.getpid(), signal.SIGKILL)

system.rename = kill
with LocalDir.open(Path(sys.argv[2])) as folder:
    folder.open_resumable_part("f", VERSION)
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_that_is_killed_while_it_takes_up_a_part_leaves_it_to_the_next(folder: LocalDir, moment: str) -> None:
    kill(begin(folder))
    command = [sys.executable, "-c", KILLED, moment, str(folder.path)]
    tests = str(Path(__file__).parents[1])
    assert subprocess.run(command, env={**os.environ, "PYTHONPATH": tests}, check=False).returncode == -signal.SIGKILL
    with LocalDir.open(folder.path) as later:
        later.remove_stale_parts()
        part = later.open_resumable_part("f", VERSION)
        assert part.blocks == HERE
        part.remove()
        assert [name for name in os.listdir(folder.path) if name.endswith(".part")] == []
