"""Counting a run: rates over a window, failures and void bytes taken back."""

import math
import threading

from ctadata.errors import Interrupted
from ctadata.paths import RemotePath
from ctadata.progress.tally import Tally
from ctadata.transfer.report import Outcome, State


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def outcome(name, state=State.DONE, **more):
    return Outcome(state, RemotePath.parse(name), **more)


def test_counts_files_and_bytes():
    tally = Tally(Clock())
    tally.planned(2, 300)
    tally.moved("/a", 100)
    tally.ended(outcome("a"))
    tally.moved("/b", 50)
    now = tally.snapshot()
    assert (now.done, now.planned, now.moved, now.size) == (1, 2, 150, 300)
    assert now.active == (("/b", 50, 0),)


def test_a_file_in_transfer_has_its_size():
    tally = Tally(Clock())
    for name in ("/a", "/b", "/c"):
        tally.started(name, 300)
    tally.moved("/a", 100)
    tally.moved("/b", 1)
    tally.ended(outcome("b"))
    tally.ended(outcome("c"))
    assert tally.snapshot().active == (("/a", 100, 300),)
    assert tally.sizes == {"/a": 300}  # memory does not grow with the run


def test_the_percentage_is_of_the_bytes_or_else_of_the_files():
    tally = Tally(Clock())
    assert tally.snapshot().percent == 0
    tally.planned(3, 0)
    tally.ended(outcome("a"))
    assert tally.snapshot().percent == 33
    tally.planned(0, 1000)
    tally.moved("/b", 999)
    assert tally.snapshot().percent == 99


def test_bytes_that_no_longer_count_are_subtracted():
    tally = Tally(Clock())
    tally.planned(1, 100)
    tally.moved("/a", 80)
    tally.moved("/a", -80)
    tally.moved("/a", 100)
    assert tally.snapshot().moved == 100


def test_bytes_of_a_failed_file_do_not_count():
    tally = Tally(Clock())
    tally.planned(2, 200)
    tally.moved("/a", 60)
    tally.moved("/b", 100)
    tally.ended(outcome("a", State.FAILED, error=Interrupted("cut")))
    tally.ended(outcome("b"))
    now = tally.snapshot()
    assert (now.done, now.moved, now.active) == (2, 100, ())


def test_passed_names_are_not_counted_as_files():
    tally = Tally(Clock())
    tally.ended(outcome("a", State.PASSED, why="a socket"))
    assert tally.snapshot().done == 0


def test_rate_is_of_the_last_ten_seconds():
    clock = Clock()
    tally = Tally(clock)
    tally.planned(1, 10_000)
    tally.moved("/a", 1000)
    clock.now += 1
    assert tally.snapshot().rate == 1000
    for _ in range(20):
        clock.now += 1
        tally.moved("/a", 100)
        now = tally.snapshot()
    assert now.rate == 100
    assert now.left == 70


def test_rare_snapshots_still_have_a_rate():
    clock = Clock()
    tally = Tally(clock)
    for _ in range(3):
        tally.moved("/a", 600)
        clock.now += 60
        now = tally.snapshot()
    assert now.rate == 10


def test_without_movement_the_time_left_is_infinite():
    tally = Tally(Clock())
    tally.planned(1, 100)
    assert tally.snapshot().rate == 0
    assert math.isinf(tally.snapshot().left)


def test_totals_never_fall_behind_what_was_done():
    tally = Tally(Clock())
    tally.moved("/a", 10)
    tally.ended(outcome("a"))
    now = tally.snapshot()
    assert (now.planned, now.size) == (1, 10)


def test_many_threads_report_at_once():
    tally = Tally()

    def tell(name):
        for _ in range(2000):
            tally.planned(1, 3)
            tally.moved(name, 3)
            tally.ended(outcome(name))

    threads = [threading.Thread(daemon=True, target=tell, args=(f"n{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = tally.snapshot()
    assert (now.done, now.planned, now.moved, now.size) == (8000, 8000, 24000, 24000)
