"""The time of the next refresh, and the pause after a failure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.agent.schedule import LONGEST_PAUSE, SHORTEST_PAUSE, pause_after, refresh_at
from ctadata.tokens.token import Token

NOW = 1_800_000_000.0


def fresh(life):
    return Token.parse("t", NOW, life)


@pytest.mark.parametrize(
    ("life", "after"),
    [
        (3600, 2400),  # two thirds
        (86400, 57600),
        (300, 200),
        (180, 120),  # two thirds, which is a minute before the end
        (150, 90),  # a minute before the end
        (120, 60),
        (90, 30),  # a third of its life at the earliest
        (60, 20),
        (3, 1),
        (1, 0.5),  # never at once
        (None, 200),  # like a token that lives for five minutes
    ],
)
def test_the_time_of_the_refresh(life, after):
    assert refresh_at(fresh(life), NOW, 0) - NOW == pytest.approx(after, abs=0.01)


@given(st.floats(1, 1e6), st.floats(0, 0.999))
def test_always_ahead_of_the_end(life, jitter):
    due = refresh_at(fresh(life), NOW, jitter) - NOW
    assert SHORTEST_PAUSE <= due <= max(life * 2 / 3, SHORTEST_PAUSE) + 1e-3
    if life >= 180:
        assert life - due >= max(60, life / 5) - 1e-3


def test_jitter_brings_it_forward():
    times = {refresh_at(fresh(3600), NOW, jitter) for jitter in (0, 0.3, 0.9)}
    assert len(times) == 3
    assert max(times) - min(times) <= 240


def test_an_old_token_is_due_at_once():
    for passed in (250, 300, 10_000):
        assert refresh_at(fresh(300), NOW + passed, 0) == NOW + passed + SHORTEST_PAUSE


@pytest.mark.parametrize("life", [0, -5])
def test_a_lifetime_of_zero_or_less(life):
    assert refresh_at(fresh(life), NOW, 0) > NOW


def test_pauses_double_up_to_five_minutes():
    pauses = [pause_after(failures, None, 0.999) for failures in range(1, 12)]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300], rel=0.01)
    assert pause_after(10_000, None, 0.5) <= LONGEST_PAUSE


def test_half_of_a_pause_is_random():
    assert pause_after(5, None, 0) == 8
    assert pause_after(5, None, 0.999) == pytest.approx(16, rel=0.01)


def test_retry_after_comes_first():
    assert pause_after(1, 60, 0) == 60
    assert pause_after(1, 1e9, 0) == LONGEST_PAUSE
    assert pause_after(9, 1, 0) == 128


def test_no_pause_is_longer_than_the_rest_of_the_token():
    assert [pause_after(20, None, 1, margin) for margin in (-50, 40, 100, 7200)] == [30, 40, 100, LONGEST_PAUSE]
    assert pause_after(1, 60, 0, 40) == 60
