"""Locks: one holder at a time, and a dead holder holds nothing."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
import threading

import pytest

from ctadata.errors import LocalError, Stopped
from ctadata.tokens.locks import WARN_AFTER_POLLS, hold_lock, is_locked

HOLDER = """
import sys
from pathlib import Path
from ctadata.tokens.locks import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_holds_the_lock(tmp_path, holder):
    assert is_locked(tmp_path / "lock")


def test_kill_9_releases_the_lock(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert not is_locked(tmp_path / "lock")
    with hold_lock(tmp_path / "lock"):
        assert is_locked(tmp_path / "lock")


def test_a_long_wait_is_logged_once(tmp_path, holder, monkeypatch, caplog):
    """The user may be at another terminal, with a code to approve."""
    looks = []

    class Stop(threading.Event):
        def wait(self, timeout=None):
            looks.append(timeout)
            if len(looks) == 2 * WARN_AFTER_POLLS:
                holder.kill()
                holder.wait()
            return False

    with hold_lock(tmp_path / "lock", Stop()):
        assert sum(looks[:WARN_AFTER_POLLS]) == pytest.approx(3)
    assert caplog.messages == ["another process of yours is logging in; this one waits for it"]


def test_a_wait_for_it_can_be_stopped(tmp_path, holder):
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(Stopped), hold_lock(tmp_path / "lock", stop):
        raise AssertionError("held by two")


def test_a_wait_for_it_ends_when_it_is_free(tmp_path, holder):
    threading.Timer(0.1, holder.stdin.close).start()
    with hold_lock(tmp_path / "lock"):
        assert holder.wait(60) == 0


def test_threads_exclude_each_other_too(tmp_path):
    inside, most = [], []

    def work():
        with hold_lock(tmp_path / "lock"):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(daemon=True, target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


def test_no_file_is_not_locked(tmp_path):
    assert not is_locked(tmp_path / "lock")


def test_a_lock_that_is_a_symlink_is_refused(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LocalError), hold_lock(tmp_path / "lock"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    """Some mounts of Lustre and NFS."""

    def refuse(fd, how):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    words = r"the file system of the login has no locks.*function not implemented.*XDG_STATE_HOME"
    with pytest.raises(LocalError, match=words), hold_lock(tmp_path / "lock"):
        pytest.fail("it is not held")
