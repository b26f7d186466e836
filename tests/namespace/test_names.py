"""Finding, counting, drawing, moving and deleting names, in memory."""

from __future__ import annotations

import pytest
from stores.memory import MemoryStore

from ctadata.entries import Entry, Kind
from ctadata.errors import AlreadyExists, ConfigError, NotFound, Unsupported, UsageError
from ctadata.namespace.digests import get_digest, get_digests
from ctadata.namespace.du import measure_usage
from ctadata.namespace.filters import Pattern
from ctadata.namespace.find import Criteria, find, read_moment, read_size
from ctadata.namespace.listing import list_tree
from ctadata.namespace.mkdir import make_directory
from ctadata.namespace.remove import drop_nested, refuse_home, remove, remove_empty
from ctadata.namespace.rename import plan_renames, rename
from ctadata.namespace.tree import ASCII, draw_tree
from ctadata.paths import RemotePath
from ctadata.stores.base import Features

NOW = 1_700_000_000.0


class Content:
    """Bytes to upload, with a time."""

    def __init__(self, content: bytes, mtime: float = NOW) -> None:
        self.content = content
        self.size = len(content)
        self.mtime: float | None = mtime

    def read(self, limit: int) -> bytes:
        block, self.content = self.content[:limit], self.content[limit:]
        return block

    def rewind(self) -> None:
        raise AssertionError("nothing is sent twice here")


def at(text: str) -> RemotePath:
    return RemotePath.parse(text)


@pytest.fixture
def store() -> MemoryStore:
    """`t/a.h5` (5), `t/run1/b.h5` (10), `t/run1/log/c.txt` (0, a day old), `t/run2`, and a temporary of an upload."""
    store = MemoryStore()
    store.write(at("t/a.h5"), Content(b"12345"))
    store.write(at("t/run1/b.h5"), Content(b"x" * 10))
    store.write(at("t/run1/log/c.txt"), Content(b"", NOW - 86400))
    store.write(at("t/run1/.ctadata-12.part"), Content(b"x" * 99))
    store.mkdir(at("t/run2"))
    return store


@pytest.fixture
def top(store: MemoryStore) -> Entry:
    return store.info(at("t"))


def found(store: MemoryStore, top: Entry, criteria: Criteria) -> set[str]:
    return {str(entry.path) for entry in find(store, top, criteria)}


class TestFind:
    @pytest.mark.parametrize(
        ("criteria", "names"),
        [
            (Criteria(), {"/t/a.h5", "/t/run1", "/t/run1/b.h5", "/t/run1/log", "/t/run1/log/c.txt", "/t/run2"}),
            (Criteria(names=(Pattern.read("*.h5"),)), {"/t/a.h5", "/t/run1/b.h5"}),
            (Criteria(names=(Pattern.read("a.*"), Pattern.read("log/*"))), {"/t/a.h5"}),
            (Criteria(names=(Pattern.read("run1/*/*"),)), {"/t/run1/log/c.txt"}),
            (Criteria(kind=Kind.DIRECTORY), {"/t/run1", "/t/run1/log", "/t/run2"}),
            (Criteria(sizes=(5, None)), {"/t/a.h5", "/t/run1/b.h5"}),
            (Criteria(sizes=(None, 5)), {"/t/a.h5", "/t/run1/log/c.txt"}),
            (Criteria(sizes=(6, 9)), set()),
            (Criteria(kind=Kind.FILE, before=NOW), {"/t/run1/log/c.txt"}),
            (Criteria(kind=Kind.FILE, after=NOW - 86400), {"/t/a.h5", "/t/run1/b.h5"}),
            (Criteria(kind=Kind.FILE, after=NOW - 86401, before=NOW), {"/t/run1/log/c.txt"}),
        ],
    )
    def test_entries_that_fit_the_criteria(self, store, top, criteria, names):
        assert found(store, top, criteria) == names

    def test_a_file_is_found_itself(self, store):
        file = store.info(at("t/run1/b.h5"))
        assert found(store, file, Criteria(names=(Pattern.read("b*"),))) == {"/t/run1/b.h5"}
        assert found(store, file, Criteria(names=(Pattern.read("a*"),))) == set()

    def test_an_unknown_value_never_fits(self):
        bare = Entry(at("a"), Kind.FILE)
        for criteria in (Criteria(sizes=(0, None)), Criteria(after=0), Criteria(before=2 * NOW)):
            assert not criteria.fit(bare, ("a",))
        assert Criteria().fit(bare, ("a",))

    @pytest.mark.parametrize(
        ("text", "bounds"),
        [
            ("10", (10, 10)),
            ("+10", (11, None)),
            ("-10", (None, 9)),
            ("+10M", (10 * 1024**2 + 1, None)),
            ("-1k", (None, 1023)),
            ("2G", (2 * 1024**3, 2 * 1024**3)),
            ("1T", (1024**4, 1024**4)),
            ("3kB", (3072, 3072)),
            ("3KiB", (3072, 3072)),
            ("7b", (7, 7)),
        ],
    )
    def test_sizes(self, text, bounds):
        assert read_size(text) == bounds

    @pytest.mark.parametrize("text", ["", "+", "x", "1.5M", "10X", "--1", "1 M", "٣", "9" * 30])
    def test_texts_that_are_no_size(self, text):
        with pytest.raises(UsageError):
            read_size(text)

    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("90s", NOW - 90),
            ("30min", NOW - 1800),
            ("12h", NOW - 12 * 3600),
            ("7d", NOW - 7 * 86400),
            ("2 w", NOW - 14 * 86400),
            ("1y", NOW - 365 * 86400),
            ("2023-11-14", 1_699_920_000.0),
            ("2023-11-14T22:13:20", NOW),
            ("2023-11-14T22:13:20Z", NOW),
            ("2023-11-14T23:13:20+01:00", NOW),
        ],
    )
    def test_moments(self, text, moment):
        assert read_moment(text, NOW) == moment

    @pytest.mark.parametrize("text", ["", "7", "7m", "-7d", "yesterday", "2023-13-01"])
    def test_texts_that_are_no_moment(self, text):
        with pytest.raises(UsageError):
            read_moment(text, NOW)


class TestUsage:
    @pytest.mark.parametrize(
        ("depth", "lines"),
        [
            (0, [("/t", 15, 3, 3)]),
            (1, [("/t/run1", 10, 2, 1), ("/t/run2", 0, 0, 0), ("/t", 15, 3, 3)]),
            (None, [("/t/run1", 10, 2, 1), ("/t/run1/log", 0, 1, 0), ("/t/run2", 0, 0, 0), ("/t", 15, 3, 3)]),
        ],
    )
    def test_levels(self, store, top, depth, lines):
        counted = measure_usage(store, top, depth=depth)
        assert [(str(u.path), u.size, u.files, u.directories) for u in counted] == lines

    def test_a_file(self, store):
        (counted,) = measure_usage(store, store.info(at("t/a.h5")))
        assert (counted.size, counted.files, counted.directories, counted.unsized) == (5, 1, 0, 0)

    def test_files_of_unknown_size_are_counted(self, store, top, monkeypatch):
        monkeypatch.setattr(store, "list", lambda path: iter([Entry(path / "new", Kind.FILE)]))
        (counted,) = measure_usage(store, top)
        assert (counted.size, counted.files, counted.unsized) == (0, 1, 1)


class TestDrawing:
    def test_all(self, store, top):
        assert list(draw_tree(store, top)) == [
            "t/",
            "├── a.h5",
            "├── run1/",
            "│   ├── b.h5",
            "│   └── log/",
            "│       └── c.txt",
            "└── run2/",
        ]

    def test_levels_in_ascii(self, store, top):
        assert list(draw_tree(store, top, depth=1, pen=ASCII)) == ["t/", "|-- a.h5", "|-- run1/", "`-- run2/"]
        assert list(draw_tree(store, top, depth=0)) == ["t/"]

    def test_a_file(self, store):
        assert list(draw_tree(store, store.info(at("t/a.h5")))) == ["t/a.h5"]

    def test_names_cannot_draw(self, store, top):
        store.write(at("t/run2/\x1b[2J\n├── fake"), Content(b""))
        assert list(draw_tree(store, top))[-1] == "    └── \\x1b[2J\\n├── fake"

    def test_a_deep_tree(self):
        store = MemoryStore()
        store.mkdir(RemotePath(("d",) * 1200))  # more than calls can be nested
        assert len(list(draw_tree(store, store.info(RemotePath(("d",)))))) == 1200


def test_a_listing_to_a_depth_does_not_look_below_it(store, monkeypatch):
    looked: list[str] = []
    real = store.list
    monkeypatch.setattr(store, "list", lambda path: looked.append(str(path)) or real(path))
    assert {str(entry.path) for entry in list_tree(store, at("t"), depth=1)} == {"/t/a.h5", "/t/run1", "/t/run2"}
    assert looked == ["/t"]


class TestRenaming:
    def entries(self, store, *texts):
        return [store.info(at(text)) for text in texts]

    def move(self, store, sources, target, *, replace=False, into=False):
        for renaming in plan_renames(store, self.entries(store, *sources), at(target), into=into):
            rename(store, renaming, replace=replace)

    def names(self, store):
        return {str(entry.path) for entry in list_tree(store, RemotePath()) if not entry.is_directory}

    @pytest.mark.parametrize(
        ("sources", "target", "at_last"),
        [
            (["t/a.h5"], "t/z.h5", "/t/z.h5"),
            (["t/a.h5"], "t/run2", "/t/run2/a.h5"),
            (["t/a.h5", "t/run1"], "t/run2", "/t/run2/run1/log/c.txt"),
            (["t/run1"], "t/run3", "/t/run3/b.h5"),
            (["t/run1"], "t/run2", "/t/run2/run1/b.h5"),
        ],
    )
    def test_the_new_path_of_each_entry(self, store, sources, target, at_last):
        before = len(self.names(store))
        self.move(store, sources, target)
        assert at_last in self.names(store)
        assert len(self.names(store)) == before

    @pytest.mark.parametrize(
        ("sources", "target", "into", "error"),
        [
            (["t/run1"], "t/a.h5", False, AlreadyExists),
            (["t/a.h5"], "t/a.h5", False, UsageError),
            (["t/run1"], "t/run1", False, UsageError),
            (["t/run1"], "t/run1/log", False, UsageError),
            (["t/a.h5"], "t/new", True, NotFound),
            (["t/a.h5", "t/run1"], "t/new", False, NotFound),
            (["t/run1/b.h5", "t/run2"], "t/a.h5", False, UsageError),
            (["t/a.h5"], "t/run1/b.h5", True, UsageError),
            (["t/a.h5"], "no/where", False, NotFound),
        ],
    )
    @pytest.mark.parametrize("replace", [False, True])
    def test_what_is_refused(self, store, sources, target, into, error, replace):
        before = self.names(store)
        with pytest.raises(error):
            self.move(store, sources, target, replace=replace, into=into)
        assert self.names(store) == before

    def test_a_file_is_replaced_only_with_replace(self, store):
        with pytest.raises(AlreadyExists):
            self.move(store, ["t/a.h5"], "t/run1/b.h5")
        assert store.info(at("t/run1/b.h5")).size == 10
        self.move(store, ["t/a.h5"], "t/run1/b.h5", replace=True)
        assert store.info(at("t/run1/b.h5")).size == 5
        assert "/t/a.h5" not in self.names(store)

    def test_two_sources_with_one_name_are_refused(self, store):
        store.write(at("t/run2/a.h5"), Content(b"other"))
        with pytest.raises(UsageError, match="two of the files"):
            self.move(store, ["t/a.h5", "t/run2/a.h5"], "t/run1")

    def test_a_store_without_collections_needs_no_parent(self, store, monkeypatch):
        monkeypatch.setattr(store, "features", Features(has_directories=False))
        [renaming] = plan_renames(store, self.entries(store, "t/a.h5"), at("t/new"), into=True)
        assert renaming.target == at("t/new/a.h5")
        make_directory(store, at("x/y"))
        monkeypatch.undo()
        with pytest.raises(NotFound):
            make_directory(store, at("z/y"))

    @pytest.mark.parametrize("source", ["t/a.h5", "t/run1"])
    def test_a_storage_that_cannot(self, store, monkeypatch, source):
        monkeypatch.setattr(store, "features", Features(can_move=False))
        with pytest.raises(Unsupported, match="cannot rename"):
            self.move(store, [source], "t/new")


class TestRemoval:
    @pytest.mark.parametrize("path", ["", "lst", "lst/users", "lst/users/ada"])
    def test_the_root_the_home_and_its_parents_are_never_deleted(self, path):
        doomed = [Entry(at("lst/x"), Kind.DIRECTORY), Entry(at(path), Kind.DIRECTORY)]
        with pytest.raises(UsageError, match="is never deleted or moved") as caught:
            refuse_home(doomed, lambda: at("lst/users/ada"))
        assert caught.value.path == str(at(path))

    @pytest.mark.parametrize("path", ["lst/users/ada/x", "lst/users/adam", "lst/run1", "ls"])
    def test_other_names_may_go(self, path):
        refuse_home([Entry(at(path), Kind.DIRECTORY)], lambda: at("lst/users/ada"))

    @pytest.mark.parametrize("error", [ConfigError("no home"), NotFound("no home")])
    def test_the_root_is_never_deleted_even_without_a_home(self, error):
        def home() -> RemotePath:
            raise error

        refuse_home([Entry(at("lst"), Kind.DIRECTORY)], home)
        with pytest.raises(UsageError, match="root"):
            refuse_home([Entry(RemotePath(), Kind.DIRECTORY)], home)

    def test_the_home_is_not_looked_up_for_files(self):
        refuse_home([Entry(at("lst/a"), Kind.FILE)], lambda: pytest.fail("asked"))

    def test_directories_are_deleted_only_with_recursive(self, store, top):
        with pytest.raises(UsageError, match="directory"):
            remove(store, store.info(at("t/run1")))
        remove(store, store.info(at("t/run1")), recursive=True)
        remove(store, store.info(at("t/a.h5")))
        assert [str(entry.path) for entry in list_tree(store, at("t"))] == ["/t/run2"]

    def test_empty_ones_alone(self, store):
        for text in ("t/run1", "t/a.h5"):
            with pytest.raises(UsageError):
                remove_empty(store, store.info(at(text)))
        remove_empty(store, store.info(at("t/run2")))
        assert {entry.path.name for entry in store.list(at("t"))} == {"a.h5", "run1"}

    def test_nested_entries_are_dropped(self, store):
        entries = [store.info(at(text)) for text in ("t/run1/log/c.txt", "t/run1", "t/run1", "t/a.h5", "t/run1/log")]
        assert [str(entry.path) for entry in drop_nested(entries)] == ["/t/run1", "/t/a.h5"]


class TestDigests:
    def test_the_strongest_or_the_one_asked_for(self, store):
        file = store.info(at("t/a.h5"))
        assert get_digest(store, file)[0] == "sha-512"
        assert get_digest(store, file, "md5") == ("md5", "827ccb0eea8a706c4c34a16891f84e7b")

    def test_a_digest_that_the_listing_lacks_is_requested(self, store):
        bare = Entry(at("t/a.h5"), Kind.FILE, 5)
        assert get_digests(store, bare)["adler32"] == "02f80100"

    def test_none(self, store, monkeypatch):
        monkeypatch.setattr(store, "digests", lambda path: {})
        with pytest.raises(Unsupported, match="no checksum"):
            get_digest(store, Entry(at("t/a.h5"), Kind.FILE, 5))
        with pytest.raises(Unsupported, match="no md5") as caught:
            get_digest(store, Entry(at("t/a.h5"), Kind.FILE, 5, checksums={"adler32": "02f80100"}), "md5")
        assert caught.value.hint == "it knows: adler32"
        with pytest.raises(UsageError, match="directory"):
            get_digest(store, store.info(at("t")))


class Replacing(MemoryStore):
    """A store that replaces whatever the request says, as XRootD does."""

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:
        super().move(source, target, replace=True)


def test_a_taken_name_is_kept_although_the_server_would_replace_it():
    store = Replacing()
    store.write(at("a"), Content(b"new"))
    store.write(at("b"), Content(b"old!"))
    (renaming,) = plan_renames(store, [store.info(at("a"))], at("b"))
    with pytest.raises(AlreadyExists):
        rename(store, renaming)
    assert store.info(at("b")).size == 4
    rename(store, renaming, replace=True)
    assert store.info(at("b")).size == 3
