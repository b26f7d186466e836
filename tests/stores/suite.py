"""The contract of every store: one suite for the reference in memory, for the sandbox and for foreign servers.

A test module of a store subclasses `StoreSuite` and gives a `store` fixture, which may live as long as the module;
each test works in a `folder` of its own.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from ctadata.entries import Entry, Kind
from ctadata.errors import (
    AlreadyExists,
    Changed,
    CtadataError,
    Incomplete,
    IntegrityError,
    Interrupted,
    LocalError,
    NotFound,
    Unnameable,
    Unsupported,
    UsageError,
)
from ctadata.namespace.listing import list_tree
from ctadata.paths import RemotePath
from ctadata.stores.base import Delivery, Store
from ctadata.stores.channel import for_each
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import NullReporter, Summary
from ctadata.transfer.run import Run
from ctadata.transfer.sync import Deletion as SyncDeletion
from ctadata.transfer.sync import sync_down, sync_up

HASHLIB = {"sha-512": "sha512", "sha-256": "sha256", "sha": "sha1", "md5": "md5"}
ODD_NAMES = [
    *("a b.txt", " lead", "trail ", "100%.txt", "%41.txt", "a%2Fb", "amp&.txt", "at@.txt", "back\\slash.txt"),
    *("br[a]ck.txt", "bt`.txt", "car^et.txt", "col:on.txt", "com,ma.txt", "cur{ly}.txt", "dol$.txt", 'dq".txt'),
    *(".dot", "eq=.txt", "ex!c.txt", "e\u0301nfd.txt", "h#sh.txt", "lt<gt>.txt", "p+lus.txt", "par(en).txt"),
    *("pipe|.txt", "q?m.txt", "quo'te.txt", "semi;c.txt", "st*r.txt", "til~de.txt", "x" * 200, "ünï.txt"),
    *("日本.txt", "😀.txt", "...", "..a", "-rf", "tab\there", "nl\nx"),
]


class Bytes:
    """Bytes as the source of an upload; `size` may lie."""

    def __init__(self, content: bytes, *, mtime: float | None = None, size: int | None = None) -> None:
        self.content = content
        self.mtime = mtime
        self.size = len(content) if size is None else size
        self.offset = 0

    def read(self, limit: int) -> bytes:
        block = self.content[self.offset : self.offset + limit]
        self.offset += len(block)
        return block

    def rewind(self) -> None:
        self.offset = 0

    def peek(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        return iter([self.content[start:stop]])

    def check_md5(self, md5: bytes, start: int = 0, stop: int | None = None) -> None:
        assert hashlib.md5(self.content[start:stop]).digest() == md5

    def part(self, start: int, stop: int) -> Bytes:
        return Bytes(self.content[start:stop])


class Failing(Bytes):
    """A source that breaks off in the middle, as a disk does."""

    def read(self, limit: int) -> bytes:
        if self.offset:
            raise LocalError("the disk is gone")
        return super().read(min(limit, len(self.content) // 2))


@dataclass
class Basket:
    """A sink that keeps its bytes."""

    begun: list[Delivery] = field(default_factory=list)
    content: bytes = b""

    def begin(self, delivery: Delivery) -> None:
        self.begun.append(delivery)
        self.content = b""

    def write(self, block: bytes) -> None:
        assert self.begun, "bytes before anything is known of them"
        assert block
        self.content += block


class Full(Basket):
    """A sink that cannot take any byte."""

    def write(self, block: bytes) -> None:
        raise LocalError("no space left")


def put(store: Store, path: RemotePath, content: bytes = b"content") -> None:
    """Upload, and again after a temporary error: real servers break off now and then."""
    for _ in range(3):
        try:
            store.write(path, Bytes(content))
        except Interrupted as error:
            broken = error
        else:
            return
    raise broken


def get(store: Store, path: RemotePath, start: int = 0, stop: int | None = None) -> bytes:
    with store.open(path) as reading:
        return read(reading, start, stop)


def read(reading, start: int = 0, stop: int | None = None) -> bytes:
    """Return the bytes of one `send`; the requested slice of them if the store began before it."""
    basket = Basket()
    delivery = reading.send(basket, start, stop)
    assert basket.begun == [delivery]
    assert delivery.start in (0, start)
    return basket.content[start - delivery.start :]


def names(store: Store, path: RemotePath) -> set[str]:
    found = list(store.list(path))
    assert all(entry.path.parent == path for entry in found)
    assert len({entry.path for entry in found}) == len(found)
    return {entry.path.name for entry in found}


def digest(content: bytes, algorithm: str) -> str:
    if algorithm == "adler32":
        return f"{zlib.adler32(content):08x}"
    if algorithm == "crc32":
        return f"{zlib.crc32(content):08x}"
    return hashlib.new(HASHLIB[algorithm], content).hexdigest()


class StoreSuite:
    """The contract of `ctadata.stores.base.Store`."""

    looks_before_it_writes = True
    """Whether `write(new=True)` is refused for a taken name."""

    @pytest.fixture
    def folder(self, store: Store) -> RemotePath:
        folder = RemotePath((f"suite-{uuid.uuid4().hex}",))
        store.mkdir(folder)
        return folder

    # --- info and list

    def test_the_entry_of_a_file(self, store, folder):
        put(store, folder / "a", b"12345")
        entry = store.info(folder / "a")
        assert (entry.path, entry.kind, entry.size) == (folder / "a", Kind.FILE, 5)
        assert entry.mtime is not None
        assert (entry.etag or '"').endswith('"')

    def test_the_entry_of_a_directory(self, store, folder):
        entry = store.info(folder)
        assert (entry.path, entry.kind, entry.size) == (folder, Kind.DIRECTORY, None)

    def test_the_root_is_a_directory(self, store, folder):
        assert store.info(RemotePath()).is_directory
        assert folder.name in names(store, RemotePath())

    def test_what_is_missing_is_not_found_and_named(self, store, folder):
        for path in (folder / "missing", folder / "missing" / "deeper"):
            for ask in (
                lambda path: store.info(path),
                lambda path: list(store.list(path)),
                lambda path: get(store, path),
                lambda path: get(store, path, 2, 4),
                lambda path: store.delete(path),
                lambda path: store.move(path, folder / "b", replace=False),
            ):
                with pytest.raises(NotFound) as caught:
                    ask(path)
                assert caught.value.path == str(path)

    def test_a_listing_has_what_lies_directly_below(self, store, folder):
        put(store, folder / "a", b"1")
        store.mkdir(folder / "sub" / "deeper")
        put(store, folder / "sub" / "c", b"1")
        found = {entry.path.name: entry for entry in store.list(folder)}
        assert {name: (entry.kind, entry.size) for name, entry in found.items()} == {
            "a": (Kind.FILE, 1),
            "sub": (Kind.DIRECTORY, None),
        }
        assert found["a"] == store.info(folder / "a")

    def test_a_directory_may_be_empty(self, store, folder):
        assert list(store.list(folder)) == []

    def test_a_file_has_no_listing(self, store, folder):
        put(store, folder / "a")
        with pytest.raises(UsageError) as caught:
            list(store.list(folder / "a"))
        assert caught.value.path == str(folder / "a")

    def test_listings_carry_checksums_where_the_store_says_so(self, store, folder):
        content = random.Random(1).randbytes(1000)
        put(store, folder / "a", content)
        (entry,) = store.list(folder)
        assert bool(entry.checksums) == store.features.lists_checksums
        assert all(value == digest(content, name) for name, value in entry.checksums.items())

    def test_a_listing_may_be_left_in_the_middle(self, store, folder):
        for number in range(20):
            put(store, folder / f"{number}", b"")
        some = list(itertools.islice(store.list(folder), 3))
        assert len(some) == 3
        list_tree = store.list(folder)
        next(list_tree)
        del list_tree
        assert len(names(store, folder)) == 20

    def test_odd_names_go_there_and_back(self, store, folder):
        odd = [name for name in ODD_NAMES if name not in self.impossible_names]
        store.mkdir(folder / "a b%41" / self.odd_directory)
        for below in (folder, folder / "a b%41" / self.odd_directory):
            for name in odd:
                put(store, below / name, name.encode())
            assert names(store, below) - {"a b%41"} == set(odd)
            for name in odd:
                assert store.info(below / name).size == len(name.encode())
                assert get(store, below / name) == name.encode()

    impossible_names: frozenset[str] = frozenset()
    """Names that this server cannot keep."""
    odd_directory = "ü?#"

    # --- reading

    @pytest.mark.parametrize("size", [0, 1, 65536, 3_000_001])
    def test_a_file_there_and_back(self, store, folder, size):
        content = random.Random(size).randbytes(size)
        put(store, folder / "a", content)
        basket = Basket()
        with store.open(folder / "a") as reading:
            delivery = reading.send(basket)
        assert basket.content == content
        assert (delivery.start, delivery.total) == (0, size)
        assert set(delivery.digests) <= set(store.features.digests)
        assert bool(delivery.digests) == bool(store.features.digests)
        assert all(value == digest(content, name) for name, value in delivery.digests.items())

    @pytest.mark.parametrize(
        ("start", "stop"),
        [
            (0, 1),
            (0, 5),
            (3, 7),
            (9, 10),
            (4, None),
            (10, None),
            (10, 12),
            (0, 100),
            (5, 100),
            (4, 4),
            (0, 10),
            (0, None),
        ],
    )
    def test_any_range(self, store, folder, start, stop):
        put(store, folder / "a", b"0123456789")
        assert get(store, folder / "a", start, stop) == b"0123456789"[start:stop]

    def test_ranges_of_an_empty_file(self, store, folder):
        put(store, folder / "a", b"")
        assert get(store, folder / "a", 0, 10) == b""
        assert get(store, folder / "a", 0, None) == b""

    def test_a_start_beyond_the_end_is_a_file_that_became_shorter(self, store, folder):
        put(store, folder / "a", b"0123456789")
        for stop in (None, 20):
            with pytest.raises((Changed, IntegrityError)):
                get(store, folder / "a", 11, stop)

    def test_many_ranges_of_one_reader(self, store, folder):
        content = random.Random(7).randbytes(100_000)
        put(store, folder / "a", content)
        with store.open(folder / "a") as reading:
            for start, stop in ((0, 10), (99_990, 100_000), (5, 50_000), (50_000, None), (0, None), (7, 8)):
                assert read(reading, start, stop) == content[start:stop]

    def test_a_reading_does_not_mix_versions(self, store, folder):
        put(store, folder / "a", b"old" * 10)
        with store.open(folder / "a") as reading:
            assert read(reading, 0, 3) == b"old"
            put(store, folder / "a", b"a new and longer one" * 10)
            try:
                later = read(reading, 3, 6)
            except CtadataError as error:
                assert error.path == str(folder / "a")
            else:
                assert later == b"old"
        assert get(store, folder / "a").startswith(b"a new")

    def test_a_directory_is_not_read(self, store, folder):
        with pytest.raises(CtadataError) as caught:
            get(store, folder)
        assert isinstance(caught.value, UsageError | NotFound)
        assert caught.value.path == str(folder)

    def test_what_the_sink_raises_comes_out(self, store, folder):
        put(store, folder / "a", b"x" * 100_000)
        with store.open(folder / "a") as reading, pytest.raises(LocalError, match="no space left"):
            reading.send(Full())
        assert get(store, folder / "a") == b"x" * 100_000

    # --- writing

    def test_a_file_is_replaced(self, store, folder):
        put(store, folder / "a", b"a long first version")
        put(store, folder / "a", b"second")
        assert get(store, folder / "a") == b"second"
        assert store.info(folder / "a").size == 6

    def test_a_new_file_only_where_none_is(self, store, folder):
        store.write(folder / "a", Bytes(b"first"), new=True)
        if self.looks_before_it_writes:
            with pytest.raises(AlreadyExists) as caught:
                store.write(folder / "a", Bytes(b"second"), new=True)
            assert caught.value.path == str(folder / "a")
        assert get(store, folder / "a") == b"first"

    def test_what_the_store_says_of_an_upload_is_true(self, store, folder):
        content = random.Random(3).randbytes(200_000)
        written = store.write(folder / "a", Bytes(content))
        assert set(written.digests) <= set(store.features.digests)
        assert all(value == digest(content, name) for name, value in written.digests.items())
        kept = store.digests(folder / "a")
        assert "adler32" in kept or "adler32" not in store.features.digests
        assert all(value == digest(content, name) for name, value in kept.items())

    def test_the_time_of_a_file_is_kept_where_the_store_says_so(self, store, folder):
        store.write(folder / "a", Bytes(b"x", mtime=1_000_000_000.75))
        store.write(folder / "b", Bytes(b"x"))
        kept = abs((store.info(folder / "a").mtime or 0) - 1_000_000_000.75) <= 1
        assert kept or not store.features.keeps_mtime
        assert (store.info(folder / "b").mtime or 0) > 1_500_000_000

    def test_a_directory_is_not_replaced_by_a_file(self, store, folder):
        store.mkdir(folder / "sub")
        put(store, folder / "sub" / "a")
        with pytest.raises(AlreadyExists) as caught:
            put(store, folder / "sub")
        assert caught.value.path == str(folder / "sub")
        assert names(store, folder / "sub") == {"a"}

    def test_what_the_source_raises_comes_out(self, store, folder):
        put(store, folder / "a", b"old")
        with pytest.raises(LocalError, match="the disk is gone"):
            store.write(folder / "a", Failing(b"x" * 3_000_000))
        if store.features.atomic_put:
            assert get(store, folder / "a") == b"old"

    def test_a_source_that_ends_early_is_no_upload(self, store, folder):
        put(store, folder / "a", b"old")
        with pytest.raises((Interrupted, LocalError)):
            store.write(folder / "a", Bytes(b"x" * 100_000, size=100_001))
        if store.features.atomic_put:
            assert get(store, folder / "a") == b"old"

    # --- directories

    def test_directories_are_made_with_those_above(self, store, folder):
        deep = folder / "a" / "b c" / "ü"
        store.mkdir(deep)
        assert store.info(deep).is_directory
        assert names(store, folder / "a") == {"b c"}

    def test_a_directory_that_exists_is_no_error(self, store, folder):
        put(store, folder / "a")
        store.mkdir(folder)
        store.mkdir(RemotePath())
        assert names(store, folder) == {"a"}

    def test_a_file_in_the_way_of_a_directory(self, store, folder):
        put(store, folder / "a", b"kept")
        for path in (folder / "a", folder / "a" / "b", folder / "a" / "b" / "c"):
            with pytest.raises(AlreadyExists):
                store.mkdir(path)
        assert get(store, folder / "a") == b"kept"

    def test_the_same_directory_from_many_threads(self, store, folder):
        together = threading.Barrier(6)

        def make(number: int) -> None:
            together.wait(60)
            store.mkdir(folder / "x" / "y" / f"{number % 2}")

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(make, range(6)))
        assert names(store, folder / "x" / "y") == {"0", "1"}

    # --- deleting

    def test_a_file_is_deleted(self, store, folder):
        put(store, folder / "a")
        put(store, folder / "b")
        store.delete(folder / "a")
        assert names(store, folder) == {"b"}

    def test_a_file_is_no_directory_to_delete(self, store, folder):
        put(store, folder / "file", b"1")
        with pytest.raises(UsageError, match="a file, not a directory"):
            store.delete(folder / "file", directory=True)
        assert store.info(folder / "file").size == 1

    def test_an_empty_directory_is_deleted(self, store, folder):
        store.mkdir(folder / "sub")
        store.delete(folder / "sub")
        assert names(store, folder) == set()

    def test_a_directory_with_anything_in_it_is_not(self, store, folder):
        put(store, folder / "sub-file")
        store.mkdir(folder / "sub" / "deeper")
        for path in (folder, folder / "sub"):
            with pytest.raises(UsageError) as caught:
                store.delete(path)
            assert caught.value.path == str(path)
        assert store.info(folder / "sub" / "deeper").is_directory

    def test_the_root_is_never_deleted(self, store, folder):
        with pytest.raises(UsageError):
            store.delete(RemotePath())
        assert store.info(folder).is_directory

    # --- deleting trees

    def test_a_tree_is_deleted_with_all_it_holds(self, store, folder):
        for path in (folder / "sub" / "a", folder / "sub" / "deeper" / "b c", folder / "sub" / "deeper" / "e" / "ü"):
            store.mkdir(path.parent)
            put(store, path)
        put(store, folder / "subway")
        store.delete_tree(folder / "sub")
        assert names(store, folder) == {"subway"}
        with pytest.raises(NotFound):
            store.info(folder / "sub" / "deeper")

    def test_a_tree_of_an_odd_name_is_deleted_and_its_neighbours_stay(self, store, folder):
        for name in ("a b%41", "a b", "aA", self.odd_directory):
            store.mkdir(folder / name)
            put(store, folder / name / "c")
        store.delete_tree(folder / "a b%41")
        assert names(store, folder) == {"a b", "aA", self.odd_directory}
        store.delete_tree(folder / self.odd_directory)
        assert names(store, folder) == {"a b", "aA"}

    def test_a_tree_may_be_empty_or_a_file(self, store, folder):
        store.mkdir(folder / "sub")
        put(store, folder / "a")
        store.delete_tree(folder / "sub")
        store.delete_tree(folder / "a")
        assert names(store, folder) == set()

    def test_a_tree_that_is_not_there_is_not_found(self, store, folder):
        with pytest.raises(NotFound) as caught:
            store.delete_tree(folder / "missing")
        assert caught.value.path == str(folder / "missing")

    def test_the_root_is_no_tree_to_delete(self, store, folder):
        with pytest.raises(UsageError):
            store.delete_tree(RemotePath())
        assert store.info(folder).is_directory

    # --- moving

    def test_a_file_is_moved_to_a_new_name(self, store, folder):
        put(store, folder / "a", b"moved")
        store.mkdir(folder / "s p")
        target = folder / "s p" / "ü %41#+&.txt"
        store.move(folder / "a", target, replace=False)
        assert names(store, folder) == {"s p"}
        assert get(store, target) == b"moved"

    def test_a_move_to_an_odd_name_is_right_or_an_error(self, store, folder):
        for name in ODD_NAMES:
            if name in self.impossible_names:
                continue
            put(store, folder / "temporary", name.encode())
            if name in self.impossible_targets:
                with pytest.raises(CtadataError, match="name"):
                    store.move(folder / "temporary", folder / name, replace=False)
                store.delete(folder / "temporary")
            else:
                store.move(folder / "temporary", folder / name, replace=False)
                assert get(store, folder / name) == name.encode()

    impossible_targets: frozenset[str] = frozenset()
    """Names that this server gets wrong in a `Destination`."""

    def test_a_move_replaces_only_where_it_should(self, store, folder):
        put(store, folder / "a", b"new")
        put(store, folder / "b", b"old")
        with pytest.raises(AlreadyExists) as caught:
            store.move(folder / "a", folder / "b", replace=False)
        assert caught.value.path == str(folder / "b")
        assert (get(store, folder / "a"), get(store, folder / "b")) == (b"new", b"old")
        store.move(folder / "a", folder / "b", replace=True)
        assert names(store, folder) == {"b"}
        assert get(store, folder / "b") == b"new"

    def test_a_move_may_say_that_it_replaces_where_there_is_nothing(self, store, folder):
        put(store, folder / "a", b"new")
        store.move(folder / "a", folder / "b", replace=True)
        assert names(store, folder) == {"b"}

    @pytest.mark.parametrize("replace", [False, True])
    def test_a_move_never_replaces_a_directory(self, store, folder, replace):
        put(store, folder / "a", b"new")
        store.mkdir(folder / "sub" / "deeper")
        with pytest.raises(AlreadyExists):
            store.move(folder / "a", folder / "sub", replace=replace)
        assert names(store, folder) == {"a", "sub"}
        assert names(store, folder / "sub") == {"deeper"}

    @pytest.mark.parametrize("replace", [False, True])
    def test_a_move_onto_itself_changes_nothing(self, store, folder, replace):
        put(store, folder / "a", b"kept")
        with pytest.raises((UsageError, AlreadyExists)):
            store.move(folder / "a", folder / "a", replace=replace)
        assert get(store, folder / "a") == b"kept"

    # --- moving trees

    @pytest.fixture
    def tree(self, store: Store, folder: RemotePath) -> RemotePath:
        """A collection `sub` with a file and a collection in it."""
        store.mkdir(folder / "sub" / "deeper")
        put(store, folder / "sub" / "deeper" / "a", b"moved")
        return folder / "sub"

    @pytest.mark.parametrize("name", ["other", "sub2", "o th+er%41"])
    def test_a_tree_is_moved_with_all_it_holds(self, store, folder, tree, name):
        store.mkdir(folder / "into")
        target = folder / "into" / name
        store.move_tree(tree, target)
        assert names(store, folder) == {"into"}
        assert names(store, target) == {"deeper"}
        assert get(store, target / "deeper" / "a") == b"moved"

    def test_a_tree_gets_only_a_name_that_is_free(self, store, folder, tree):
        put(store, folder / "file", b"kept")
        store.mkdir(folder / "empty")
        for target in (folder / "file", folder / "empty"):
            with pytest.raises(AlreadyExists) as caught:
                store.move_tree(tree, target)
            assert caught.value.path == str(target)
        assert names(store, folder) == {"sub", "file", "empty"}
        assert get(store, folder / "file") == b"kept"
        assert names(store, folder / "empty") == set()

    def test_a_tree_is_not_moved_into_itself(self, store, folder, tree):
        for target in (tree, tree / "x", tree / "deeper" / "x"):
            with pytest.raises(UsageError):
                store.move_tree(tree, target)
        assert get(store, tree / "deeper" / "a") == b"moved"

    def test_a_tree_is_not_moved_from_or_to_where_nothing_is(self, store, folder, tree):
        with pytest.raises(NotFound) as caught:
            store.move_tree(folder / "missing", folder / "other")
        assert caught.value.path == str(folder / "missing")
        with pytest.raises(NotFound) as caught:
            store.move_tree(tree, folder / "missing" / "other")
        assert caught.value.path.startswith(str(folder / "missing"))
        assert names(store, folder) == {"sub"}

    def test_neither_a_file_nor_the_root_is_a_tree_to_move(self, store, folder, tree):
        put(store, folder / "a", b"kept")
        for source in (folder / "a", RemotePath()):
            with pytest.raises(UsageError):
                store.move_tree(source, folder / "other")
        assert names(store, folder) == {"a", "sub"}

    def test_a_store_says_whether_it_moves_trees(self, store, tree):
        assert store.features.can_move_trees

    # --- many at once

    def test_many_threads_at_once(self, store, folder):
        def work(number: int) -> bytes:
            path = folder / f"{number}"
            content = random.Random(number).randbytes(20_000)
            store.write(folder / f"part{number}", Bytes(content))
            store.move(folder / f"part{number}", path, replace=False)
            assert path.name in names(store, folder)
            assert get(store, path) == content
            return content

        with ThreadPoolExecutor(6) as pool:
            contents = list(pool.map(work, range(12)))
        assert {entry.path.name: entry.size for entry in store.list(folder)} == {
            f"{number}": len(content) for number, content in enumerate(contents)
        }


class StoreSuiteWithoutTreeMoves(StoreSuite):
    """The contract of a store that moves no trees."""

    test_a_tree_is_moved_with_all_it_holds = test_a_tree_gets_only_a_name_that_is_free = None
    test_a_tree_is_not_moved_into_itself = test_a_tree_is_not_moved_from_or_to_where_nothing_is = None
    test_neither_a_file_nor_the_root_is_a_tree_to_move = None

    def test_a_store_says_whether_it_moves_trees(self, store, folder, tree):
        assert not store.features.can_move_trees
        with pytest.raises(Unsupported):
            store.move_tree(tree, folder / "other")
        assert names(store, folder) == {"sub"}
        assert get(store, tree / "deeper" / "a") == b"moved"


@dataclass(frozen=True)
class Broken:
    """A collection whose listing cannot be whole.

    placed:  the names that the listing gives.
    missing: how many of its members it cannot give.
    touched: whether the server was asked to delete anything.
    counterpart: of a listing that is whole: the local name that its key could stand for; empty for none.
    """

    store: Store
    path: RemotePath
    placed: set[str]
    missing: int
    touched: Callable[[], bool]
    counterpart: str = ""


class _PlacedSuite:
    """Of a listing that does not give all: what it can place comes, and the rest is named.

    A test module gives the fixture `broken`.
    """

    kind: type[Incomplete]

    def test_all_that_can_be_placed_comes_and_then_the_error(self, broken: Broken):
        found: list[str] = []

        def take(entry) -> None:
            assert entry.path.parent == broken.path
            found.append(entry.path.name)

        with pytest.raises(Incomplete) as caught:
            for_each(broken.store.list(broken.path), take)
        assert type(caught.value) is self.kind
        assert set(found) == broken.placed
        assert caught.value.count == broken.missing == len(caught.value.failures)
        assert all(failure.path for failure in caught.value.failures)
        code = 6 if self.kind is Unnameable else caught.value.failures[0].exit_code
        assert (caught.value.path, caught.value.code) == (str(broken.path), code)

    def test_a_walk_tells_of_what_is_missing_and_goes_on(self, broken: Broken):
        failures: list[CtadataError] = []
        found = {entry.path.name for entry in list_tree(broken.store, broken.path, on_error=failures.append, depth=1)}
        assert (found, len(failures)) == (broken.placed, broken.missing)
        with pytest.raises(Incomplete) as caught:
            list(list_tree(broken.store, broken.path, depth=1))
        assert type(caught.value) is self.kind

    def test_it_is_not_taken_for_empty(self, broken: Broken):
        with pytest.raises(CtadataError):
            broken.store.delete(broken.path)
        assert not broken.touched()


class IncompleteSuite(_PlacedSuite):
    """A listing is whole, or it is an error, and nothing is deleted because it does not name something."""

    kind = Incomplete

    def test_nothing_local_is_deleted_because_of_it(self, broken: Broken, tmp_path):
        (tmp_path / "mine").write_bytes(b"kept")
        run = Run(broken.store, Rules(dry_run=True), NullReporter(), threading.Event())
        top = DownloadTarget(Entry(broken.path, Kind.DIRECTORY), tmp_path)
        summary = sync_down(run, top, SyncDeletion(confirm=lambda *_: True))
        assert summary.deleted == 0
        assert len(summary.failed) >= broken.missing

    def test_nothing_on_the_storage_is_deleted_because_of_it(self, broken: Broken, tmp_path):
        run = Run(broken.store, Rules(dry_run=True), NullReporter(), threading.Event())
        summary = sync_up(run, UploadSource(broken.path, tmp_path), SyncDeletion(confirm=lambda *_: True))
        assert summary.deleted == 0
        assert len(summary.failed) == broken.missing
        assert not broken.touched()


class UnnameableSuite(_PlacedSuite):
    """A listing is whole where all it does not give are keys that no path can name: they are passed over.

    They keep their own counterparts from deletion, and nothing else.
    """

    kind = Unnameable

    def _check(self, summary: Summary, broken: Broken, doomed: list[str], all_of_it: set[str]) -> None:
        assert sorted(doomed) == sorted(all_of_it)
        assert not [outcome for outcome in summary.failed if outcome.remote == broken.path]
        keys = [outcome for outcome in summary.passed if outcome.remote == broken.path and outcome.key]
        assert len({outcome.key for outcome in keys}) == broken.missing
        assert all(outcome.error for outcome in keys)
        assert summary.exit_code

    def test_of_the_local_names_only_their_counterparts_stay(self, broken: Broken, tmp_path):
        for name in filter(None, ("mine", "folder/mine", broken.counterpart)):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"")
        doomed: list[str] = []
        run = Run(broken.store, Rules(), NullReporter(), threading.Event())
        top = DownloadTarget(Entry(broken.path, Kind.DIRECTORY), tmp_path)

        def confirm(extras, _: threading.Event) -> bool:
            doomed.extend("/".join(extra.remote.relative_to(broken.path)) for extra in extras)
            return True

        summary = sync_down(run, top, SyncDeletion(confirm=confirm))
        self._check(summary, broken, doomed, {"mine", "folder/mine", "folder"})

    def test_of_the_names_on_the_storage_none_stays_for_them(self, broken: Broken, tmp_path):
        doomed: list[str] = []
        run = Run(broken.store, Rules(), NullReporter(), threading.Event())

        def confirm(extras, _: threading.Event) -> bool:
            doomed.extend(extra.remote.relative_to(broken.path)[0] for extra in extras if not extra.directory)
            return False

        summary = sync_up(run, UploadSource(broken.path, tmp_path), SyncDeletion(confirm=confirm))
        self._check(summary, broken, doomed, broken.placed)
        assert not broken.touched()
