"""Which requests are sent again, when, and how often."""

import pytest

from ctadata.errors import (
    Busy,
    Forbidden,
    IntegrityError,
    Interrupted,
    LoginNeeded,
    NotFound,
    ServerTrouble,
    Stopped,
    StorageFull,
    TimedOut,
    Unreachable,
    Untrusted,
)
from ctadata.http.retries import Retries, is_repeatable

SAFE = ["GET", "HEAD", "PROPFIND", "OPTIONS"]
UNSAFE = ["MOVE", "MKCOL", "DELETE", "POST"]


@pytest.mark.parametrize("method", [*SAFE, "PUT", *UNSAFE])
def test_a_request_that_reached_no_server_may_be_sent_again(method):
    assert is_repeatable(method, Unreachable("refused"), sent=False, begun=False)
    assert is_repeatable(method, TimedOut("connect"), sent=False, begun=False)


@pytest.mark.parametrize("method", [*SAFE, "PUT", *UNSAFE])
def test_every_method_may_be_repeated_at_a_busy_server(method):
    assert is_repeatable(method, Busy("429"), sent=True, begun=False)


def test_a_lost_answer_is_repeated_for_idempotent_methods():
    assert all(is_repeatable(method, Unreachable("reset"), sent=True, begun=False) for method in [*SAFE, "PUT"])
    assert not any(is_repeatable(method, Unreachable("reset"), sent=True, begun=False) for method in UNSAFE)


def test_a_server_error_is_repeated_for_methods_that_change_nothing():
    error = ServerTrouble("500", status=500)
    assert all(is_repeatable(method, error, sent=True, begun=False) for method in SAFE)
    assert not any(is_repeatable(method, error, sent=True, begun=False) for method in ["PUT", *UNSAFE])


@pytest.mark.parametrize("error", [Busy("x"), Unreachable("x"), ServerTrouble("x", status=500), TimedOut("x")])
@pytest.mark.parametrize("sent", [True, False])
def test_nothing_is_repeated_once_a_body_has_begun(error, sent):
    assert not is_repeatable("GET", error, sent=sent, begun=True)


@pytest.mark.parametrize(
    "error",
    [
        NotFound("x"),
        Forbidden("x"),
        LoginNeeded("x"),
        Untrusted("x"),
        StorageFull("x"),
        IntegrityError("x"),
        Interrupted("x"),
        Stopped("x"),
        TimedOut("a silent server stays silent"),
        ServerTrouble("what is no HTTP does not become it"),
    ],
)
def test_errors_that_are_not_temporary_are_not_repeated(error):
    assert not is_repeatable("GET", error, sent=True, begun=False)


def test_pauses_double_up_to_the_longest_and_half_of_each_is_chance():
    retries = Retries(attempts=9, first_pause=1, longest_pause=5)
    error = Unreachable("x")
    assert [retries.pause(n, error, 0, 0.0) for n in (1, 2, 3, 4, 5)] == [0.5, 1, 2, 2.5, 2.5]
    assert retries.pause(1, error, 0, 0.999) == pytest.approx(1, rel=0.01)


def test_retry_after_replaces_the_usual_pause():
    retries = Retries(first_pause=0.5)
    assert retries.pause(1, Busy("x", retry_after=7), 0, 0.0) == 7
    assert 7 < retries.pause(1, Busy("x", retry_after=7), 0, 0.9) < 7.5


def test_attempts_and_time_are_limited():
    retries = Retries(attempts=3, time_limit=10)
    error = Unreachable("x")
    assert retries.pause(2, error, 0, 0.0) is not None
    assert retries.pause(3, error, 0, 0.0) is None
    assert retries.pause(1, error, 9.9, 0.0) is None
    assert retries.pause(1, Busy("x", retry_after=3600), 0, 0.0) is None
