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
from ctadata.transfer.extraneous import ExtraneousNames
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import Summary
from ctadata.transfer.run import Run
from ctadata.transfer.sync import Deletion, sync_down, sync_up

TOP = RemotePath(("top",))
ONE_EMPTY = "1 directory that lists as empty; --delete-empty trusts that"
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
        assert summary.remarks == [f"nothing was deleted because of {ONE_EMPTY}"]
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
        add_here(here, "more/.ctadata-0123.part", "more/.ctadata-mine", "more/extra")
        down(store, here, Deletion(yes))
        assert sorted(shape(here / "more")) == [".ctadata-0123.part"]


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
        assert summary.remarks == [f"nothing was deleted because of {ONE_EMPTY}"]
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


class Counted(MemoryStore):
    """A store that counts its requests."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []

    def list(self, path):
        self.asked.append(("list", str(path)))
        return super().list(path)

    def info(self, path):
        self.asked.append(("info", str(path)))
        return super().info(path)

    def open(self, path):
        self.asked.append(("open", str(path)))
        return super().open(path)


def failures(summary: Summary) -> dict[str, str]:
    return {str(outcome.remote): outcome.error.what for outcome in summary.failed}


AT_SOURCE = "the source has it now, so it was kept"
CHANGED = "it has changed since the tree was compared, so it was kept"
NOT_EMPTY = "it holds a name that is new or was kept, so it was kept"


class TestWhatChangesDuringTheRun:
    """The tree changes after it was compared."""

    @pytest.fixture
    def store(self) -> Counted:
        store = Counted()
        for name in ("keep", "sub/keep"):
            store.write(TOP.join(name.split("/")), Content(b"same", 1e9))
        return store

    @pytest.fixture(params=[down, up])
    def sync(self, request):
        return request.param

    @pytest.fixture
    def during(self, store, here, sync, monkeypatch):
        """Sync while `act` is called after the transfers, before the names to delete are counted."""

        def run(act) -> Summary:
            real = ExtraneousNames.to_delete

            def late(extraneous):
                act()
                return real(extraneous)

            monkeypatch.setattr(ExtraneousNames, "to_delete", late)
            return sync(store, here, Deletion(yes))

        return run

    def at_target(self, store, here, sync, *names):
        add_here(here, *names) if sync is down else add_there(store, *names)

    def has(self, store, here, sync, name) -> bool:
        return (here / name).exists() if sync is down else "/top/" + name in remote_names(store)

    def write(self, store, here, at_storage, name, content=b"precious") -> None:
        if at_storage:
            store.write(TOP.join(name.split("/")), Content(content, 2e9))
        else:
            (here / name).parent.mkdir(exist_ok=True)
            (here / name).write_bytes(content)

    def test_a_name_that_changes_is_kept_and_an_unchanged_one_is_deleted(self, store, here, sync, during):
        self.at_target(store, here, sync, "extra", "notes")
        summary = during(lambda: self.write(store, here, sync is up, "notes"))
        assert failures(summary) == {"/top/notes": CHANGED}
        assert (summary.deleted, summary.exit_code) == (1, 6)
        assert self.has(store, here, sync, "notes")
        assert not self.has(store, here, sync, "extra")

    def test_a_name_that_comes_to_the_source_is_kept(self, store, here, sync, during):
        self.at_target(store, here, sync, "extra", "report")
        summary = during(lambda: self.write(store, here, sync is down, "report"))
        assert failures(summary) == {"/top/report": AT_SOURCE}
        assert (summary.deleted, summary.exit_code) == (1, 6)
        assert self.has(store, here, sync, "report")

    def test_a_new_name_in_a_directory_and_the_directories_above_are_kept(self, store, here, sync, during):
        self.at_target(store, here, sync, "more/deep/extra", "more/extra")
        summary = during(lambda: self.write(store, here, sync is up, "more/deep/new"))
        assert failures(summary) == {"/top/more/deep": NOT_EMPTY, "/top/more": NOT_EMPTY}
        assert summary.deleted == 2
        assert self.has(store, here, sync, "more/deep/new")

    def test_a_changed_name_in_a_directory_is_kept(self, store, here, sync, during):
        self.at_target(store, here, sync, "more/extra", "more/notes")
        summary = during(lambda: self.write(store, here, sync is up, "more/notes"))
        assert failures(summary) == {"/top/more/notes": CHANGED, "/top/more": NOT_EMPTY}
        assert summary.deleted == 1

    def test_a_name_that_changes_at_the_question_is_kept(self, store, here, sync):
        self.at_target(store, here, sync, "notes", "more/extra")

        def answer(extras, stop) -> bool:
            self.write(store, here, sync is up, "notes")
            self.write(store, here, sync is up, "more/new")
            return True

        summary = sync(store, here, Deletion(answer))
        assert failures(summary) == {"/top/notes": CHANGED, "/top/more": NOT_EMPTY}

    def test_a_file_that_becomes_a_directory_or_the_reverse_is_kept(self, store, here, sync, during):
        self.at_target(store, here, sync, "notes", "more/extra")

        def swap() -> None:
            if sync is down:
                (here / "notes").unlink()
                (here / "more" / "extra").rename(here / "moved")
                (here / "more").rmdir()
            else:
                store.delete_tree(TOP / "notes")
                store.delete_tree(TOP / "more")
            self.write(store, here, sync is up, "notes/x")
            self.write(store, here, sync is up, "more")

        summary = during(swap)
        assert failures(summary)["/top/notes"] == CHANGED
        assert self.has(store, here, sync, "notes/x")
        assert self.has(store, here, sync, "more")

    def test_a_name_that_goes_away_counts_as_deleted(self, store, here, sync, during):
        self.at_target(store, here, sync, "extra", "more/extra")

        def go() -> None:
            for name in ("extra", "more/extra", "more"):
                if sync is up:
                    store.delete(TOP.join(name.split("/")))
                elif name == "more":
                    (here / name).rmdir()
                else:
                    (here / name).unlink()

        summary = during(go)
        assert (summary.deleted, failures(summary)) == (3, {})

    def test_each_directory_is_listed_once_more_and_no_name_by_itself(self, store, here, sync):
        self.at_target(store, here, sync, *(f"{folder}extra{n}" for n in range(9) for folder in ("", "more/")))
        store.asked.clear()
        assert sync(store, here, Deletion(yes)).deleted == 19
        listed = [path for method, path in store.asked if method == "list"]
        assert sorted(listed) == sorted(
            ["/top"] * 3 + ["/top/sub"] if sync is down else ["/top", "/top", "/top/sub"] + ["/top/more"] * 2
        )
        assert [path for method, path in store.asked if method == "info"] == (["/top"] if sync is down else [])

    def test_nothing_is_asked_if_nothing_is_to_be_deleted(self, store, here, sync):
        store.asked.clear()
        sync(store, here, Deletion(yes))
        with_deletion, store.asked = store.asked, []
        sync(store, here)
        assert sorted(with_deletion) == sorted(store.asked)

    def test_a_dry_run_does_not_look_again(self, store, here, sync):
        self.at_target(store, here, sync, "extra")
        store.asked.clear()
        assert sync(store, here, Deletion(yes), dry_run=True).deleted == 1
        assert [path for method, path in store.asked if method == "list"].count("/top") == 1

    def test_a_second_look_that_fails_deletes_nothing(self, store, here, sync):
        self.at_target(store, here, sync, "extra")

        def refuse(extras, stop) -> bool:
            def forbidden(path):
                raise Forbidden("no", path=str(path))

            store.list = forbidden
            return True

        summary = sync(store, here, Deletion(refuse))
        del store.list
        assert (summary.deleted, failures(summary)) == (0, {"/top/extra": "no"})
        assert self.has(store, here, sync, "extra")


class TestLooks:
    def test_a_storage_that_lists_as_empty_at_the_end_deletes_nothing(self, store, here):
        add_here(here, "extra")

        def answer(extras, stop) -> bool:
            store.list = lambda path: iter(())
            return True

        summary = down(store, here, Deletion(answer))
        assert "lists its directory as empty" in failures(summary)["/top/extra"]
        assert (here / "extra").exists()

    def test_a_file_on_the_storage_that_a_listing_lacks_is_looked_up(self, store, here):
        add_there(store, "extra")

        def answer(extras, stop) -> bool:
            store.list = lambda path: iter(())
            return True

        summary = up(store, here, Deletion(answer))
        del store.list
        assert (summary.deleted, remote_names(store)) == (1, ["/top", "/top/keep", "/top/sub", "/top/sub/keep"])

    def test_two_names_of_one_file_are_both_deleted(self, store, here):
        add_here(here, "one")
        (here / "two").hardlink_to(here / "one")
        (here / "sub" / "three").hardlink_to(here / "one")
        summary = down(store, here, Deletion(yes))
        assert (summary.deleted, failures(summary)) == (3, {})

    def test_a_change_that_keeps_size_and_mtime_is_noticed(self, store, here):
        add_here(here, "notes")
        os.utime(here / "notes", (1e9, 1e9))

        def answer(extras, stop) -> bool:
            (here / "new").write_bytes(b"EXTRA")
            os.utime(here / "new", (1e9, 1e9))
            (here / "new").replace(here / "notes")
            return True

        assert failures(down(store, here, Deletion(answer))) == {"/top/notes": CHANGED}

    def test_a_name_that_nfc_makes_equal_counts_as_the_source_s(self, store, here):
        add_there(store, "caf\u00e9")

        def answer(extras, stop) -> bool:
            add_here(here, "cafe\u0301")
            return True

        summary = up(store, here, Deletion(answer), normalize=True)
        assert failures(summary) == {"/top/caf\u00e9": AT_SOURCE}

    @pytest.mark.parametrize(("limit", "words"), [(0, "1 name would be deleted, more than 0")])
    def test_one_name_is_singular(self, store, here, limit, words):
        add_here(here, "extra")
        assert words in str(down(store, here, Deletion(yes, limit=limit)).errors[0])
