"""Syncs: what is deleted, and all that keeps things from being deleted."""

import os
import threading
from pathlib import Path

import pytest
from stores.memory import MemoryStore
from transfer.trees import Content, Recorder, remote_names, shape

from ctadata.errors import Forbidden, UsageError
from ctadata.namespace.filters import Filters
from ctadata.paths import RemotePath
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.equality import Compare
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import Summary
from ctadata.transfer.run import Run
from ctadata.transfer.sync import Deletion, sync_down, sync_up

TOP = RemotePath(("top",))
asked: list[list[str]] = []


def yes(extras, stop) -> bool:
    asked.append([str(extra.local or extra.remote) for extra in extras])
    return True


@pytest.fixture(autouse=True)
def nobody_asked() -> None:
    asked.clear()


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    for name in ("keep", "sub/keep"):
        store.write(TOP.join(name.split("/")), Content(b"same", 1e9))
    return store


@pytest.fixture
def here(tmp_path: Path) -> Path:
    here = tmp_path / "here"
    (here / "sub").mkdir(parents=True)
    for name in ("keep", "sub/keep"):
        (here / name).write_bytes(b"same")
        os.utime(here / name, (1e9, 1e9))
    return here


def down(store: MemoryStore, here: Path, deletion: Deletion | None = None, **rules) -> Summary:
    run = Run(store, Rules(jobs=2, **rules), Recorder(), threading.Event(), pause=lambda s: None)
    return sync_down(run, DownloadTarget(store.info(TOP), here), deletion)


def up(store: MemoryStore, here: Path, deletion: Deletion | None = None, **rules) -> Summary:
    run = Run(store, Rules(jobs=2, **rules), Recorder(), threading.Event(), pause=lambda s: None)
    return sync_up(run, UploadSource(TOP, here), deletion)


def add_here(here: Path, *names: str) -> None:
    for name in names:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(b"extra")


def add_there(store: MemoryStore, *names: str) -> None:
    for name in names:
        store.write(TOP.join(name.split("/")), Content(b"extra", 1e9))


class TestDown:
    def test_without_deletion_nothing_is_deleted(self, store, here):
        add_here(here, "extra", "more/deep/extra")
        assert down(store, here).exit_code == 0
        assert (here / "more" / "deep" / "extra").exists()

    def test_a_directory_that_the_storage_has_not_is_deleted_with_its_contents(self, store, here):
        add_here(here, "extra", "sub/extra", "more/deep/extra")
        summary = down(store, here, Deletion(yes))
        assert summary.deleted == 5
        assert sorted(shape(here)) == ["keep", "sub", "sub/keep"]
        assert len(asked) == 1

    def test_links_are_deleted_and_never_followed(self, store, here, tmp_path):
        add_here(tmp_path / "elsewhere", "precious")
        (here / "link").symlink_to(tmp_path / "elsewhere")
        (here / "sub" / "file link").symlink_to(tmp_path / "elsewhere" / "precious")
        assert down(store, here, Deletion(yes)).deleted == 2
        assert (tmp_path / "elsewhere" / "precious").exists()
        assert not (here / "link").is_symlink()

    def test_a_link_in_place_of_a_directory_leads_nowhere_and_stops_all_deletion(self, store, here, tmp_path):
        add_here(tmp_path / "elsewhere", "precious")
        (here / "sub" / "keep").unlink()
        (here / "sub").rmdir()
        (here / "sub").symlink_to(tmp_path / "elsewhere")
        add_here(here, "extra")
        summary = down(store, here, Deletion(yes))
        assert (len(summary.failed), summary.deleted) == (1, 0)
        assert (tmp_path / "elsewhere" / "precious").exists()
        assert (here / "extra").exists()
        assert "nothing was deleted" in summary.remarks[0]

    def test_a_directory_that_turns_into_a_link_before_it_is_deleted(self, store, here, tmp_path):
        add_here(tmp_path / "elsewhere", "extra")
        add_here(here, "more/extra")

        def swap(extras, stop):
            (here / "more").rename(tmp_path / "moved")
            (here / "more").symlink_to(tmp_path / "elsewhere")
            return True

        summary = down(store, here, Deletion(swap))
        assert summary.failed
        assert (tmp_path / "elsewhere" / "extra").exists()

    def test_a_collection_that_lists_as_empty_deletes_nothing(self, store, here):
        add_here(here, "sub2/one", "sub2/two")
        store.mkdir(TOP / "sub2")
        listed: list[str] = []
        real = store.list

        def spy(path):
            listed.append(str(path))
            return real(path)

        store.list = spy
        summary = down(store, here, Deletion(yes))
        assert (summary.deleted, summary.empty) == (0, 1)
        assert listed.count("/top/sub2") == 2
        assert (here / "sub2" / "one").exists()
        trusted = down(store, here, Deletion(yes, trust_empty=True))
        assert trusted.deleted == 2
        assert (here / "sub2").is_dir()

    def test_one_that_lists_as_empty_only_once_is_not_empty(self, store, here):
        real, turns = store.list, []

        def flaky(path):
            turns.append(str(path))
            return iter(()) if turns.count("/top/sub") == 1 and str(path) == "/top/sub" else real(path)

        store.list = flaky
        (here / "sub" / "keep").unlink()
        summary = down(store, here, Deletion(yes))
        assert (summary.done, summary.empty, summary.deleted) == (1, 0, 0)

    def test_filters_protect(self, store, here):
        add_here(here, "a.log", "more/b.log", "more/c", "cache/x")
        summary = down(store, here, Deletion(yes), filters=Filters.read(exclude=["*.log", "cache/"]))
        assert summary.deleted == 1
        assert sorted(n for n in shape(here) if "keep" not in n) == [
            "a.log",
            "cache",
            "cache/x",
            "more",
            "more/b.log",
            "sub",
        ]

    def test_a_part_of_another_run_and_its_directory_stay(self, store, here):
        add_here(here, "more/.ctadata-0123.part.x", "more/extra")
        down(store, here, Deletion(yes))
        assert sorted(shape(here / "more")) == [".ctadata-0123.part.x"]


class TestUp:
    def test_a_collection_that_is_not_local_is_deleted_with_its_contents(self, store, here):
        add_there(store, "extra", "more/deep/extra")
        assert up(store, here, Deletion(yes)).deleted == 4
        assert remote_names(store, TOP) == ["/top/keep", "/top/sub", "/top/sub/keep"]

    def test_a_collection_that_lists_as_empty_is_not_deleted(self, store, here):
        add_there(store, "more/extra")
        store.mkdir(TOP / "more" / "unreadable")
        summary = up(store, here, Deletion(yes))
        assert (summary.deleted, summary.empty) == (1, 1)
        assert "/top/more/unreadable" in remote_names(store)
        assert up(store, here, Deletion(yes, trust_empty=True)).deleted == 2

    def test_local_names_that_are_not_sent_are_not_deleted_on_the_storage(self, store, here):
        add_there(store, "dangling", "linked/x")
        (here / "dangling").symlink_to("nowhere")
        (here / "linked").symlink_to(here / "sub")
        assert up(store, here, Deletion(yes)).deleted == 0

    def test_temporaries_of_others_are_kept(self, store, here):
        for name in (("top", ".ctadata-a-b-1-1-c"), ("top", "more", ".ctadata-a-b-1-1-c")):
            store.write(RemotePath(name), Content(b"on its way"))
        up(store, here, Deletion(yes))
        assert len([name for name in remote_names(store) if ".ctadata-" in name]) == 2

    def test_a_collection_that_may_not_be_listed_stops_all_deletion(self, store, here):
        add_there(store, "extra")
        real = store.list

        def refuse(path):
            if str(path) == "/top/sub":
                raise Forbidden("no", path=str(path))
            return real(path)

        store.list = refuse
        summary = up(store, here, Deletion(yes))
        assert (summary.deleted, len(summary.failed)) == (0, 1)


@pytest.mark.parametrize("sync", [down, up])
class TestBoth:
    @pytest.fixture
    def crowd(self, store, here, sync):
        names = [f"more/{i}" for i in range(4)]
        add_here(here, *names) if sync is down else add_there(store, *names)
        return 5  # with their directory

    def test_nothing_is_deleted_beyond_the_limit(self, store, here, sync, crowd):
        summary = sync(store, here, Deletion(yes, limit=crowd - 1))
        assert (summary.deleted, asked) == (0, [])
        assert "5 names would be deleted" in str(summary.errors[0])
        assert "--max-delete 5" in str(summary.errors[0])
        assert summary.exit_code == 6  # the equal files were looked at
        assert sync(store, here, Deletion(yes, limit=crowd)).deleted == crowd

    def test_an_answer_of_no_deletes_nothing(self, store, here, sync, crowd):
        summary = sync(store, here, Deletion(lambda extras, stop: False))
        assert (summary.deleted, summary.exit_code, summary.remarks) == (0, 0, ["nothing was deleted"])

    def test_the_user_is_not_asked_if_nothing_is_to_be_deleted(self, store, here, sync):
        assert sync(store, here, Deletion(yes)).deleted == 0
        assert asked == []

    def test_a_changed_file_of_the_same_size_is_found(self, store, here, sync):
        (here / "keep").write_bytes(b"SAME")
        store.write(TOP / "sub" / "keep", Content(b"s@me", 2e9))
        assert sync(store, here).done == 2
        assert (store.content(TOP / "keep")[0] == (here / "keep").read_bytes()) is True

    def test_with_equal_mtimes_only_the_checksum_differs(self, store, here, sync):
        (here / "keep").write_bytes(b"SAME")
        os.utime(here / "keep", (1e9, 1e9))
        assert sync(store, here).done == 0
        assert sync(store, here, compare=Compare.SIZE).done == 0
        assert sync(store, here, compare=Compare.CHECKSUM).done == 1

    def test_checksums_come_from_the_listing(self, store, here, sync):
        os.utime(here / "keep", (5, 5))
        store.open = lambda path: pytest.fail("nothing is downloaded")
        assert sync(store, here, compare=Compare.CHECKSUM).skipped == 2

    def test_without_checksums_in_listings_they_cannot_be_compared(self, store, here, sync):
        import dataclasses

        store.features = dataclasses.replace(store.features, lists_checksums=False)
        with pytest.raises(UsageError, match="checksum"):
            sync(store, here, compare=Compare.CHECKSUM)

    def test_update_leaves_alone_what_is_newer(self, store, here, sync):
        if sync is down:
            (here / "keep").write_bytes(b"newer here")
        else:
            store.write(TOP / "keep", Content(b"newer there", 2e9))
        summary = sync(store, here, update=True)
        assert (summary.done, dict(summary.skips)) == (0, {"equal": 1, "newer at the target": 1})
        assert sync(store, here).done == 1
