"""What a killed run has left, and what the next one may believe of it."""

import fcntl
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ctadata.entries import Entry, Kind
from ctadata.paths import RemotePath
from ctadata.transfer import journal, landing
from ctadata.transfer.landing import Folder
from ctadata.transfer.part import Part
from ctadata.transfer.pieces import Piece

CONTENT = bytes(range(256)) * 100
ENTRY = Entry(RemotePath(("f",)), Kind.FILE, len(CONTENT), 1e9, '"v1"')
VERSION = journal.version_of(ENTRY)
HERE = [Piece(0, 1000, zlib.adler32(CONTENT[:1000])), Piece(5000, 9000, zlib.adler32(CONTENT[5000:9000]))]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with Folder.open(tmp_path) as folder:
        yield folder


def begin(folder: Folder) -> Part:
    """A part with two pieces in it, as a run that is killed now leaves it."""
    part = folder.lasting_part("f", VERSION)
    for piece in HERE:
        part.write(CONTENT[piece.start : piece.stop], piece.start)
        part.note(piece)
    return part


def kill(part: Part) -> None:
    """What the end of a process does: its descriptors close."""
    assert part.diary
    os.close(part.fd)
    os.close(part.diary.fd)


def names(folder: Folder) -> list[str]:
    return sorted(os.listdir(folder.path))


def journal_file(folder: Folder) -> Path:
    return next(folder.path.glob("*" + journal.SUFFIX))


@pytest.mark.parametrize(
    ("change", "another"),
    [
        ({}, False),
        ({"size": 1}, True),
        ({"etag": 'W/"v1"'}, False),
        ({"etag": '"v2"'}, True),
        ({"etag": None}, False),
        ({"mtime": 1e9 + 0.4}, False),
        ({"mtime": 2e9}, False),  # the tag says that it is the same
        ({"etag": None, "mtime": 2e9}, True),
        ({"etag": None, "mtime": None}, False),
        ({"checksums": {"adler32": "00000002"}}, True),
        ({"checksums": {}}, False),
    ],
)
def test_a_file_is_another_version_as_far_as_both_tell(change: dict[str, object], another: bool) -> None:
    before = replace(ENTRY, checksums={"adler32": "00000001"})
    assert journal.is_another(replace(before, **change), before) is another


def test_the_next_run_knows_what_is_here(folder: Folder) -> None:
    kill(begin(folder))
    part = folder.lasting_part("f", VERSION)
    assert part.here == HERE
    part.drop()
    assert names(folder) == []


def test_a_later_line_of_a_piece_replaces_an_earlier_one(folder: Folder) -> None:
    part = begin(folder)
    longer = Piece(0, 2000, zlib.adler32(CONTENT[:2000]))
    part.write(CONTENT[:2000], 0)
    part.note(longer)
    kill(part)
    part = folder.lasting_part("f", VERSION)
    assert part.here == [longer, HERE[1]]
    part.drop()


@pytest.mark.parametrize("change", [{"size": 7}, {"etag": '"v2"'}, {"mtime": 1e9 + 1}, {"path": "/g"}])
def test_of_another_version_nothing_is_believed(folder: Folder, change: dict[str, object]) -> None:
    kill(begin(folder))
    part = folder.lasting_part("f", {**VERSION, **change})
    assert part.here == []
    part.drop()


@pytest.mark.parametrize(
    "damage", ["", "{", "[]\n", '{"version": 1}\n', "\x00" * 100, '{"by": "x", "boot": 1}\n0 1 1\n']
)
def test_a_damaged_journal_is_no_journal(folder: Folder, damage: str) -> None:
    kill(begin(folder))
    journal_file(folder).write_text(damage)
    part = folder.lasting_part("f", VERSION)
    assert part.here == []
    part.drop()


@pytest.mark.parametrize(
    "line", ["9000 999999999 1\n", "-5 3 1\n", "3000 2000 1\n", "500 700 1\n", "9000 9500 12", "a b c\n"]
)
def test_lines_that_cannot_be_are_passed_over(folder: Folder, line: str) -> None:
    kill(begin(folder))
    with journal_file(folder).open("a") as file:
        file.write(line)
    part = folder.lasting_part("f", VERSION)
    assert part.here == HERE
    part.drop()


def test_bytes_that_never_reached_the_disk_do_not_count_after_a_crash(folder: Folder) -> None:
    part = begin(folder)
    os.pwrite(part.fd, b"\0" * 100, 6000)  # what a file system may show after a crash
    kill(part)
    file = journal_file(folder)
    header, *lines = file.read_text().splitlines()
    file.write_text("\n".join([json.dumps({**json.loads(header), "boot": "another"}), *lines, ""]))
    part = folder.lasting_part("f", VERSION)
    assert part.here == [HERE[0]]
    part.drop()


def test_two_runs_on_one_target_never_share_a_part(folder: Folder) -> None:
    first, second = begin(folder), folder.lasting_part("f", VERSION)
    assert second.name != first.name
    assert second.diary is None
    second.drop()
    kill(first)


def test_where_locks_lie_nobody_shares_a_part_or_sweeps_one(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda fd, operation: None)
    folder.nameless = False
    lasting, own = folder.lasting_part("f", VERSION), folder.part()
    assert lasting.diary is None
    before = names(folder)
    assert before == sorted([lasting.name, own.name])
    folder.sweep()
    assert names(folder) == before
    lasting.drop()
    own.drop()


def test_a_part_that_was_published_when_its_lock_came_free_is_not_taken(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, flock = begin(folder), fcntl.flock

    def late(fd: int, operation: int) -> None:
        if not first.fd:
            return flock(fd, operation)
        first.publish("f", mtime=None, replace=None)  # between the other's open and its lock
        first.fd = 0
        return flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    second = folder.lasting_part("f", VERSION)
    second.write(b"another version", 0)
    second.drop()
    assert (folder.path / "f").read_bytes().startswith(CONTENT[:100])
    assert [name for name in names(folder) if name.endswith(landing.SUFFIX)] == []


def test_a_part_that_another_host_may_be_at_is_left_alone(folder: Folder) -> None:
    kill(begin(folder))
    file = journal_file(folder)
    header, *lines = file.read_text().splitlines()
    by = json.loads(header)["by"].replace(".ctadata-", ".ctadata-ffff", 1)
    file.write_text("\n".join([json.dumps({**json.loads(header), "by": by}), *lines, ""]))
    part = folder.lasting_part("f", VERSION)
    assert part.diary is None
    part.drop()
    os.utime(file, (1e9, 1e9))
    part = folder.lasting_part("f", VERSION)
    assert part.here == HERE
    part.drop()


def test_a_link_or_a_second_name_in_the_parts_place_is_not_written_to(folder: Folder) -> None:
    kill(begin(folder))
    part_file = next(folder.path.glob("*" + landing.SUFFIX))
    victim = folder.path / "victim"
    for plant in (part_file.symlink_to, part_file.hardlink_to):
        part_file.unlink()
        victim.write_bytes(b"precious")
        plant(victim)
        part = folder.lasting_part("f", VERSION)
        part.write(b"evil", 0)
        assert victim.read_bytes() == b"precious"
        part.drop()


def test_a_part_waits_a_week_for_a_run_that_takes_it_up(folder: Folder) -> None:
    kill(begin(folder))
    folder.sweep()
    assert len(names(folder)) == 2
    mtime = next(folder.path.glob("*" + landing.SUFFIX)).stat().st_mtime
    folder.sweep(now=mtime + landing.KEPT_FOR + 1)
    assert names(folder) == []


def test_what_a_kill_in_the_middle_of_publishing_leaves_is_removed(folder: Folder) -> None:
    part = begin(folder)
    os.link(folder.path / part.name, folder.path / "f")
    kill(part)
    folder.sweep()
    assert names(folder) == ["f"]


def test_a_journal_without_a_part_is_removed(folder: Folder) -> None:
    kill(begin(folder))
    next(folder.path.glob("*" + landing.SUFFIX)).unlink()
    folder.sweep()
    assert names(folder) == []


def test_publishing_removes_the_journal(folder: Folder) -> None:
    part = begin(folder)
    part.publish("f", mtime=None, replace=None)
    assert names(folder) == ["f"]


def test_what_is_left_can_be_taken_up_in_the_same_process(folder: Folder) -> None:
    begin(folder).leave()
    part = folder.lasting_part("f", VERSION)
    assert part.here == HERE
    fcntl.flock(part.fd, fcntl.LOCK_UN)
    part.drop()
