"""Retries: how often, how long, and that nested loops do not multiply."""

import pytest

from ctadata.errors import Busy, Changed, CtadataError, Interrupted, ServerTrouble, TimedOut
from ctadata.retry import Retries, retry


class Failing:
    """A function that fails always or some times, and counts its calls."""

    def __init__(self, error, times=10**6):
        self.error, self.left, self.calls = error, times, 0

    def __call__(self):
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error()
        return "done"


def again(attempt, *kinds, retries=None, waits=None, **more):
    waits = [] if waits is None else waits
    wait = lambda error, seconds: waits.append(seconds)  # noqa: E731
    return retry(attempt, retries or Retries(), may_retry=lambda error: isinstance(error, kinds), wait=wait, **more)


@pytest.mark.parametrize(("kind", "calls"), [(ServerTrouble, 4), (Interrupted, 4), (Busy, 7)])
def test_an_attempt_is_repeated_so_often(kind, calls):
    failing = Failing(lambda: kind("x"))
    with pytest.raises(kind) as caught:
        again(failing, CtadataError)
    assert failing.calls == calls
    assert (caught.value.given_up, caught.value.retries) == (True, calls - 1)


def test_an_error_that_may_not_be_retried_is_raised():
    failing = Failing(lambda: ServerTrouble("x"))
    with pytest.raises(ServerTrouble) as caught:
        again(failing, Busy)
    assert (failing.calls, caught.value.given_up) == (1, False)


def test_a_retry_may_succeed():
    failing = Failing(lambda: Busy("x"), 3)
    assert again(failing, Busy) == "done"
    assert failing.calls == 4


def test_loops_within_loops_do_not_multiply():
    failing = Failing(lambda: Busy("x"))
    with pytest.raises(Busy):
        again(lambda: again(lambda: again(failing, Busy), CtadataError), CtadataError)
    assert failing.calls == 7


def test_an_outer_loop_retries_an_error_that_the_inner_loop_did_not():
    failing = Failing(lambda: Interrupted("x"))
    with pytest.raises(Interrupted):
        again(lambda: again(failing, Busy), Interrupted)
    assert failing.calls == 4


def test_the_time_counts_from_the_first_failure():
    now = [0.0]

    def attempt():
        now[0] += 100
        raise TimedOut("x")

    with pytest.raises(TimedOut):
        again(attempt, TimedOut, clock=lambda: now[0])
    assert now == [300]  # the second failure was 100 s after the first one, the third 200 s


def test_progress_resets_the_count():
    failing, kept = Failing(lambda: Changed()), iter([True] * 5 + [False] * 99)
    with pytest.raises(Changed):
        again(failing, Changed, has_progressed=lambda: next(kept))
    assert failing.calls == 5 + 4


def test_the_pauses_grow():
    waits = []
    with pytest.raises(Busy):
        again(Failing(lambda: Busy("x")), Busy, waits=waits, jitter=lambda: 0.0)
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]
