"""Trees up and down again: the same files, nothing left behind, and a rerun with nothing to do."""

import contextlib
import dataclasses
import hashlib
import os
import random
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from stores.memory import MemoryReading, MemoryStore
from transfer.conftest import MakeRun
from transfer.trees import remote_names, shape

from ctadata.entries import Entry, Kind
from ctadata.errors import AlreadyExists, IntegrityError, LocalError, LoginNeeded, Stopped
from ctadata.namespace.listing import list_tree
from ctadata.paths import RemotePath
from ctadata.stores.base import Sink
from ctadata.transfer import temp_names
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.download_tree import download
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.report import Summary
from ctadata.transfer.source_file import FileSource, open_file
from ctadata.transfer.upload_tree import upload

HOME = RemotePath(("home",))


def up(run: MakeRun, tree: Path, **rules: bool) -> Summary:
    return upload(run(**rules), [UploadSource(HOME, tree)])


def down(run: MakeRun, store: MemoryStore, out: Path, **rules: bool) -> Summary:
    return download(run(**rules), [DownloadTarget(store.info(HOME), out)])


def test_a_tree_comes_back_as_it_went(run: MakeRun, store: MemoryStore, tree: Path, tmp_path: Path) -> None:
    sent = up(run, tree)
    assert (sent.done, sent.skipped, sent.failed, sent.exit_code) == (4, 0, [], 0)
    got = down(run, store, tmp_path / "out")
    assert (got.done, got.size, got.failed) == (4, 6 + 256 * 5000, [])
    assert shape(tmp_path / "out") == shape(tree)
    for file in (p for p in tree.rglob("*") if p.is_file()):
        assert (tmp_path / "out" / file.relative_to(tree)).stat().st_mtime == file.stat().st_mtime
    assert not [name for name in remote_names(store) if ".ctadata-" in name]


def test_a_rerun_has_nothing_to_do(run: MakeRun, store: MemoryStore, tree: Path, tmp_path: Path) -> None:
    up(run, tree)
    down(run, store, tmp_path / "out")
    assert (again := up(run, tree)).done == 0
    assert again.skipped == 4
    assert (again := down(run, store, tmp_path / "out")).done == 0
    assert again.skipped == 4


def test_equal_files_are_skipped_without_a_task_and_reported_alike(
    run: MakeRun, store: MemoryStore, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    up(run, tree)
    down(run, store, tmp_path / "out")
    by_tasks, by_looks = run(update=True), run()  # with --update each file is a task
    download(by_tasks, [DownloadTarget(store.info(HOME), tmp_path / "out")])
    monkeypatch.setattr(by_looks.workers, "run", lambda tasks, *_, **__: list(map(pytest.fail, tasks)))
    download(by_looks, [DownloadTarget(store.info(HOME), tmp_path / "out")])
    told = [sorted(each.reporter.outcomes, key=lambda o: o.remote) for each in (by_tasks, by_looks)]  # type: ignore[attr-defined]
    assert [dataclasses.replace(outcome, seconds=0) for outcome in told[0]] == told[1]
    assert [outcome.why for outcome in told[1]] == ["equal"] * 4


def test_changed_files_are_replaced_and_no_clobber_keeps_them(
    run: MakeRun, store: MemoryStore, tree: Path, tmp_path: Path
) -> None:
    up(run, tree)
    (tree / "top").write_bytes(b"TOP")
    kept = up(run, tree, no_clobber=True)
    assert [str(o.remote) for o in kept.kept] == ["/home/top"]
    assert kept.exit_code == 8
    assert store.content(HOME / "top")[0] == b"top"
    assert up(run, tree).done == 1
    assert store.content(HOME / "top")[0] == b"TOP"

    down(run, store, tmp_path / "out")
    (tmp_path / "out" / "top").write_bytes(b"mine")
    assert down(run, store, tmp_path / "out", no_clobber=True).exit_code == 8
    assert (tmp_path / "out" / "top").read_bytes() == b"mine"
    assert down(run, store, tmp_path / "out").done == 1
    assert (tmp_path / "out" / "top").read_bytes() == b"TOP"


def test_special_files_are_reported_and_the_others_are_uploaded(run: MakeRun, tree: Path) -> None:
    (tree / "dangling").symlink_to("nowhere")
    (tree / "link to file").symlink_to(tree / "top")
    (tree / "link to dir").symlink_to(tree / "a")
    os.mkfifo(tree / "pipe")
    (Path(os.fsencode(tree).decode() + "/").joinpath(os.fsdecode(b"not utf8 \xff"))).write_bytes(b"x")
    with socket.socket(socket.AF_UNIX) as sock:
        here = Path.cwd()
        os.chdir(tree)  # the path of a socket is short
        try:
            sock.bind("socket")
        finally:
            os.chdir(here)
    summary = up(run, tree)
    assert (summary.done, summary.failed) == (5, [])
    why = {o.local.name: o.why for o in summary.passed if o.local}
    assert set(why) == {"dangling", "link to dir", "pipe", "socket", os.fsdecode(b"not utf8 \xff")}
    assert "-L" in why["link to dir"]


def test_links_to_directories_are_followed_on_demand_and_never_in_a_circle(
    run: MakeRun, store: MemoryStore, tree: Path
) -> None:
    (tree / "a" / "again").symlink_to(tree / "a" / "b c")
    (tree / "a" / "round").symlink_to(tree)
    (tree / "a" / "self").symlink_to(tree / "a")
    summary = up(run, tree, follow_links=True)
    assert {o.local.name for o in summary.passed if o.local} == {"round", "self"}
    assert store.content(RemotePath.parse("/home/a/again/100% #1?.txt"))[0] == b"odd"


def test_one_files_failure_does_not_stop_the_others(
    run: MakeRun, store: MemoryStore, tree: Path, tmp_path: Path
) -> None:
    up(run, tree)
    (tmp_path / "out" / "top").mkdir(parents=True)
    summary = down(run, store, tmp_path / "out")
    assert (summary.done, len(summary.failed), summary.exit_code) == (3, 1, 6)
    assert "directory" in str(summary.errors[0])


def test_nothing_done_is_the_code_of_the_first_failure(run: MakeRun, store: MemoryStore, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "f").write_text("x")
    up(run, tmp_path / "t")
    (tmp_path / "out" / "f").mkdir(parents=True)
    assert down(run, store, tmp_path / "out").exit_code == LocalError.exit_code


def test_temporaries_of_dead_runs_are_removed_and_others_stay(run: MakeRun, store: MemoryStore, tree: Path) -> None:
    dead = temp_names.new_name().split("-")
    dead[3], living = "999999999", temp_names.new_name()
    for name in ("-".join(dead), living):
        upload(run(), [UploadSource(HOME, files=((tree / "top", name),))])
    up(run, tree)
    left = [name for name in remote_names(store) if ".ctadata-" in name]
    assert left == [f"/home/{living}"]


def test_listings_and_downloads_do_not_show_temporaries(
    run: MakeRun, store: MemoryStore, tree: Path, tmp_path: Path
) -> None:
    up(run, tree)
    upload(run(), [UploadSource(HOME, files=((tree / "top", temp_names.new_name()),))])
    assert not [e for e in list_tree(store, RemotePath()) if e.path.is_temporary]
    down(run, store, tmp_path / "out")
    assert shape(tmp_path / "out") == shape(tree)


def test_a_name_taken_on_the_storage_since_the_plan_is_planned_again(
    run: MakeRun, store: MemoryStore, tree: Path
) -> None:
    theirs = tree / "theirs"
    theirs.write_bytes(b"somebody else's")
    listed = store.list

    def listed_before(path: RemotePath) -> object:
        entries = list(listed(path))
        store.list = listed  # type: ignore[method-assign]
        upload(run(), [UploadSource(HOME, files=((theirs, "top"),))])
        return iter(entries)

    store.mkdir(HOME)
    store.list = listed_before  # type: ignore[method-assign,assignment]
    summary = upload(run(no_clobber=True), [UploadSource(HOME, files=((tree / "top", "top"),))])
    assert [o.why for o in summary.kept] == ["it differs, and is kept"]
    assert store.content(HOME / "top")[0] == b"somebody else's"
    assert [name for name in remote_names(store) if ".ctadata-" in name] == []


CHANGES: dict[str, Callable[[Path], object]] = {
    "edited": lambda file: write_in_place(file, 5),
    "renamed": lambda file: file.rename(file.with_name("moved")),
    "other permissions": lambda file: file.chmod(0o600),
    "deleted": lambda file: file.unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_whose_mtime_was_set_back_is_read_again(
    run: MakeRun, store: MemoryStore, tree: Path, change: str
) -> None:
    class Once(type(run().reporter)):  # type: ignore[misc]
        changed = False

        def moved(self, name: str, size: int) -> None:
            if name == "/home/top" and not self.changed:
                self.changed = True
                CHANGES[change](tree / "top")

    content, shaky = os.urandom(3 << 20), run()
    (tree / "top").write_bytes(content)
    shaky.reporter = Once()
    summary = upload(shaky, [UploadSource(HOME, files=((tree / "top", "top"),))])
    if change == "edited":
        assert ["changed while it was read" in str(error) for error in summary.errors] == [True]
        assert not any("top" in name or ".ctadata-" in name for name in remote_names(store))
    else:
        assert not summary.errors
        assert store.content(HOME / "top")[0] == content


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("hashing", [True, False])
def test_the_md5_of_what_was_sent_in_parts_shows_whether_a_byte_has_changed(
    run: MakeRun, tmp_path: Path, change: str, hashing: bool
) -> None:
    file, content = tmp_path / "f", random.Random(1).randbytes(100)
    file.write_bytes(content)
    fd, status = open_file(file)
    try:
        source = FileSource(run(), "f", fd, status, hashing=hashing)
        parts = [source.part(0, 50), source.part(50, 100)]
        sent = parts[0].read(10)
        CHANGES[change](file)
        sent += b"".join(part.read(100) for part in parts)
        assert len(sent) == 100
        parts[1].check_md5(md5(content[50:]))
        with (
            pytest.raises(LocalError, match="changed while it was read")
            if change == "edited"
            else contextlib.nullcontext()
        ):
            source.check_md5(md5(content[:50]), 0, 50)
    finally:
        os.close(fd)


def md5(content: bytes) -> bytes:
    return hashlib.md5(content).digest()


def write_in_place(file: Path, at: int) -> None:
    """Change one byte, and set the mtime back."""
    status = file.stat()
    with file.open("r+b") as open_file:
        open_file.seek(at)
        byte = open_file.read(1)
        open_file.seek(at)
        open_file.write(bytes([byte[0] ^ 1]))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_file_that_changes_while_it_is_read_is_that_files_failure(
    run: MakeRun, store: MemoryStore, tree: Path
) -> None:
    class Growing(type(run().reporter)):  # type: ignore[misc]
        def moved(self, name: str, size: int) -> None:
            if name == "/home/top":
                (tree / "top").write_bytes(b"longer than before")

    shaky = run()
    shaky.reporter = Growing()
    block = 300_000
    (tree / "top").write_bytes(b"x" * block)
    summary = upload(shaky, [UploadSource(HOME, tree)])
    assert [str(e.path) for e in (store.info(HOME / n) for n in ("a",))] == ["/home/a"]
    assert len(summary.failed) == 1
    assert "changed while it was read" in str(summary.errors[0])
    assert not any("top" in name or ".ctadata-" in name for name in remote_names(store))


def test_a_collection_in_the_way_of_a_file_and_the_other_way_round(
    run: MakeRun, store: MemoryStore, tree: Path
) -> None:
    store.mkdir(HOME / "top")
    upload(run(), [UploadSource(HOME, files=((tree / "top", "a"),))])
    summary = up(run, tree)
    assert summary.done == 0
    assert sorted(str(o.remote) for o in summary.failed) == ["/home/a", "/home/top"]
    assert all(isinstance(error, AlreadyExists) for error in summary.errors)


def test_a_login_that_is_needed_ends_the_run_and_every_file_fails(run: MakeRun, tmp_path: Path) -> None:
    asked: list[RemotePath] = []

    class LoggedOut(MemoryStore):
        def open(self, path: RemotePath) -> MemoryReading:
            asked.append(path)
            raise LoginNeeded("the token has expired", path=str(path))

        def list(self, path: RemotePath) -> object:  # type: ignore[override]
            return (Entry(path / f"{i}", Kind.FILE, 1) for i in range(10_000))

    here = run()
    here.store = LoggedOut()
    summary = download(here, [DownloadTarget(Entry(HOME, Kind.DIRECTORY), tmp_path)])
    assert summary.exit_code == LoginNeeded.exit_code
    assert len(asked) < 100
    assert Counter(error.what for error in summary.errors) == {
        "the token has expired": len(asked),
        "it was not tried: the token has expired": 10_000 - len(asked),
    }


def test_a_wrong_byte_is_never_published_and_the_file_is_read_again(
    run: MakeRun, store: MemoryStore, tree: Path, tmp_path: Path
) -> None:
    up(run, tree)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "top").write_bytes(b"old")
    turns = 0

    class Flipping(MemoryReading):
        def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> object:  # type: ignore[override]
            nonlocal turns
            turns += 1
            content, digests, etag = self._store.content(self._path)
            from ctadata.stores.base import Delivery

            delivery = Delivery(0, len(content), digests, etag)
            sink.begin(delivery)
            sink.write(b"t0p")
            return delivery

    store.open = lambda path: Flipping(store, path)  # type: ignore[method-assign]
    recorder_run = run()
    summary = download(recorder_run, [DownloadTarget(store.info(HOME / "top"), tmp_path / "out", name="top")])
    assert turns == 4
    assert isinstance(summary.errors[0], IntegrityError)
    assert "adler32" in str(summary.errors[0]) or "sha" in str(summary.errors[0])
    assert shape(tmp_path / "out") == {"top": b"old"}
    assert recorder_run.reporter.bytes == 0  # type: ignore[attr-defined]


def test_a_stop_ends_the_run_and_leaves_no_part(run: MakeRun, store: MemoryStore, tree: Path, tmp_path: Path) -> None:
    up(run, tree)
    here = run()

    class Stopping(type(here.reporter)):  # type: ignore[misc]
        def moved(self, name: str, size: int) -> None:
            here.stop.set()

    here.reporter = Stopping()
    with contextlib.suppress(Stopped):  # where the walk had not ended yet
        download(here, [DownloadTarget(store.info(HOME), tmp_path / "out")])
    assert not [name for name in shape(tmp_path / "out") if ".ctadata-" in name]


@pytest.mark.parametrize("name", ["x" * 300, "x" * 254])
def test_a_name_too_long_for_the_disk_is_that_files_failure(
    run: MakeRun, store: MemoryStore, tree: Path, tmp_path: Path, name: str
) -> None:
    upload(run(), [UploadSource(HOME, files=((tree / "top", "ok"),))])
    upload(run(), [UploadSource(HOME, files=((tree / "top", name),))])
    summary = down(run, store, tmp_path / "out")
    assert summary.done == (1 if len(name) > 255 else 2)
    assert len(summary.failed) == (len(name) > 255)
