"""Equality of files, tested with the command, a server on a socket, and files on disk."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from servers.moto import MotoS3
from servers.plain_dav import PlainDav, plain_dav

from ctadata.cli.main import run
from ctadata.errors import AlreadyExists
from ctadata.sandbox import Sandbox

T1, T2 = 1_700_000_000.0, 1_750_000_000.0


class Command:
    """Runs the command in this process, in its own directory, with the profile `store`."""

    def __init__(self, cwd: Path, captured: pytest.CaptureFixture[str]) -> None:
        self.cwd, self._captured = cwd, captured

    def __call__(self, *arguments: object, check: int | None = 0) -> str:
        code = run([str(argument) for argument in arguments])
        out, err = self._captured.readouterr()
        assert check in (code, None), (arguments, code, out, err)
        return out + err

    def write(self, name: str, content: bytes, mtime: float | None = None) -> Path:
        file = self.cwd / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        if mtime is not None:
            os.utime(file, (mtime, mtime))
        return file


@pytest.fixture
def command(tmp_path, monkeypatch, capsys) -> Callable[[str], Command]:
    def make(profile: str) -> Command:
        settings = tmp_path / "settings.toml"
        settings.write_text(f'default = "store"\n[profiles.store]\n{profile}')
        monkeypatch.setenv("CTADATA_CONFIG", str(settings))
        here = tmp_path / "here"
        here.mkdir()
        monkeypatch.chdir(here)
        return Command(here, capsys)

    return make


@pytest.fixture
def dav() -> Iterator[PlainDav]:
    with plain_dav() as server:
        server.nodes["/d"] = None
        yield server


@pytest.fixture
def at_dav(command, dav, monkeypatch) -> Command:
    monkeypatch.setenv("BEARER_TOKEN", "t")
    return command(f'kind = "webdav"\ndoor = "{dav.url}"\nhome = ["/"]\n')


class AtS3:
    """The command, a bucket, and the requests that the server received."""

    def __init__(self, here: Command, moto: MotoS3, bucket: str) -> None:
        self.here, self.moto, self.bucket = here, moto, bucket

    def read(self, key: str) -> bytes:
        return self.moto.client().get_object(Bucket=self.bucket, Key=key)["Body"].read()


@pytest.fixture
def at_s3(command, moto_s3, monkeypatch) -> AtS3:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_s3.key.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_s3.key.secret)
    bucket = moto_s3.bucket()
    profile = f'kind = "s3"\nendpoint = "{moto_s3.url}"\nregion = "{moto_s3.region}"\nroot = "/{bucket}"\n'
    return AtS3(command(profile), moto_s3, bucket)


@contextmanager
def reads_of(*folders: Path) -> Iterator[list[str]]:
    """Yield the names of the files in these folders that are read in the block (inotify(7), IN_ACCESS)."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    found: list[str] = []
    try:
        for folder in folders:
            assert libc.inotify_add_watch(fd, os.fsencode(folder), 0x1) >= 0
        yield found
        while True:
            try:
                events = os.read(fd, 1 << 20)
            except BlockingIOError:
                break
            while events:
                _, mask, _, length = struct.unpack_from("iIII", events)
                assert not mask & 0x4000, "more events than the queue has room for"
                if not mask & 0x40000000:  # a file, and not the directory that is listed
                    found.append(events[16 : 16 + length].rstrip(b"\0").decode())
                events = events[16 + length :]
    finally:
        os.close(fd)


def settle(folder: Path) -> None:
    """Wait until a change of a file gets a later time than the last change."""
    probe = folder / ".probe"
    probe.write_bytes(b"")
    first = probe.stat().st_ctime
    while probe.stat().st_ctime - first < 0.06:
        probe.write_bytes(b"")
    probe.unlink()


class TestPlainWebDAV:
    def test_a_file_replaced_by_an_older_one_is_sent(self, at_dav, dav):
        at_dav.write("u/cal.dat", b"AAAA", T1)
        at_dav("put", "-r", "u/", "/d/")
        at_dav.write("u/cal.dat", b"BBBB", T2)
        assert json.loads(at_dav("put", "-n", "-q", "--json", "u/cal.dat", "/d/"))["state"] == "done"
        at_dav("sync", "u", ":/d")
        assert dav.read("/d/cal.dat") == b"BBBB"

    @pytest.mark.parametrize("verb", [("put", "-r", "u/", "/d/"), ("put", "u/cal.dat", "/d/"), ("sync", "u", ":/d")])
    def test_every_command_finds_the_change(self, at_dav, dav, verb):
        at_dav.write("u/cal.dat", b"AAAA", T1)
        at_dav(*verb)
        at_dav.write("u/cal.dat", b"BBBB", T1 - 5)
        at_dav(*verb)
        assert dav.read("/d/cal.dat") == b"BBBB"

    def test_a_fast_clock_hides_no_edit(self, at_dav, dav):
        dav.skew = 3600
        at_dav.write("u/f", b"AAAA")
        at_dav("put", "-r", "u/", "/d/")
        at_dav.write("u/f", b"BBBB")
        at_dav("put", "-r", "u/", "/d/")
        assert dav.read("/d/f") == b"BBBB"

    def test_a_rerun_skips_without_a_request_per_file(self, at_dav, dav):
        for i in range(20):
            at_dav.write(f"u/{i}", b"data")
        settle(at_dav.cwd)
        at_dav("put", "-r", "u/", "/d/")
        dav.seen.clear()
        with reads_of(at_dav.cwd / "u") as read:
            assert "20 files skipped" in at_dav("put", "-r", "u/", "/d/")
        assert (set(dav.methods()), read) == ({"PROPFIND"}, [])
        assert len(dav.seen) <= 3

    def test_a_file_with_a_new_time_alone_is_read_and_not_sent(self, at_dav, dav):
        file = at_dav.write("u/f", b"AAAA", T1)
        settle(at_dav.cwd)
        at_dav("put", "-r", "u/", "/d/")
        os.utime(file, (T2, T2))
        file.chmod(0o600)
        settle(at_dav.cwd)
        dav.seen.clear()
        with reads_of(at_dav.cwd / "u") as read:
            assert "1 file skipped" in at_dav("put", "-r", "u/", "/d/")
        assert (set(read), set(dav.methods())) == ({"f"}, {"PROPFIND"})
        with reads_of(at_dav.cwd / "u") as read:
            assert "1 file skipped" in at_dav("put", "-r", "u/", "/d/")
        assert read == []

    def test_an_edit_that_adler32_does_not_see_is_sent(self, at_dav, dav):
        at_dav.write("u/f", b"121", T1)
        at_dav("put", "-r", "u/", "/d/")
        at_dav.write("u/f", b"202", T1)
        at_dav("put", "-r", "u/", "/d/")
        assert dav.read("/d/f") == b"202"

    def test_a_change_by_another_writer_is_found_by_the_etag(self, at_dav, dav):
        at_dav.write("u/f", b"AAAA", T1)
        at_dav("put", "-r", "u/", "/d/")
        before = dav.nodes["/d/f"].mtime
        dav.put("/d/f", b"BBBB")
        dav.nodes["/d/f"].mtime = before
        at_dav("get", "-r", "/d", "got")
        at_dav("put", "-r", "u/", "/d/")
        assert (dav.read("/d/f"), (at_dav.cwd / "got/d/f").read_bytes()) == (b"AAAA", b"BBBB")

    def test_a_lost_record_means_sending_never_skipping(self, at_dav, dav):
        at_dav.write("u/f", b"AAAA", T1)
        at_dav("put", "-r", "u/", "/d/")
        assert "removed the records of 1 pair of folders" in at_dav("cache", "clear")
        assert "1 file done" in at_dav("put", "-r", "u/", "/d/")

    def test_a_downloaded_file_is_not_uploaded_again(self, at_dav, dav):
        dav.put("/d/f", b"AAAA")
        at_dav("get", "-r", "/d", "got")
        assert "1 file skipped" in at_dav("put", "-r", "got/d/", "/d/")
        at_dav("cache", "clear")
        assert "1 file skipped" in at_dav("put", "-r", "got/d/", "/d/")
        assert "1 file skipped" in at_dav("get", "-r", "/d", "got")


class TestCollisions:
    @pytest.mark.parametrize(("flags", "code", "there"), [([], 0, b"OURS!"), (["--no-clobber"], 8, b"OTHER")])
    def test_after_a_collision_the_content_decides(self, at_dav, dav, flags, code, there):
        def other(method, path):
            if method == "PUT" and "/d/f" not in dav.nodes:
                dav.put("/d/f", b"OTHER")

        dav.before = other
        at_dav.write("u/f", b"OURS!")
        at_dav("put", "-r", *flags, "u/", "/d/", check=code)
        assert dav.read("/d/f") == there

    def test_the_size_alone_does_not_decide_either(self, at_dav, dav):
        def other(method, path):
            if method == "PUT" and "/d/f" not in dav.nodes:
                dav.put("/d/f", b"OTHER")

        dav.before = other
        at_dav.write("u/f", b"OURS!")
        at_dav("put", "-r", "--size-only", "u/", "/d/")
        assert dav.read("/d/f") == b"OURS!"


class TestFolding:
    KEPT: ClassVar = {"as asked": {"fold": True}, "as made": {"fold": True, "echoes": False}}
    MODES: ClassVar = {**KEPT, "in lower case": {"stores_as": str.casefold, "echoes": False}}

    @pytest.fixture(params=MODES)
    def folding(self, command, monkeypatch, request):
        with plain_dav(**self.MODES[request.param]) as server:
            server.nodes["/d"] = None
            monkeypatch.setenv("BEARER_TOKEN", "t")
            yield command(f'kind = "webdav"\ndoor = "{server.url}"\nhome = ["/"]\n'), server

    keeping = pytest.mark.parametrize("folding", KEPT, indirect=True)

    @pytest.fixture
    def origin(self):
        """A server that keeps every name, as the profile `origin`."""
        with plain_dav() as server:
            yield server

    def check_refusal(self, output, one, two):
        assert one in output and two in output and "takes it for the same name" in output

    @pytest.mark.parametrize(("one", "two"), [(b"first", b"other"), (b"same!", b"same!")])
    def test_two_local_files_do_not_become_one_remote_file(self, folding, one, two):
        here, dav = folding
        here.write("u/Run1", one)
        here.write("u/run1", two)
        stderr = here("put", "-r", "u/", "/d/", check=6)
        (left,) = [path for path in dav.nodes if path.startswith("/d/")]
        assert ("Run1:" in stderr) != ("run1:" in stderr), stderr
        assert dav.read(left) == (two if "d/Run1:" in stderr else one)
        self.check_refusal(stderr, "Run1", "run1")

    def test_nor_do_two_of_different_directories(self, folding):
        here, dav = folding
        here.write("u/Run1", b"first")
        here.write("v/run1", b"other")
        self.check_refusal(here("put", "u/Run1", "v/run1", "/d/", check=6), "Run1", "run1")
        (left,) = [path for path in dav.nodes if path.startswith("/d/")]
        assert dav.read(left) in (b"first", b"other")

    @keeping
    def test_a_file_does_not_replace_a_remote_file_of_folded_name(self, folding):
        here, dav = folding
        dav.put("/d/Run1", b"there")
        here.write("u/run1", b"other")
        stderr = here("put", "-r", "u/", "/d/", check=AlreadyExists.exit_code)
        assert dav.read("/d/Run1") == b"there"
        assert "Run1" in stderr and "run1" in stderr

    def test_nor_one_that_is_stored_in_lower_case(self, folding):
        here, dav = folding
        dav.put("/d/run1", b"there")
        here.write("u/Run1", b"other")
        self.check_refusal(here("put", "-r", "u/", "/d/", check=AlreadyExists.exit_code), "Run1", "run1")
        assert dav.read("/d/run1") == b"there"

    def test_two_local_directories_do_not_become_one(self, folding):
        here, dav = folding
        here.write("u/Data/x", b"first")
        here.write("u/data/x", b"other")
        stderr = here("put", "-r", "u/", "/d/", check=6)
        (left,) = [path for path in dav.nodes if path.casefold() == "/d/data/x"]
        assert dav.read(left) == (b"other" if "d/Data:" in stderr else b"first")
        self.check_refusal(stderr, "Data", "data")

    @keeping
    @pytest.mark.parametrize("listed", [False, True])
    def test_nor_do_two_that_were_named(self, folding, listed):
        here, dav = folding
        here.write("u/Data/x", b"first")
        here.write("v/data/x", b"other")
        here.write("w/Data/x", b"first")
        here.write("w/data/x", b"other")
        here.write("names", b"Data/x\ndata/x\n")
        sources = ["--files-from", "names", "w"] if listed else ["-r", "u/Data", "v/data"]
        self.check_refusal(here("put", *sources, "/d/", check=6), "Data", "data")
        (left,) = [path for path in dav.nodes if path.casefold() == "/d/data/x"]
        assert dav.read(left) == b"first"

    @pytest.mark.parametrize("echoes", [False, True])
    @pytest.mark.parametrize("end", [".", " ", "_"])
    def test_a_name_that_is_taken_and_not_listed_is_another_one(self, command, monkeypatch, echoes, end):
        """Windows drops dots and spaces at the end of a name; another server might drop any character."""
        monkeypatch.setenv("BEARER_TOKEN", "t")
        with plain_dav(stores_as=lambda name: name.rstrip(end), echoes=echoes) as dav:
            dav.nodes["/d"] = None
            here = command(f'kind = "webdav"\ndoor = "{dav.url}"\nhome = ["/"]\n')
            here.write("u/a", b"first")
            here.write("u/sub/x", b"first")
            here("put", "-r", "u/", "/d/")
            here.write(f"u/a{end}", b"other")
            here.write(f"u/sub{end}/x", b"other")
            for _ in range(2):
                output = here("put", "-r", "u/", "/d/", check=None)
                assert "exists, and th" in output
                assert [dav.read("/d/a"), dav.read("/d/sub/x")] == [b"first", b"first"]

    @pytest.mark.parametrize("end", [".", " "])
    def test_nor_do_two_names_that_windows_takes_for_one(self, command, monkeypatch, end):
        monkeypatch.setenv("BEARER_TOKEN", "t")
        with plain_dav(stores_as=lambda name: name.rstrip(end)) as dav:
            dav.nodes["/d"] = None
            here = command(f'kind = "webdav"\ndoor = "{dav.url}"\nhome = ["/"]\n')
            for name in ("a", f"a{end}", "sub/x", f"sub{end}/x"):
                here.write(f"u/{name}", name.encode())
            output = here("put", "-r", "u/", "/d/", check=6)
            assert output.count("takes it for the same name") == 2
            assert {path for path, file in dav.nodes.items() if file} == {"/d/a", "/d/sub/x"}

    @pytest.mark.parametrize("way", ["put", "put -r", "sync", "copy"])
    @pytest.mark.parametrize("order", [1, -1])
    @pytest.mark.parametrize(
        ("stores_as", "pair"),
        [(lambda name: name[:64], ("n" * 65, "n" * 64)), (lambda name: name.replace(":", "_"), ("a:b", "a_b"))],
        ids=["cut", "replaced"],
    )
    def test_a_name_that_is_stored_as_another_one_of_the_run(
        self, command, monkeypatch, origin, way, order, stores_as, pair
    ):
        monkeypatch.setenv("BEARER_TOKEN", "t")
        first, second = pair[::order]
        content = {name: f"content of {name}".encode() for name in pair}
        with plain_dav(stores_as=stores_as) as dav:
            dav.nodes["/d"] = origin.nodes["/u"] = None
            here = command(
                f'kind = "webdav"\ndoor = "{dav.url}"\nhome = ["/"]\n'
                f'[profiles.origin]\nkind = "webdav"\ndoor = "{origin.url}"\nhome = ["/"]\n'
            )
            for name in pair:
                here.write(f"u/{name}", content[name])
                origin.put(f"/u/{name}", content[name])
            arguments = {
                "put": ["put", f"u/{first}", f"u/{second}", "/d/"],
                "put -r": ["put", "-r", "u/", "/d/"],
                "sync": ["sync", "--delete", "--yes", "u", "store:/d"],
                "copy": ["copy", "-r", "--through", "origin:/u/", "store:/d"],
            }[way]
            output = here(*arguments, check=6)
            (left,) = [path for path, file in dav.nodes.items() if file]
            assert dav.read(left) in content.values()
            assert output.count("1 file done") == 1

    def test_a_sync_that_deletes_keeps_the_only_copy(self, folding):
        here, dav = folding
        here.write("u/Run1", b"first")
        for code in (0, None):
            here("sync", "--delete", "--yes", "u", "store:/d", check=code)
            (left,) = [path for path in dav.nodes if path.startswith("/d/")]
            assert dav.read(left) == b"first"

    @keeping
    def test_a_directory_does_not_merge_with_a_remote_one_of_folded_name(self, folding):
        here, dav = folding
        dav.nodes["/d/Data"] = None
        dav.put("/d/Data/x", b"there")
        here.write("u/data/x", b"other")
        stderr = here("put", "-r", "u/", "/d/", check=AlreadyExists.exit_code)
        assert "Data" in stderr and "data" in stderr
        assert dav.read("/d/Data/x") == b"there"

    def test_a_copy_keeps_files_and_directories_apart(self, folding, origin):
        here, dav = folding
        with (here.cwd.parent / "settings.toml").open("a") as config:
            config.write(f'[profiles.origin]\nkind = "webdav"\ndoor = "{origin.url}"\nhome = ["/"]\n')
        for folder in ("/s", "/s/Data", "/s/data"):
            origin.nodes[folder] = None
        for name in ("Run1", "run1", "Data/x", "data/x"):
            origin.put(f"/s/{name}", name.encode())
        output = here("copy", "-r", "--through", "origin:/s", "store:/d/t", check=6)
        self.check_refusal(output, "Run1", "run1")
        self.check_refusal(output, "Data", "data")
        files = {path: node.content.decode() for path, node in dav.nodes.items() if node}
        assert {path.casefold() for path in files} in ({"/d/t/s/run1", "/d/t/s/data/x"}, {"/d/t/s/run1"})
        assert all(content.casefold() in path.casefold() for path, content in files.items())

    def test_a_server_that_tells_them_apart_gets_all(self, command, monkeypatch, origin):
        monkeypatch.setenv("BEARER_TOKEN", "t")
        here = command(f'kind = "webdav"\ndoor = "{origin.url}"\nhome = ["/"]\n')
        for name in ("Run1", "run1", "Data/x", "data/x"):
            here.write(f"u/{name}", name.encode())
            here.write(f"v/{name}", name.encode())
        here("put", "-r", "u/", "/a/")
        here("put", "-r", "u/Data", "v/data", "/b/")
        here("copy", "-r", "--through", "store:/a/", "store:/c")
        files = {path[1:]: node.content.decode() for path, node in origin.nodes.items() if node}
        assert files == {f"{top}/{name}": name for top in "ac" for name in ("Run1", "run1", "Data/x", "data/x")} | {
            f"b/{name}": name for name in ("Data/x", "data/x")
        }


class TestS3:
    def test_a_file_replaced_by_an_older_one_is_sent(self, at_s3):
        here = at_s3.here
        here.write("u/cal.dat", b"AAAA", T1)
        here("put", "-r", "u/", "/d/")
        here.write("u/cal.dat", b"BBBB", T1 - 5)
        here("put", "-r", "u/", "/d/")
        assert at_s3.read("d/cal.dat") == b"BBBB"

    @pytest.mark.parametrize("mtime", [T1 + 0.123456789, 0.0, -1.5])
    def test_get_restores_the_mtime_in_the_form_of_rclone(self, at_s3, mtime):
        here = at_s3.here
        here.write("u/f", b"AAAA", mtime)
        here("put", "-r", "u/", "/d/")
        meta = at_s3.moto.client().head_object(Bucket=at_s3.bucket, Key="d/f")["Metadata"]
        assert abs(float(meta["mtime"]) - mtime) < 1e-6
        here("get", "-r", "/d", "got")
        assert abs((here.cwd / "got/d/f").stat().st_mtime - mtime) < 1e-6
        here("get", "/d/f", "one")
        assert abs((here.cwd / "one").stat().st_mtime - mtime) < 1e-6

    @pytest.mark.parametrize("text", ["1600000000.123456789", "-5"])
    def test_an_mtime_that_rclone_wrote_is_read(self, at_s3, text):
        at_s3.moto.client().put_object(Bucket=at_s3.bucket, Key="d/f", Body=b"AAAA", Metadata={"mtime": text})
        at_s3.here("get", "-r", "/d", "got")
        assert abs((at_s3.here.cwd / "got/d/f").stat().st_mtime - float(text)) < 1e-6

    @pytest.mark.parametrize("text", ["nan", "1e300", "9" * 40, "1_0"])
    def test_an_invalid_mtime_is_ignored(self, at_s3, text):
        client = at_s3.moto.client()
        client.put_object(Bucket=at_s3.bucket, Key="d/f", Body=b"AAAA", Metadata={"mtime": text})
        when = client.head_object(Bucket=at_s3.bucket, Key="d/f")["LastModified"].timestamp()
        at_s3.here("get", "-r", "/d", "got")
        assert (at_s3.here.cwd / "got/d/f").stat().st_mtime == int(when)

    def test_without_a_record_the_mtime_of_head_decides_before_anything_is_read(self, at_s3):
        here = at_s3.here
        here.write("u/f", b"AAAA", T1 + 0.5)
        here("put", "-r", "u/", "/d/")
        for verb in (("put", "-r", "u/", "/d/"), ("sync", ":/d", "u"), ("put", "u/f", "/d/f")):
            here("cache", "clear")
            with reads_of(here.cwd / "u") as read:
                assert "1 file skipped" in here(*verb)
            assert read == []

    def test_without_record_and_mtime_the_etag_proves_equality(self, at_s3):
        at_s3.moto.client().put_object(Bucket=at_s3.bucket, Key="d/f", Body=b"AAAA")
        at_s3.here.write("u/f", b"AAAA", T1)
        settle(at_s3.here.cwd)
        assert "1 file skipped" in at_s3.here("put", "-r", "u/", "/d/")
        with reads_of(at_s3.here.cwd / "u") as read:
            assert "1 file skipped" in at_s3.here("put", "-r", "u/", "/d/")
        assert read == []


class TestCache:
    def test_cache_lists_and_clears_records(self, at_dav):
        at_dav.write("u/f", b"AAAA")
        at_dav.write("u/sub/g", b"AAAA")
        assert "0 pairs of folders" in at_dav("cache", "list")
        at_dav("put", "-r", "u/", "/d/")
        rows = [json.loads(line) for line in at_dav("-q", "cache", "list", "--json").splitlines()]
        assert sorted((row["files"], row["other"]) for row in rows) == [
            (1, str(at_dav.cwd / "u")),
            (1, str(at_dav.cwd / "u/sub")),
        ]
        assert "2 pairs of folders" in at_dav("cache", "list")
        at_dav("cache", "clear")
        assert "0 pairs of folders" in at_dav("cache", "list")
        assert "0 pairs of folders" in at_dav("cache", "clear")

    def test_a_dry_run_keeps_no_record(self, at_dav):
        at_dav.write("u/f", b"AAAA")
        at_dav("put", "-r", "-n", "u/", "/d/")
        assert "0 pairs of folders" in at_dav("cache", "list")

    @pytest.mark.parametrize("verb", ["list", "clear"])
    def test_a_cache_that_cannot_be_read_is_not_called_empty(self, at_dav, tmp_path, monkeypatch, verb):
        (tmp_path / "file").write_bytes(b"")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        assert "ctadata/records: local: Not a directory" in at_dav("cache", verb, check=11)

    def test_a_cache_that_cannot_be_written_fails_no_transfer(self, at_dav, tmp_path, monkeypatch):
        (tmp_path / "file").write_bytes(b"")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        at_dav.write("u/f", b"AAAA")
        at_dav("put", "-r", "u/", "/d/")
        assert "1 file done" in at_dav("put", "-r", "u/", "/d/")


class _Counting(logging.Handler):
    """Counts the log lines of werkzeug, moto's server: one line for each request."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def requests_to_moto() -> Iterator[list[str]]:
    log, counting = logging.getLogger("werkzeug"), _Counting()
    before, log.propagate = log.level, False
    log.setLevel(logging.INFO)
    log.addHandler(counting)
    try:
        yield counting.lines
    finally:
        log.removeHandler(counting)
        log.setLevel(before)
        log.propagate = True


@pytest.mark.soak
class TestUnchangedRerun:
    """A second run reads no local file and sends no request for a single file."""

    def test_at_s3(self, at_s3, count):
        here, files = at_s3.here, count(40, 20_000)
        for i in range(files):
            here.write(f"u/{i}", b"data %d" % i, T1 + i if i % 2 else None)
        settle(here.cwd)
        here("-q", "put", "-r", "u/", "/d/")
        here("-q", "get", "-r", "/d/", "got")
        pages = -(-files // 1000)
        for verb in (
            ("put", "-r", "u/", "/d/"),
            ("get", "-r", "/d/", "got"),
            ("sync", "u", ":/d"),
            ("sync", ":/d", "u"),
        ):
            with reads_of(here.cwd / "u", here.cwd / "got") as read, requests_to_moto() as requests:
                assert f"{files} files skipped" in here(*verb)
            assert read == []
            assert 0 < len(requests) <= pages + 4, requests[:10]

    def test_at_dcache(self, command, count, monkeypatch):
        files = count(40, 20_000)
        with Sandbox(approve=True) as box:
            monkeypatch.setenv("BEARER_TOKEN", box.token(lifetime=36000))
            here = command(box.profile_toml("store").partition("[profiles.store]\n")[2])
            for i in range(files):
                here.write(f"u/{i}", b"data %d" % i, T1 + i if i % 2 else None)
            settle(here.cwd)
            here("-q", "put", "-r", "u/", "home:d/")
            here("-q", "get", "-r", "home:d/", "got")
            for records in ("kept", "lost"):
                for verb in (("put", "-r", "u/", "home:d/"), ("get", "-r", "home:d/", "got"), ("sync", "u", "home:d")):
                    box.forget_seen()
                    with reads_of(here.cwd / "u", here.cwd / "got") as read:
                        assert f"{files} files skipped" in here(*verb), records
                    assert read == [], records
                    assert {seen.method for seen in box.seen} == {"PROPFIND"}, records
                    assert len(box.seen) <= 6, records
                here("cache", "clear")
