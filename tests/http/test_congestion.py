"""The congestion window alone, with a clock that the test sets."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ctadata.http.congestion import BURST, GAP, IDLE, LONGEST_GAP, START, CongestionWindow


class Server:
    """A window and a clock; each request is answered after `takes` seconds."""

    def __init__(self, most: int = 32, *, pinned: bool = False) -> None:
        self.window = CongestionWindow(most, pinned=pinned)
        self.now = 1000.0

    def send(self) -> float:
        """Send one request as early as it may be sent, and return the time."""
        assert self.window.has_room
        self.now = self.window.begin_request(self.now)
        return self.now

    def round(self, takes: float = 0.1, kind: str = "GET") -> None:
        """Send as many requests as the window has room for, and answer them."""
        began = [self.send() for _ in range(int(self.window.width))]
        for at in began:
            self.now = max(self.now, at + takes)
            self.window.record_answer(at, at + takes, kind)
            self.window.end_request(self.now)


def test_the_window_doubles_from_its_start_to_the_most() -> None:
    server, widths = Server(), []
    for _ in range(5):
        widths.append(int(server.window.width))
        server.round()
    assert widths == [START, 2 * START, 4 * START, 8 * START, 32]


def test_a_window_never_exceeds_the_most() -> None:
    server = Server(2)
    assert (server.send(), server.window.has_room, server.send() > 0, server.window.has_room)[1::2] == (True, False)


def test_a_full_window_has_room_after_a_request_ends() -> None:
    server = Server(1)
    server.send()
    assert not server.window.has_room
    server.window.end_request(server.now)
    assert server.window.has_room


@pytest.mark.parametrize("trouble", ["refused", "broke"])
def test_a_failure_halves_the_window_once_a_round_and_growth_is_one_a_round(trouble: str) -> None:
    server = Server()
    for _ in range(4):
        server.round()
    began = [server.send() for _ in range(32)]
    for at in began[:10]:
        server.now += 0.001
        if trouble == "broke":
            server.window.record_failure(at, server.now)
        else:
            server.window.record_refusal(at, server.now, 0, counts=False)
    for _ in began:
        server.window.end_request(server.now)
    assert server.window.width == 16
    server.round()
    server.round()
    assert 17.5 < server.window.width < 18


def test_endless_failures_leave_a_window_of_one() -> None:
    server = Server()
    for _ in range(10):
        at = server.send()
        server.now += 1
        server.window.record_failure(at, server.now)
        server.window.end_request(server.now)
    assert server.window.width == 1


def test_slow_answers_narrow_by_one_a_round_and_not_below_the_start() -> None:
    server = Server(8)
    server.round(0.1)
    assert server.window.width == 8
    widths = []
    for _ in range(7):
        server.round(5.0)
        widths.append(int(server.window.width))
    assert widths == [7, 6, 5, 4, 4, 4, 4]
    server.round(0.1)
    assert server.window.width > 4


def test_slow_listings_do_not_make_downloads_slow() -> None:
    server = Server(8)
    server.round(0.1, "GET")
    server.round(5.0, "PROPFIND")
    assert server.window.width == 8


def test_requests_without_a_kind_are_never_slow() -> None:
    server = Server(8)
    server.round(0.1, "")
    server.round(500.0, "")
    assert server.window.width == 8


def test_the_first_requests_of_a_burst_are_staggered() -> None:
    server = Server(64, pinned=True)
    moments = [server.window.begin_request(1000.0) for _ in range(BURST + 4)]
    steps = [later - earlier for earlier, later in pairwise(moments)]
    assert steps == pytest.approx([GAP] * (BURST - 1) + [0.0] * 4)


def test_sequential_requests_are_no_burst() -> None:
    server = Server()
    for _ in range(20):
        assert server.window.begin_request(server.now) == server.now
        server.window.end_request(server.now)


def test_after_an_idle_time_a_new_burst_begins() -> None:
    server = Server(64, pinned=True)
    for _ in range(BURST + 4):
        server.window.begin_request(server.now)
    for _ in range(BURST + 4):
        server.window.end_request(server.now)
    server.now += IDLE + 1
    assert server.window.begin_request(server.now) == server.now
    assert server.window.begin_request(server.now) == pytest.approx(server.now + GAP)


def test_after_a_429_all_requests_have_a_gap() -> None:
    server = Server(64, pinned=True)
    for _ in range(BURST):
        at = server.send()
    server.window.record_refusal(at, server.now, 0, counts=True)
    moments = [server.send() for _ in range(50)]
    assert all(later - earlier >= GAP * 0.99 for earlier, later in pairwise(moments))
    assert moments[-1] - moments[0] == pytest.approx(49 * GAP)


def test_the_gap_doubles_once_a_round_and_answers_ease_it_to_where_it_began() -> None:
    server = Server(64)
    gaps = []
    for _ in range(12):
        at = server.send()
        server.now += 0.1
        server.window.record_refusal(at, server.now, 0, counts=True)
        server.window.record_refusal(at, server.now, 0, counts=True)
        server.window.end_request(server.now)
        gaps.append(server.window.gap)
    assert gaps[:4] == [GAP, 2 * GAP, 4 * GAP, 8 * GAP]
    assert gaps[-1] == LONGEST_GAP
    for _ in range(100):
        server.window.record_answer(server.now, server.now)
    assert server.window.gap == GAP


def test_a_503_makes_no_gap() -> None:
    server = Server()
    server.window.record_refusal(server.send(), server.now, 0, counts=False)
    assert server.window.gap == 0


def test_retry_after_holds_for_all_requests_and_the_longest_counts() -> None:
    server = Server()
    at = server.send()
    server.window.record_refusal(at, server.now, 7, counts=False)
    server.window.record_refusal(at, server.now, 3, counts=False)
    assert server.window.pause_left(server.now) == 7
    assert server.window.closings == 1
    assert server.window.begin_request(server.now) == server.now + 7
    assert server.window.begin_request(server.now) == pytest.approx(server.now + 7 + GAP)


def test_a_pinned_window_keeps_its_width() -> None:
    server = Server(16, pinned=True)
    assert server.window.width == 16
    at = server.send()
    server.window.record_failure(at, server.now + 1)
    server.window.record_refusal(at, server.now + 1, 5, counts=True)
    server.window.record_answer(at, server.now + 500, "GET")
    assert server.window.width == 16
    assert server.window.pause_left(server.now + 1) == 5
