"""The agent's loop, with simulated time."""

from __future__ import annotations

import itertools
from threading import Event

import pytest

from ctadata.agent.loop import LONGEST_STEP, keep_fresh
from ctadata.errors import (
    Busy,
    ConfigError,
    IntegrityError,
    LoginNeeded,
    Stopped,
    StorageFull,
    TimedOut,
    Unreachable,
    Untrusted,
)
from ctadata.tokens.token import Token


class Life:
    """An agent's life: the tokens that it publishes, and the times of its requests."""

    def __init__(self, clock, life=300.0, answers=()):
        self.clock, self.life, self.answers = clock, life, list(answers)
        self.stop, self.asked, self.beats, self.gaps = Event(), [], [], []
        self.number = 0
        self.token = self.issue()

    def issue(self):
        self.number += 1
        return Token.parse(f"t{self.number}", self.clock.time, self.life)

    def renew(self, known, stop=None):
        assert known == self.token
        self.asked.append(self.clock.time)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        self.gaps.append(max(0.0, -self.token.life_left(self.clock.time)))
        self.token = answer or self.issue()
        return self.token

    def run(self, seconds=3600, jitter=0.0):
        """Run the loop for so long, and return its result."""
        self.clock.at(seconds, self.stop.set)
        return keep_fresh(
            self.token,
            self.renew,
            self.beats.append,
            self.stop,
            now=self.clock.now,
            wait=self.clock.wait,
            jitter=lambda: jitter,
        )

    def asked_after(self):
        """The seconds between the requests."""
        begun = [1_800_000_000.0, *self.asked]
        return [round(later - earlier, 1) for earlier, later in itertools.pairwise(begun)]


def test_a_token_is_always_there(clock):
    life = Life(clock)
    assert life.run(8 * 3600) is None
    assert set(life.asked_after()) == {200.0}
    assert set(life.gaps) == {0.0}


@pytest.mark.parametrize("seconds", [1, 3, 60, 120, 3600])
def test_lives_of_every_length(clock, seconds):
    life = Life(clock, life=float(seconds))
    life.run(20 * seconds)
    assert 20 <= len(life.asked) <= 61
    assert set(life.gaps) == {0.0}


def test_each_report_has_the_published_token_and_the_next_refresh(clock):
    life = Life(clock)
    life.run(450)
    assert [beat.token.reveal() for beat in life.beats] == ["t1", "t2", "t3"]
    assert [beat.next_refresh - 1_800_000_000 for beat in life.beats] == pytest.approx([200, 400, 600])
    assert {beat.error for beat in life.beats} == {None}


PASSING = [
    Unreachable("x"),
    TimedOut("x"),
    Busy("x"),
    StorageFull("x"),
    Untrusted("x"),  # a captive portal that ends TLS itself
    IntegrityError("x"),
]


@pytest.mark.parametrize("trouble", PASSING, ids=lambda error: type(error).__name__)
def test_temporary_failures(clock, trouble):
    life = Life(clock, answers=[trouble] * 4)
    assert life.run(600) is None
    assert life.asked_after()[:6] == [200.0, 0.5, 1.0, 2.0, 4.0, 200.0]
    assert life.gaps[0] == 0.0
    assert [beat.error for beat in life.beats] == [None, *[trouble] * 4, None, *[None] * (len(life.beats) - 6)]
    assert {beat.token.reveal() for beat in life.beats[:5]} == {"t1"}  # the valid token stays published


def test_a_bug_does_not_end_the_loop(clock, caplog):
    """An agent that died would renew nothing."""
    life = Life(clock, answers=[ValueError("x")])
    assert life.run(600) is None
    assert life.asked_after()[:3] == [200.0, 0.5, 200.0]
    assert "unexpected ValueError" in str(life.beats[1].error)
    assert "Traceback" in caplog.text


def test_an_outage_of_hours(clock):
    """The agent asks about once a minute at most, and the token is not missing longer than the outage lasts."""
    life = Life(clock)
    back = clock.time + 6 * 3600
    renew = life.renew

    def down(known, stop=None):
        if clock.time < back:
            life.asked.append(clock.time)
            raise Unreachable("down")
        return renew(known, stop)

    life.renew = down
    assert life.run(7 * 3600) is None
    assert len(life.asked) < 6 * 80
    assert life.asked_after()[20] == 50.0
    assert next(moment for moment in life.asked if moment >= back) - back <= 100
    assert max(life.gaps) <= back - life.asked[0]
    assert life.beats[-1].error is None


def test_retry_after_is_obeyed(clock):
    life = Life(clock, answers=[Busy("x", retry_after=77)])
    life.run(400)
    assert life.asked_after()[:2] == [200.0, 77.0]


@pytest.mark.parametrize("end", [LoginNeeded("over"), ConfigError("wrong")])
def test_an_error_that_only_the_user_can_mend_ends_the_loop(clock, end):
    life = Life(clock, answers=[None, end])
    assert life.run(3600) is end
    assert len(life.asked) == 2
    assert (life.beats[-1].error, life.beats[-1].next_refresh) == (end, None)
    assert life.beats[-1].token.reveal() == "t2"


def test_a_stop_in_the_middle_of_a_refresh(clock):
    life = Life(clock, answers=[Stopped("stopped")])
    assert life.run() is None
    assert len(life.asked) == 1


def test_a_stop_while_it_waits(clock):
    life = Life(clock)
    assert life.run(100) is None
    assert life.asked == []


def test_the_clock_is_checked_every_half_minute(clock):
    life = Life(clock, life=86400.0)
    life.run(600)
    assert max(clock.waits) == LONGEST_STEP


def test_suspend(clock):
    """The machine sleeps for an hour in the middle of a wait: the token is renewed within half a minute of waking."""

    def sleep():
        clock.time += 3600

    life = Life(clock)
    clock.at(50, sleep)
    woken = clock.time + 3650
    life.run(3800)
    assert life.asked[0] - woken <= LONGEST_STEP


def test_a_clock_that_is_set_back_does_not_stop_refreshing(clock):
    def back():
        clock.time -= 3600

    life = Life(clock)
    clock.at(50, back)

    def wait(seconds):
        clock.wait(seconds)
        if sum(clock.waits) > 600:
            life.stop.set()

    keep_fresh(life.token, life.renew, life.beats.append, life.stop, now=clock.now, wait=wait, jitter=lambda: 0.0)
    assert life.asked[0] == 1_800_000_000 - 3600 + 200
    assert life.asked[1] == life.asked[0] + 200


def test_an_expired_token_from_the_issuer_is_followed_by_a_pause(clock):
    over = Token.parse("over", 0.0, 1.0)
    life = Life(clock, answers=[over] * 5)

    def renew(known, stop=None):
        life.asked.append(clock.time)
        return life.answers.pop(0) if life.answers else life.issue()

    life.renew = renew
    life.run(600)
    assert life.asked_after()[:7] == [200.0, 0.5, 1.0, 2.0, 4.0, 8.0, 200.0]
    assert "expired" in str(life.beats[1].error)
    assert life.beats[1].token.reveal() == "t1"


def test_random_faults(clock, rng, count):
    """Tokens live one minute, and every hundredth answer is a fault: the token is never missing for long."""
    life = Life(clock, life=60.0)
    renew = life.renew

    def often(known, stop=None):
        if rng.random() < 0.01:
            life.asked.append(clock.time)
            raise rng.choice(PASSING)
        return renew(known, stop)

    life.renew = often
    assert life.run(count(1, 8) * 3600, jitter=rng.random()) is None
    assert set(life.gaps) == {0.0}
