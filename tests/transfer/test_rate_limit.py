"""So many bytes a second: the rule with a clock that is set, and a run that keeps to it."""

import os
import pickle
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from stores.memory import MemoryStore
from transfer.trees import Content, Recorder, shape

from ctadata.paths import RemotePath
from ctadata.progress import units
from ctadata.transfer.batches import share_of
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.download_tree import download
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.plan import Rules
from ctadata.transfer.rate_limit import SAVED, RateLimiter
from ctadata.transfer.report import NullReporter
from ctadata.transfer.run import Run
from ctadata.transfer.timetable import Timetable
from ctadata.transfer.upload_tree import upload

TOP = RemotePath.parse("run")


class Clock:
    """Time that passes where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def allowance(clock: Clock) -> RateLimiter:
    """A thousand bytes a second."""
    return RateLimiter(1000, clock=clock, sleep=clock.sleep)


def test_bytes_move_no_faster_than_the_rate(allowance: RateLimiter, clock: Clock) -> None:
    began = clock.now
    for _ in range(100):
        allowance.take(100)
    assert clock.now - began == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize("late", [0.0, 0.02, 0.2])
def test_pauses_that_end_late_cost_nothing(clock: Clock, late: float) -> None:
    allowance = RateLimiter(1000, clock=clock, sleep=lambda seconds: clock.sleep(seconds + late))
    began = clock.now
    for _ in range(100):
        allowance.take(100)
    assert clock.now - began == pytest.approx(10, abs=SAVED + late)


def test_unused_rate_is_saved_for_a_short_time_only(allowance: RateLimiter, clock: Clock) -> None:
    clock.now += 3600
    began = clock.now
    allowance.take(1000)
    allowance.take(1000)
    assert clock.now - began == pytest.approx(2 - SAVED, abs=0.01)


def test_all_streams_share_the_rate(clock: Clock) -> None:
    """Each waits behind the bytes of all others, so four of them move no more than one."""
    waits: list[float] = []
    allowance = RateLimiter(1000, clock=clock, sleep=waits.append)
    threads = [threading.Thread(daemon=True, target=allowance.take, args=(500,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == pytest.approx([0.25, 0.75, 1.25, 1.75], abs=0.26)
    assert sorted(waits)[-1] - sorted(waits)[0] == pytest.approx(1.5)


def test_a_block_is_moved_within_an_eighth_of_a_second() -> None:
    assert Rules().block_size(1 << 20) == 1 << 20
    assert Rules(rate=800_000).block_size(1 << 20) == 100_000
    assert Rules(rate=1024).block_size(1 << 20) == 1024
    assert Rules(rate=1e9).block_size(1 << 20) == 1 << 20


WEEK = Timetable.parse("Sun-19:00,off 08:00,1M 19:00,off Sat-00:00,2M Mon-08:30,500K", units.read_size)


@pytest.mark.parametrize(
    ("when", "rate"),
    [
        ("2026-11-30 07:59", None),  # a Monday: what began on Sunday at 19:00
        ("2026-11-30 08:00", 1 << 20),
        ("2026-11-30 08:30", 500 << 10),
        ("2026-11-30 18:59:59", 500 << 10),
        ("2026-11-30 19:00", None),
        ("2026-12-01 08:30", 1 << 20),
        ("2026-12-05 03:00", 2 << 20),
        ("2026-12-06 23:59", None),
    ],
)
def test_a_timetable_has_the_rate_of_each_time(when: str, rate: float | None) -> None:
    assert WEEK.at(datetime.fromisoformat(when)) == rate


def test_one_day_alone_holds_all_week() -> None:
    assert Timetable.parse("wed-12:00,1M", units.read_size).at(datetime(2026, 12, 1)) == 1 << 20


def test_a_timetable_changes_the_rate_of_a_run_that_goes_on(clock: Clock) -> None:
    start = datetime(2026, 11, 30, 18, 59, 0)
    limiter = RateLimiter(
        Timetable.parse("08:00,1K 19:00,off 20:00,2K", units.read_size),
        clock=clock,
        sleep=clock.sleep,
        now=lambda: start + timedelta(seconds=clock.now - 50),
    )
    for _ in range(60):
        limiter.take(1024)
    assert clock.now - 50 == pytest.approx(60, abs=1)
    for _ in range(1000):
        limiter.take(1 << 20)  # it is 19:00
    assert clock.now - 50 < 62
    clock.now = 50 + 3660
    for _ in range(60):
        limiter.take(1024)  # it is 20:00
    assert clock.now - 3710 == pytest.approx(30, abs=1)


def test_workers_share_a_timetable_and_blocks_suit_its_lowest_rate() -> None:
    rules = share_of(Rules(rate=WEEK), 4)
    assert rules.rate == Timetable.parse("08:00,256K 19:00,off Sat-00:00,512K Mon-08:30,125K", units.read_size)
    assert rules.block_size(1 << 20) == 16_000
    assert pickle.loads(pickle.dumps(rules)).rate == rules.rate
    assert Rules(rate=Timetable.parse("08:00,off", units.read_size)).block_size(1 << 20) == 1 << 20


@pytest.mark.parametrize("way", ["down", "up"])
def test_a_run_keeps_its_rate(way: str, tmp_path: Path) -> None:
    """Six files of 50 kB by three streams at 600 kB/s: half a second, less what may be saved."""
    store, here = MemoryStore(), tmp_path / "run"
    here.mkdir()
    for i in range(6):
        (here / str(i)).write_bytes(os.urandom(50_000))
        store.write(TOP / str(i), Content((here / str(i)).read_bytes()))
    run = Run(store, Rules(jobs=3, rate=600_000), Recorder(), threading.Event())
    began = time.monotonic()
    if way == "down":
        download(run, [DownloadTarget(store.info(TOP), tmp_path / "got")])
        assert shape(tmp_path / "got") == shape(here)
    else:
        upload(run, [UploadSource(RemotePath.parse("copy"), here)])
    assert run.summary.done == 6
    assert time.monotonic() - began > 0.5 - SAVED - 0.05


def test_a_stop_ends_the_pause(tmp_path: Path) -> None:
    store, stop = MemoryStore(), threading.Event()
    store.write(TOP / "large", Content(bytes(10_000_000)))

    class Stopping(NullReporter):
        def moved(self, name: str, size: int) -> None:
            stop.set()

    run = Run(store, Rules(jobs=1, rate=1024), Stopping(), stop, pause=lambda seconds: None)
    download(
        run, [DownloadTarget(store.info(TOP), tmp_path / "got")]
    )  # and does not take the hours that so many bytes take
