"""Token files: private from the first byte, written as a whole, and read only if nobody else can write them."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from ctadata.errors import ConfigError, CtadataError, LocalError
from ctadata.tokens import files
from ctadata.tokens.files import (
    make_private_directory,
    read_discovered,
    read_private,
    remove_stale_temporaries,
    reserve_file,
    write_private,
)
from ctadata.tokens.profile_files import ProfileFiles


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_modes_do_not_depend_on_the_umask(tmp_path, umask):
    folder = tmp_path / "new" / "state" / "tokens" / "p"
    make_private_directory(folder)
    write_private(folder / "token", "secret")
    assert [mode(place) for place in (folder, *folder.parents[:3])] == [0o700] * 4
    assert mode(folder / "token") == 0o600


def test_it_is_private_from_the_first_byte(tmp_path, monkeypatch):
    """Looked at when the content is written and the name not given yet."""
    seen = []
    replace = Path.replace

    def look(self, target):
        seen.append((mode(self), self.read_text()))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", look)
    before = os.umask(0)
    try:
        write_private(tmp_path / "token", "secret")
    finally:
        os.umask(before)
    assert seen == [(0o600, "secret")]


def test_the_content_is_flushed_before_the_rename(tmp_path, monkeypatch):
    """Else a power cut could leave an empty file under the name of the only refresh token."""
    steps, fsync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: steps.append("fsync") or fsync(fd))
    monkeypatch.setattr(Path, "replace", lambda self, target: steps.append("replace") or replace(self, target))
    write_private(tmp_path / "token", "secret")
    assert steps == ["fsync", "replace", "fsync"]


def test_space_is_reserved_before_the_content_is_known(tmp_path):
    target = tmp_path / "login"
    with reserve_file(target, 8192) as write:
        assert list(tmp_path.iterdir()) == []  # a kill would leave no file
        (kept,) = [f.stat() for f in Path("/proc/self/fd").iterdir() if str(tmp_path) in os.path.realpath(f)]
        assert (stat.S_IMODE(kept.st_mode), kept.st_size) == (0o600, 8192)
        write("secret")
    assert (read_private(target), list(tmp_path.iterdir())) == ("secret", [target])


def test_a_file_system_without_unnamed_files(tmp_path, monkeypatch):
    opened = os.open

    def refused(path, flags, *more, **options):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return opened(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refused)
    target = tmp_path / "login"
    with reserve_file(target, 8192) as write:
        (kept,) = tmp_path.iterdir()
        assert (mode(kept), kept.stat().st_size) == (0o600, 8192)
        write("secret")
    assert (read_private(target), list(tmp_path.iterdir())) == ("secret", [target])


def test_unused_reserved_space_is_released(tmp_path):
    with pytest.raises(ZeroDivisionError), reserve_file(tmp_path / "login", 8192):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_stale_nfs_handle_is_read_again(tmp_path, monkeypatch, times):
    """NFS says ESTALE; the next look finds the new one."""
    write_private(tmp_path / "token", "secret")
    stale, read = [OSError(errno.ESTALE, "Stale file handle")] * times, os.read

    def look(fd, size):
        if stale:
            raise stale.pop()
        return read(fd, size)

    monkeypatch.setattr(os, "read", look)
    if times == 1:
        assert read_private(tmp_path / "token") == "secret"
    else:
        with pytest.raises(LocalError, match="stale file handle"):
            read_private(tmp_path / "token")


def test_a_reader_sees_the_old_or_the_new_and_nothing_else(tmp_path):
    target, texts, seen, done = tmp_path / "token", ["a" * 20_000, "b" * 30_000], set(), threading.Event()
    write_private(target, texts[0])

    def read():
        while not done.is_set():
            seen.add(read_private(target))

    reader = threading.Thread(daemon=True, target=read)
    reader.start()
    for turn in range(100):
        write_private(target, texts[turn % 2])
    done.set()
    reader.join()
    assert seen <= set(texts)


def test_a_full_disk_leaves_the_old_file_only(tmp_path):
    target = tmp_path / "token"
    write_private(target, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(CtadataError) as caught:
            write_private(target, "x" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.exit_code == 11
    assert os.listdir(tmp_path) == ["token"]
    assert read_private(target) == "old"


def test_a_symlink_is_replaced_and_not_written_through(tmp_path):
    victim, target = tmp_path / "victim", tmp_path / "token"
    victim.write_text("precious")
    target.symlink_to(victim)
    write_private(target, "secret")
    assert victim.read_text() == "precious"
    assert not target.is_symlink()


def test_a_missing_file_is_none(tmp_path):
    assert read_private(tmp_path / "token") is None
    assert read_discovered(tmp_path / "token") is None


@pytest.mark.parametrize("read", [read_private, read_discovered])
def test_a_symlink_is_refused(tmp_path, read):
    write_private(tmp_path / "real", "secret")
    (tmp_path / "token").symlink_to(tmp_path / "real")
    with pytest.raises(LocalError, match="symlink"):
        read(tmp_path / "token")


def test_a_symlink_that_the_user_named_is_followed_and_its_target_checked(tmp_path):
    write_private(tmp_path / "real", "secret")
    (tmp_path / "token").symlink_to(tmp_path / "real")
    assert read_discovered(tmp_path / "token", follow=True) == "secret"
    (tmp_path / "real").chmod(0o622)
    with pytest.raises(LocalError, match="others can write"):
        read_discovered(tmp_path / "token", follow=True)


@pytest.mark.parametrize("read", [read_private, read_discovered])
def test_another_users_file_is_refused(tmp_path, make_foreign, read):
    write_private(tmp_path / "token", "secret")
    make_foreign(tmp_path / "token")
    with pytest.raises(LocalError, match="another user"):
        read(tmp_path / "token")


@pytest.mark.parametrize(
    ("read", "bits", "words"),
    [
        (read_private, 0o640, "others can read"),
        (read_private, 0o604, "others can read"),
        (read_private, 0o620, "others can write"),
        (read_discovered, 0o620, "others can write"),
        (read_discovered, 0o602, "others can write"),
    ],
)
def test_an_open_mode_is_refused_with_the_cure(tmp_path, read, bits, words):
    token = tmp_path / "token"
    write_private(token, "secret")
    token.chmod(bits)
    with pytest.raises(LocalError, match=words) as caught:
        read(token)
    assert f"chmod 600 {token}" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_discovered_file_may_be_readable_for_others(tmp_path):
    (tmp_path / "bt_u0").write_text("token")
    (tmp_path / "bt_u0").chmod(0o644)
    assert read_discovered(tmp_path / "bt_u0") == "token"


def test_a_pipe_or_a_directory_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name in ("fifo", "folder"):
        with pytest.raises(LocalError, match="regular file"):
            read_private(tmp_path / name)


def test_a_file_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_FILE_SIZE", 10)
    write_private(tmp_path / "token", "x" * 11)
    with pytest.raises(LocalError, match="too large"):
        read_private(tmp_path / "token")


def test_bytes_that_are_not_utf8_are_read(tmp_path):
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    (tmp_path / "token").chmod(0o600)
    assert read_private(tmp_path / "token") == "��"


@pytest.mark.parametrize("kind", ["open", "link", "file"])
def test_an_unsafe_directory_is_refused(tmp_path, kind):
    folder = tmp_path / "tokens"
    if kind == "open":
        folder.mkdir()
        folder.chmod(0o750)
    elif kind == "link":
        (tmp_path / "real").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "real")
    else:
        folder.touch()
    with pytest.raises(LocalError):
        make_private_directory(folder)


def test_another_users_directory_is_refused(tmp_path, make_foreign):
    make_private_directory(tmp_path / "tokens")
    make_foreign(tmp_path / "tokens")
    with pytest.raises(LocalError, match="another user"):
        make_private_directory(tmp_path / "tokens")


def test_only_stale_temporaries_are_deleted(tmp_path):
    old, new = tmp_path / ".new-old", tmp_path / ".new-fresh"
    for path in (old, new, tmp_path / "token"):
        path.touch()
        os.utime(path, (0, 0))
    os.utime(new)
    remove_stale_temporaries(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".new-fresh", "token"]


def as_nobody(*command):
    """Return what a command prints when it runs as another user, who must not succeed."""
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    said = subprocess.run(command, user=65534, group=65534, extra_groups=[], env=env, capture_output=True, text=True)
    assert (said.returncode != 0, said.stdout) == (True, "")
    return said.stderr


def test_profile_names_become_safe_directory_names(tmp_path):
    assert ProfileFiles.of("cscs", tmp_path).folder == tmp_path / "tokens" / "cscs"
    assert ProfileFiles.of("a/../b", tmp_path).folder == tmp_path / "tokens" / "a%2F..%2Fb"
    for name in ("", ".", ".."):
        with pytest.raises(ConfigError):
            ProfileFiles.of(name, tmp_path)


def test_the_files_are_in_the_platforms_state_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert ProfileFiles.of("cscs").token == tmp_path / "ctadata" / "tokens" / "cscs" / "token"


def test_each_file_has_a_name_of_its_own(tmp_path):
    files = ProfileFiles.of("cscs", tmp_path)
    names = [
        files.token,
        files.token_metadata,
        files.login,
        files.login_lock,
        files.agent_lock,
        files.agent_state,
        files.agent_log,
    ]
    assert len(set(names)) == 7
    assert {name.parent for name in names} == {files.folder}
