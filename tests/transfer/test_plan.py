"""What is decided of a file before a byte moves."""

import os
import zlib
from pathlib import Path

import pytest

from ctadata.entries import Entry, Kind
from ctadata.errors import LocalError, Stopped
from ctadata.paths import RemotePath
from ctadata.stores.base import Features
from ctadata.transfer.plan import Rules, Step, plan_download, plan_for_taken_local_name, plan_upload

CONTENT = b"the same five words here"
ADLER = {"adler32": f"{zlib.adler32(CONTENT):08x}"}
WHEN = 1_700_000_000.0
PLAIN, KEEPING = Features(), Features(keeps_mtime=True)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    file = tmp_path / "f"
    file.write_bytes(CONTENT)
    os.utime(file, (WHEN, WHEN))
    return file


def entry(
    size: int | None = len(CONTENT), mtime: float | None = WHEN, checksums: dict[str, str] | None = None
) -> Entry:
    return Entry(RemotePath(("f",)), Kind.FILE, size, mtime, checksums=checksums or {})


def down(local: Path, remote: Entry, *, no_clobber: bool = False) -> Step:
    return plan_download(remote, local, local.stat(), Rules(no_clobber=no_clobber))


def test_a_new_name_is_created(local: Path) -> None:
    assert plan_download(entry(), local.parent / "g", None, Rules()) is Step.CREATE
    assert plan_upload(local, local.stat(), None, PLAIN, Rules()) is Step.CREATE


@pytest.mark.parametrize(("shift", "step"), [(0.0, Step.SKIP), (0.7, Step.SKIP), (-1, Step.REPLACE), (1, Step.REPLACE)])
def test_a_store_that_keeps_mtimes_keeps_their_seconds(local: Path, shift: float, step: Step) -> None:
    os.utime(local, (WHEN + shift, WHEN + shift))
    assert plan_upload(local, local.stat(), entry(), KEEPING, Rules()) is step
    assert plan_download(entry(), local, local.stat(), Rules(), KEEPING) is step


@pytest.mark.parametrize(("shift", "step"), [(0.0, Step.SKIP), (0.25, Step.REPLACE), (-1, Step.REPLACE)])
def test_other_stores_count_an_mtime_that_a_download_has_set(local: Path, shift: float, step: Step) -> None:
    os.utime(local, (WHEN + shift, WHEN + shift))
    assert plan_upload(local, local.stat(), entry(), PLAIN, Rules()) is step
    assert down(local, entry()) is step


def test_a_stop_ends_the_reading_of_a_local_file(local: Path) -> None:
    def check_stop() -> None:
        raise Stopped("stopped")

    remote = entry(mtime=WHEN + 500, checksums=ADLER)
    with pytest.raises(Stopped):
        plan_download(remote, local, local.stat(), Rules(), check_stop=check_stop)
    with pytest.raises(Stopped):
        plan_upload(local, local.stat(), remote, KEEPING, Rules(), check_stop=check_stop)
    with local.open("rb") as part, pytest.raises(Stopped):
        plan_for_taken_local_name(part.fileno(), local, local.stat(), WHEN, Rules(), check_stop)


def test_files_with_different_mtimes_and_one_checksum_are_equal(local: Path) -> None:
    assert down(local, entry(mtime=WHEN + 500, checksums=ADLER)) is Step.SKIP
    assert plan_upload(local, local.stat(), entry(mtime=WHEN - 500, checksums=ADLER), KEEPING, Rules()) is Step.SKIP


def test_a_changed_file_of_the_same_size_is_found(local: Path) -> None:
    other = {"adler32": "00000001"}
    assert down(local, entry(mtime=WHEN + 500, checksums=other)) is Step.REPLACE
    assert plan_upload(local, local.stat(), entry(mtime=WHEN + 500, checksums=other), KEEPING, Rules()) is Step.REPLACE


def test_without_a_kept_mtime_a_checksum_still_proves_equality(local: Path) -> None:
    assert plan_upload(local, local.stat(), entry(mtime=WHEN - 500, checksums=ADLER), PLAIN, Rules()) is Step.SKIP


def test_without_mtime_and_checksum_a_file_is_downloaded_again(local: Path) -> None:
    assert down(local, entry(mtime=None)) is Step.REPLACE
    assert down(local, entry(mtime=WHEN + 2)) is Step.REPLACE


@pytest.mark.parametrize("shift", [500_000.0, 5.0, 1.0, -5.0])
def test_the_younger_file_is_not_taken_for_the_right_one(local: Path, shift: float) -> None:
    assert plan_upload(local, local.stat(), entry(mtime=WHEN + shift), PLAIN, Rules()) is Step.REPLACE
    assert plan_upload(local, local.stat(), entry(mtime=WHEN + shift), KEEPING, Rules()) is Step.REPLACE
    assert down(local, entry(mtime=WHEN + shift)) is Step.REPLACE


def test_where_the_store_keeps_mtimes_a_newer_remote_file_is_not_equal(local: Path) -> None:
    assert plan_upload(local, local.stat(), entry(mtime=WHEN + 5), KEEPING, Rules()) is Step.REPLACE


def test_no_clobber_keeps_different_files_and_skips_equal_ones(local: Path) -> None:
    assert down(local, entry(size=3), no_clobber=True) is Step.KEEP
    assert down(local, entry(), no_clobber=True) is Step.SKIP
    assert plan_upload(local, local.stat(), entry(size=3), PLAIN, Rules(no_clobber=True)) is Step.KEEP


def test_a_directory_in_the_way_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="directory"):
        plan_download(entry(), tmp_path, tmp_path.stat(), Rules())


def test_a_tag_that_is_the_md5_proves_a_file_equal(tmp_path):
    local = tmp_path / "a"
    local.write_bytes(b"abc")
    found = local.stat()
    for etag, step in (
        ('"900150983cd24fb0d6963f7d28e17f72"', Step.SKIP),
        ('"00000000000000000000000000000000"', Step.REPLACE),
        (None, Step.REPLACE),
    ):
        entry = Entry(RemotePath(("a",)), Kind.FILE, 3, found.st_mtime - 100, etag)
        assert plan_upload(local, found, entry, Features(), Rules()) is step
        assert plan_download(entry, local, found, Rules()) is step
