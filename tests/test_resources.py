"""A shortage of files, threads or memory has its own error, and reduces the workers."""

import errno
import os
import resource
import time

import pytest

from ctadata import resources
from ctadata.resources import (
    BASE_FILES,
    FILES_PER_WALKER,
    FILES_PER_WORKER,
    BusyMeter,
    IdleMeter,
    is_out_of_files,
    limit_connections,
    limit_directories,
    limit_walkers,
    limit_workers,
    shortage_error,
    usable_processors,
)


def test_open_files_limit_the_workers():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        for allowed, wanted, expected in ((48, 8, 3), (1, 8, 1), (1024, 64, 64), (1024, -5, 1)):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, before[1]))
            assert limit_workers(wanted) == expected
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("allowed", [28, 40, 64, 256, 1024])
def test_all_users_of_files_together_stay_below_the_limit(allowed, monkeypatch):
    monkeypatch.setattr(resources, "open_file_limit", lambda: allowed)
    most = limit_workers(1000) * FILES_PER_WORKER + limit_walkers(1000) * FILES_PER_WALKER + limit_directories(1000)
    assert most + BASE_FILES <= allowed
    assert limit_connections(16) == {1024: 3}.get(allowed, 2)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "no memory"),
        (ImportError("libcrypto.so.3: failed to map segment from shared object"), "no memory"),
        (RuntimeError("can't allocate lock"), "no memory"),
        (RuntimeError("can't start new thread"), "thread"),
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open"),
    ],
)
def test_each_shortage_has_its_error(error, words):
    assert words in str(shortage_error(error))
    assert shortage_error(error).exit_code == 11


def test_another_error_is_no_shortage():
    assert shortage_error(ValueError("x")) is None
    assert shortage_error(ImportError("No module named 'x'")) is None
    assert not is_out_of_files()


def test_a_process_out_of_files_is_recognised():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    try:
        for left in (0, 1):  # another thread may have closed one since
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + left, before[1]))
            assert is_out_of_files()
        assert "too many files" in str(shortage_error(ValueError("a library's own word")))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        os.close(lowest)


def test_a_busy_loop_is_measured_and_its_processor_is_not_idle():
    busy, idle = BusyMeter(), IdleMeter()
    until = time.thread_time() + 0.2
    while time.thread_time() < until:
        pass
    elapsed = busy.elapsed
    assert 0.2 / elapsed - 0.05 <= busy.measure() <= 1.2
    assert 0 <= idle.measure() <= usable_processors()


def test_a_quota_of_a_cgroup_limits_the_processors(tmp_path, monkeypatch):
    (tmp_path / "cgroup").write_text("1:name=systemd:/x\n0::/user/job\n")
    (tmp_path / "fs" / "user" / "job").mkdir(parents=True)
    (tmp_path / "fs" / "user" / "job" / "cpu.max").write_text("max 100000\n")
    (tmp_path / "fs" / "user" / "cpu.max").write_text("300000 100000\n")
    monkeypatch.setattr(resources, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(resources, "CGROUPS", tmp_path / "fs")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    assert usable_processors() == 3
    (tmp_path / "fs" / "user" / "job" / "cpu.max").write_text("50000 100000\n")
    assert usable_processors() == 1
