"""Over random histories: after each transfer both sides are equal, whatever was skipped."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stores.memory import MemoryStore
from transfer.trees import Recorder

from ctadata.checksums import new_hasher
from ctadata.entries import NO_CHECKSUMS, Entry
from ctadata.paths import RemotePath
from ctadata.stores.base import Delivery, Features, Sink, Source, StopReading, Written
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.download_tree import download
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.plan import Rules
from ctadata.transfer.record_cache import SUFFIX, describe, files
from ctadata.transfer.records import Records
from ctadata.transfer.report import Summary
from ctadata.transfer.run import Run
from ctadata.transfer.sync import sync_down, sync_up
from ctadata.transfer.third_party_copy import CopyItem, CopySource, copy
from ctadata.transfer.upload_tree import upload

NAMES = ("a", "b", "c")
CONTENTS = (b"", b"one", b"two", b"abc", b"cab", b"four", b"five")
DIRECTORY = RemotePath(("d",))
KINDS = {
    "dcache": Features(keeps_mtime=True, lists_checksums=True, digests=("adler32",)),
    "webdav": Features(),
    "webdav without tags": Features(),
    "s3": Features(atomic_put=True, mtime_in_metadata=True, etag_may_be_md5=True, digests_uploads=True),
}


def digest(algorithm: str, content: bytes) -> str:
    work = new_hasher(algorithm)
    work.update(content)
    return work.hexdigest()


class Dated(MemoryStore):
    """The store in memory, with what a kind of server keeps and tells, and a clock of its own in whole seconds."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.features, self.clock = kind, KINDS[kind], 1.7e9
        self.beside: dict[str, float | None] = {}
        self.mkdir(DIRECTORY)

    def _shown(self, entry: Entry, *, beside: bool) -> Entry:
        if entry.is_directory:
            return entry
        sums = {"adler32": entry.checksums["adler32"]} if self.kind == "dcache" else NO_CHECKSUMS
        etag = None if "without" in self.kind else entry.etag
        if self.kind == "s3":
            etag = f'"{entry.checksums["md5"]}"'
        kept = self.beside.get(entry.etag or "") if beside and self.kind == "s3" else None
        return dataclasses.replace(entry, checksums=sums, etag=etag, kept_mtime=kept)

    def info(self, path: RemotePath) -> Entry:
        return self._shown(super().info(path), beside=True)

    def list(self, path: RemotePath) -> Iterator[Entry]:
        return (self._shown(entry, beside=False) for entry in super().list(path))

    def digests(self, path: RemotePath) -> dict[str, str]:
        return dict(self.info(path).checksums)

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:
        self.clock += 1 if "without" in self.kind else 0.25
        kept, server = source.mtime, float(int(self.clock))
        mtime = float(math.floor(kept)) if self.features.keeps_mtime and kept is not None else server
        written = super().write(path, Plain(source, mtime), new=new)
        self.beside[written.etag or ""] = kept
        now = self.info(path)
        sums = {"adler32": now.checksums["adler32"]} if self.kind == "dcache" else NO_CHECKSUMS
        return Written(sums, now.etag if self.kind == "s3" else None, "md5" if self.kind == "s3" else "")

    def open(self, path: RemotePath) -> Read:
        return Read(self, path)


@dataclasses.dataclass
class Plain:
    """A source of another mtime."""

    inner: Source
    mtime: float | None

    @property
    def size(self) -> int:
        return self.inner.size

    def read(self, limit: int) -> bytes:
        return self.inner.read(limit)


class Read:
    """The whole of a file, with what its answer tells."""

    def __init__(self, store: Dated, path: RemotePath) -> None:
        self.store, self.path = store, path

    def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> Delivery:
        content, now = self.store.content(self.path)[0], self.store.info(self.path)
        delivery = Delivery(0, len(content), now.checksums, now.etag, len(content), entry=now)
        sink.begin(delivery)
        with contextlib.suppress(StopReading):
            sink.write(content)
        return delivery

    def close(self) -> None:
        pass

    def __enter__(self) -> Read:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Bytes:
    """What a second writer sends."""

    def __init__(self, content: bytes, mtime: float | None) -> None:
        self.content, self.mtime, self.size = content, mtime, len(content)

    def read(self, limit: int) -> bytes:
        block, self.content = self.content, b""
        return block


class World:
    """A local folder, two stores, and the records of what went between them."""

    def __init__(self, top: Path, kind: str, other: str, rng: random.Random) -> None:
        self.here, self.cache, self.rng = top / "here", top / "cache", rng
        self.here.mkdir()
        self.store, self.target = Dated(kind), Dated(other)
        self.backups: list[tuple[bytes, float]] = []
        self.now = 1.65e9
        self.exceptions = self.skipped = self.moved = 0
        self.log: list[str] = []

    # --- what happens to local files

    def file(self) -> Path:
        return self.here / self.rng.choice(NAMES)

    def settle(self) -> None:
        """A change from now on gets another time than those before: clocks of file systems tick."""
        probe = self.here.parent / "probe"
        probe.write_bytes(b"")
        first = probe.stat().st_ctime_ns
        while probe.stat().st_ctime_ns == first:
            probe.write_bytes(b"")

    def write(self) -> None:
        self.file().write_bytes(self.rng.choice(CONTENTS))

    def write_older(self) -> None:
        file = self.file()
        fresh = file.with_name(".fresh")
        fresh.write_bytes(self.rng.choice(CONTENTS))
        when = self.now - self.rng.choice((0, 1, 5, 1e6))
        os.utime(fresh, (when, when))
        fresh.replace(file)

    def write_in_the_same_second(self) -> None:
        file = self.file()
        if file.exists():
            second = math.floor(file.stat().st_mtime)
            self.settle()
            file.write_bytes(self.rng.choice(CONTENTS))
            os.utime(file, (second, second + self.rng.choice((0, 0.25, 0.5, 0.999))))

    def touch(self) -> None:
        if (file := self.file()).exists():
            self.now += self.rng.choice((0, 0.5, 1, 100))
            os.utime(file, (self.now, self.now))

    def chmod(self) -> None:
        if (file := self.file()).exists():
            file.chmod(self.rng.choice((0o600, 0o644)))

    def touch_r(self) -> None:
        """Other bytes with the very mtime of those before."""
        if (file := self.file()).exists():
            before = file.stat()
            self.settle()
            file.write_bytes(self.rng.choice(CONTENTS))
            os.utime(file, ns=(before.st_mtime_ns, before.st_mtime_ns))

    def rename(self) -> None:
        if (file := self.file()).exists():
            file.replace(self.file())

    def back_up(self) -> None:
        if (file := self.file()).exists():
            self.backups.append((file.read_bytes(), file.stat().st_mtime))

    def restore(self) -> None:
        if self.backups:
            content, mtime = self.rng.choice(self.backups)
            fresh = self.here / ".fresh"
            fresh.write_bytes(content)
            os.utime(fresh, (mtime, mtime))
            fresh.replace(self.file())

    # --- what others do

    def second_writer(self) -> None:
        kept = self.rng.choice((None, self.now, 1.6e9))
        store = self.rng.choice((self.store, self.store, self.target))
        store.write(DIRECTORY / self.rng.choice(NAMES), Bytes(self.rng.choice(CONTENTS), kept))

    def skew(self) -> None:
        self.store.clock += self.rng.choice((-3600, 0, 1, 3600))

    def lose_records(self) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)

    def confuse_records(self) -> None:
        """The file of one pair of folders is put in the place of another's."""
        found = [path for path, _ in files(self.cache)]
        if len(found) > 1:
            shutil.copyfile(found[0], found[1])

    # --- transfers

    def run(self, store: Dated) -> Run:
        records = Records(f"mem://{id(store)}", self.cache)
        return Run(store, Rules(jobs=2), Recorder(), threading.Event(), records=records, pause=lambda seconds: None)

    def _known(self, store: Dated, counterpart: Path | str) -> set[str]:
        folder = Records(f"mem://{id(store)}", self.cache).of(DIRECTORY.parts, counterpart)
        # a record without a digest remembers that the mtimes agreed, the exception included
        return {name for name in NAMES if (record := folder.get(name)) and record.digests}

    def put(self) -> None:
        self._transfer(lambda run: upload(run, [UploadSource(DIRECTORY, self.here)]), up=True)

    def put_some(self) -> None:
        named = tuple((self.here / name, name) for name in NAMES[:2] if (self.here / name).exists())
        self._transfer(lambda run: upload(run, [UploadSource(DIRECTORY, files=named)]), up=True, names=NAMES[:2])

    def get(self) -> None:
        self._transfer(lambda run: download(run, [DownloadTarget(self.store.info(DIRECTORY), self.here)]), up=False)

    def sync_up(self) -> None:
        self._transfer(lambda run: sync_up(run, UploadSource(DIRECTORY, self.here)), up=True)

    def sync_down(self) -> None:
        self._transfer(lambda run: sync_down(run, DownloadTarget(self.store.info(DIRECTORY), self.here)), up=False)

    def _transfer(self, work: Callable[[Run], Summary], *, up: bool, names: tuple[str, ...] = NAMES) -> None:
        known = self._known(self.store, self.here)
        dates = {name: (self.here / name).stat().st_mtime for name in names if (self.here / name).exists()}
        kept = {entry.path.name: self.store.info(entry.path) for entry in self.store.list(DIRECTORY)}
        summary = work(self.run(self.store))
        assert not summary.failed, summary.failed
        self.skipped, self.moved = self.skipped + summary.skipped, self.moved + summary.done
        for name in names:
            if name in (dates if up else kept):
                content = self.store.content(DIRECTORY / name)[0]
                if content != (self.here / name).read_bytes():
                    then = kept[name].mtime if kept[name].kept_mtime is None else kept[name].kept_mtime
                    assert then is not None
                    assert name not in known, " ".join([name, self.store.kind, self.target.kind, *self.log])
                    assert len(content) == (self.here / name).stat().st_size, (
                        name,
                        self.store.kind,
                        self.target.kind,
                        self.log,
                    )
                    assert math.floor(dates[name]) == math.floor(then), (
                        name,
                        self.store.kind,
                        self.target.kind,
                        self.log,
                    )
                    self.exceptions += 1

    def copy(self) -> None:
        def move(entry: Entry, to: RemotePath, moved: Callable[[int], None]) -> None:
            now = self.store.info(entry.path)
            mtime = now.mtime if now.kept_mtime is None else now.kept_mtime
            self.target.write(to, Bytes(self.store.content(entry.path)[0], mtime if self.passes_mtime else None))

        self.passes_mtime = self.rng.random() < 0.5
        known = self._known(self.target, "mem://origin/d")
        kept = {entry.path.name: self.target.info(entry.path) for entry in self.target.list(DIRECTORY)}
        ends = CopySource(self.store, move, "mem://origin")
        summary = copy(self.run(self.target), ends, [CopyItem(self.store.info(DIRECTORY), DIRECTORY)])
        assert not summary.failed, summary.failed
        self.skipped, self.moved = self.skipped + summary.skipped, self.moved + summary.done
        for entry in self.store.list(DIRECTORY):
            name = entry.path.name
            content = self.store.content(entry.path)[0]
            if content != self.target.content(entry.path)[0]:
                source, there = self.store.info(entry.path), kept[name]
                dates = [each.mtime if each.kept_mtime is None else each.kept_mtime for each in (source, there)]
                assert None not in dates
                assert name not in known, " ".join([name, self.store.kind, self.target.kind, *self.log])
                assert math.floor(dates[0] or 0) == math.floor(dates[1] or 0), (
                    name,
                    self.store.kind,
                    self.target.kind,
                    self.log,
                )
                self.exceptions += 1

    def step(self) -> None:
        local = [self.write, self.write_older, self.write_in_the_same_second, self.touch, self.chmod, self.touch_r]
        local += [self.rename, self.back_up, self.restore]
        others = [self.second_writer, self.second_writer, self.skew, self.lose_records, self.confuse_records]
        transfers = [self.put, self.put_some, self.get, self.sync_up, self.sync_down, self.copy, self.copy]
        done = self.rng.choice(self.rng.choice((local, local, others, transfers, transfers)))
        self.log.append(done.__name__)
        done()


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_after_any_history_both_sides_are_equal(kind, tmp_path, rng, count):
    skipped = moved = exceptions = 0
    for number in range(count(8, 300)):
        top = tmp_path / str(number)
        top.mkdir()
        world = World(top, kind, rng.choice(list(KINDS)), rng)
        for _ in range(25):
            world.step()
        skipped, moved, exceptions = skipped + world.skipped, moved + world.moved, exceptions + world.exceptions
        shutil.rmtree(top)
    print(f"{kind}: {moved} moved, {skipped} skipped, {exceptions} by the documented exception")
    assert skipped and moved


def test_the_exception_is_the_one_that_the_guide_names(tmp_path, rng):
    """Other bytes of the same size and kept second, and no record: nothing tells them apart where mtimes are kept."""
    world = World(tmp_path, "dcache", "s3", rng)
    for content in (b"one", b"two"):
        (world.here / "a").write_bytes(content)
        os.utime(world.here / "a", (1.6e9, 1.6e9))
        world.lose_records()
        world.put()
    assert (world.skipped, world.exceptions) == (1, 1)
    world.lose_records()
    os.utime(world.here / "a", (1.6e9 + 1, 1.6e9 + 1))
    world.put()
    assert world.store.content(DIRECTORY / "a")[0] == b"two"


def test_a_record_tells_them_apart(tmp_path, rng):
    world = World(tmp_path, "dcache", "s3", rng)
    for content in (b"one", b"two"):
        (world.here / "a").write_bytes(content)
        os.utime(world.here / "a", (1.6e9, 1.6e9))
        world.put()
        world.settle()
    assert world.store.content(DIRECTORY / "a")[0] == b"two"


class TestRecords:
    """What lies in the cache is read with care, and written whole."""

    @pytest.fixture
    def world(self, tmp_path, rng):
        world = World(tmp_path, "webdav", "s3", rng)
        (world.here / "a").write_bytes(b"one")
        os.utime(world.here / "a", (1.6e9, 1.6e9))
        world.put()
        return world

    def only(self, world: World) -> Path:
        ((path, _),) = files(world.cache)
        return path

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"[]",
            b'{"schema": 1}',
            b'{"schema": 2, "files": {"a": [null, [3, 0, null], {}]}}',
            b'{"schema": 1, "files": []}',
            b'{"schema": 1, "files": {"a": 1, "b": null}}',
            b'{"schema": 1, "files": {"a": [[1], [1], {}]}}',
            b'{"schema": 1, "files": {"a": [[3, {}, [], 0], [3, {}, []], {"md5": 5, "x": {}}]}}',
            b'{"schema": 1, "files": {"a": [null, [3, null, 5], {}]}}',
            b'{"schema": 1, "files": {"a": [null, [3, null, null], {"md5-of-parts/0": "x", "": ""}]}}',
            b"[" * 100_000,
            bytes(range(256)),
        ],
    )
    def test_an_invalid_row_is_no_record(self, world, content):
        path = self.only(world)
        sides = b",".join(path.read_bytes().split(b",")[1:3])  # what is about other folders counts for nothing anyway
        path.write_bytes(content.replace(b'"files"', sides + b',"files"'))
        world.put()
        assert world.skipped == 0
        world.put()
        assert world.skipped == 1

    @pytest.mark.parametrize("mode", [0o666, 0o620])
    def test_a_file_that_others_can_write_has_no_records(self, world, mode):
        self.only(world).chmod(mode)
        world.put()
        assert world.skipped == 0

    def test_links_and_pipes_have_no_records(self, world):
        path = self.only(world)
        path.rename(path.with_name("moved"))
        path.symlink_to("moved")
        world.put()
        assert world.skipped == 0
        path.unlink()
        os.mkfifo(path)
        world.put()
        assert world.skipped == 0

    def test_the_records_stay_within_their_room(self, world, monkeypatch):
        import ctadata.transfer.record_cache as module

        size = self.only(world).stat().st_size
        monkeypatch.setattr(module, "ROOM", 4 * 4096)
        for number in range(20):
            (world.cache / f"{number:032}{SUFFIX}").write_bytes(b"x" * size)
            os.utime(world.cache / f"{number:032}{SUFFIX}", (1.6e9 + number, 1.6e9 + number))
        module.prune(world.cache)
        left = {path.name for path, _ in files(world.cache)}
        assert len(left) == 4
        assert f"{0:032}{SUFFIX}" not in left and any(not name.startswith("0000") for name in left)

    def test_a_directory_has_a_limited_number_of_records(self, tmp_path, monkeypatch):
        import ctadata.transfer.records as module

        monkeypatch.setattr(module, "MOST", 10)
        for start in (0, 8):
            records = Records("mem://x", tmp_path)
            folder = records.of(DIRECTORY.parts, tmp_path)
            for number in range(start, start + 8):
                records.note(folder, str(number), module.Record(None, (1, 2.0, None)))
            records.write()
        folder = Records("mem://x", tmp_path).of(DIRECTORY.parts, tmp_path)
        assert sum(folder.get(str(number)) is not None for number in range(16)) == 10
        assert folder.get("15") is not None

    def test_many_processes_write_at_once(self, tmp_path):
        """Each reader finds a whole file, and nobody waits for a lock."""
        pids = []
        for number in range(4):
            pid = os.fork()
            if not pid:
                code = 1
                try:
                    _write_often(tmp_path, number)
                    code = 0
                finally:
                    os._exit(code)
            pids.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
        folder = Records("mem://x", tmp_path).of(DIRECTORY.parts, tmp_path)
        assert any(folder.get(f"{number}-29") for number in range(4))
        assert len(list(tmp_path.iterdir())) <= 2


def _write_often(cache: Path, number: int) -> None:
    from ctadata.transfer.records import Record

    for turn in range(30):
        records = Records("mem://x", cache)
        folder = records.of(DIRECTORY.parts, cache)
        records.note(folder, f"{number}-{turn}", Record(None, (1, 2.0, None)))
        records.write()
        for path, _ in files(cache):
            if path.suffix == SUFFIX:
                assert describe(path) is not None


def test_records_of_a_run_survive_a_kill(tmp_path):
    """A large folder's records are written before its end."""
    from ctadata.transfer.records import UNWRITTEN, Record

    records = Records("mem://x", tmp_path)
    folder = records.of(DIRECTORY.parts, tmp_path)
    for number in range(UNWRITTEN):
        records.note(folder, str(number), Record(None, (1, 2.0, None)))
    assert Records("mem://x", tmp_path).of(DIRECTORY.parts, tmp_path).get("7") is not None
