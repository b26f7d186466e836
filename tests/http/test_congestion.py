"""The congestion window alone, with a clock that the test sets."""

from __future__ import annotations

import heapq
import math
from itertools import pairwise

import pytest

from ctadata.http.congestion import (
    BURST,
    EASED_IN,
    FAR_START,
    GAP,
    IDLE,
    LATE,
    LONGEST_GAP,
    PACE,
    SETTLED_IN,
    START,
    CongestionWindow,
)


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
    server, widths = Server(100), []
    for _ in range(6):
        widths.append(int(server.window.width))
        server.round()
    assert widths == [START, 2 * START, 4 * START, 8 * START, 100, 100]


@pytest.mark.parametrize(
    ("seconds", "width"), [(0.0, START), (0.0125, START), (0.05, 32), (0.1, FAR_START), (3.0, FAR_START)]
)
def test_the_first_window_is_wider_at_a_distance(seconds: float, width: int) -> None:
    server = Server(100)
    server.window.note_round_trip(seconds)
    assert server.window.width == width
    for most in (4, 20):
        narrow = Server(most)
        narrow.window.note_round_trip(seconds)
        assert narrow.window.width == min(width, most)


def test_a_distance_widens_no_window_that_a_failure_has_narrowed_and_no_pinned_one() -> None:
    server, pinned = Server(100), Server(4, pinned=True)
    server.window.record_failure(server.send(), server.now)
    for window in (server.window, pinned.window):
        window.note_round_trip(0.1)
    assert (server.window.width, pinned.window.width) == (START / 2, 4)


def test_a_window_that_nobody_fills_does_not_grow() -> None:
    server = Server()
    for _ in range(100):
        at = server.send()
        server.now += 0.1
        server.window.record_answer(at, server.now, "GET")
        server.window.end_request(server.now)
    assert server.window.width == START


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
    assert server.window.width == 32
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


def test_a_pinned_window_has_each_limit_at_once() -> None:
    window = CongestionWindow(64, pinned=True)
    widths = []
    for most in (32, 64):
        window.limit(most)
        widths.append(window.width)
    assert widths == [32, 64]


def test_slow_answers_narrow_by_one_a_round_and_not_below_the_start() -> None:
    server = Server(START + 4)
    server.round(0.1)
    server.round(0.1)
    assert server.window.width == START + 4
    widths = []
    for _ in range(7):
        server.round(5.0)
        widths.append(int(server.window.width) - START)
    assert widths == [3, 2, 1, 0, 0, 0, 0]


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


@pytest.mark.parametrize("counts", [True, False])
def test_after_a_429_or_to_a_server_that_counts_all_requests_have_a_gap(counts: bool) -> None:
    server = Server(64, pinned=True)
    for _ in range(BURST):
        at = server.send()
    if counts:
        server.window.record_refusal(at, server.now, 0, counts=True)
        for _ in range(BURST):
            server.send()
    else:
        server.window.pace()
    moments = [server.send() for _ in range(40)]
    assert all(later - earlier >= PACE * 0.99 for earlier, later in pairwise(moments))
    assert moments[-1] - moments[0] == pytest.approx(39 * PACE)


def test_paced_requests_that_come_late_keep_the_rate() -> None:
    server = Server(1000, pinned=True)
    server.window.pace()
    server.send()
    began = server.now
    for _ in range(100):
        server.now = max(server.now, began) + 3 * PACE  # nobody could send meanwhile
        moments = [server.send() for _ in range(3)]
        assert moments[-1] - moments[0] <= 3 * PACE
    assert server.now - began < 310 * PACE
    server.now += 100 * LATE
    moments = [server.send() for _ in range(100)]
    assert moments[-1] - moments[0] >= 99 * PACE - LATE


def test_the_gap_grows_once_a_second_and_time_eases_it_to_where_it_began() -> None:
    server = Server(64)
    gaps = []
    for _ in range(30):
        at = server.send()
        server.now += 0.001
        server.window.record_refusal(at, server.now, 0, counts=True)
        server.window.record_refusal(at, server.now, 0, counts=True)
        server.window.end_request(server.now)
        gaps.append(server.window.gap)
        server.now += SETTLED_IN
    assert gaps[0] == PACE
    assert all(1.3 * earlier < later <= 1.5 * earlier or later == LONGEST_GAP for earlier, later in pairwise(gaps))
    assert gaps[-1] == LONGEST_GAP
    server.now += 20 * EASED_IN
    server.window.record_answer(server.now, server.now)
    assert server.window.gap == pytest.approx(PACE)


def test_a_503_makes_no_gap() -> None:
    server = Server()
    server.window.record_refusal(server.send(), server.now, 0, counts=False)
    assert server.window.gap == 0


def test_retry_after_holds_for_all_requests_and_the_longest_counts() -> None:
    server = Server()
    at = server.send()
    server.window.record_refusal(at, server.now, 7, counts=False)
    server.window.record_refusal(at, server.now, 3, counts=False)
    assert server.window.closed_until - server.now == 7
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
    assert server.window.closed_until - server.now - 1 == 5


class Far:
    """A server at a distance that works on one request after the other, and a client that always has another one.

    Attributes:
        window: The client's window.
        refused: The times of the refusals, in seconds since the first request.
        seconds: How long all took.
    """

    def __init__(self, most: int, *, distance: float, rate: float, limit: float | None = None, requests: int = 3000):
        self.window, self.refused = CongestionWindow(most), list[float]()
        events: list[tuple[float, str, float]] = []
        free = now = 0.0
        permit, credit = 0.0, 0.0  # as Guava's RateLimiter, of which dCache makes one for each client
        left, answered, connections = requests, 0, 0
        while answered < requests:
            while self.window.has_room and left:
                at, left = self.window.begin_request(now), left - 1
                handshake = 2 * distance if self.window.in_flight > connections else 0
                connections = max(connections, self.window.in_flight)
                heapq.heappush(events, (at + handshake + distance / 2, "arrives", at))
            now, what, at = heapq.heappop(events)
            if what == "answer":
                self.window.record_answer(at, now, "GET")
                answered += 1
            elif what == "refusal":
                self.refused.append(now)
                self.window.record_refusal(at, now, 0, counts=True)
                left += 1
            else:
                if limit and now > permit:
                    credit, permit = min(limit, credit + (now - permit) * limit), now
                if limit and permit > now:
                    heapq.heappush(events, (now + distance / 2, "refusal", at))
                    continue
                permit, credit = (permit, credit - 1) if credit >= 1 else (now + 1 / (limit or math.inf), credit)
                free = max(free, now) + 1 / rate
                heapq.heappush(events, (free + distance / 2, "answer", at))
                continue
            self.window.end_request(now)
        self.seconds = now


@pytest.mark.parametrize("distance", [0.02, 0.1])
def test_the_distance_to_a_quick_server_is_filled(distance: float) -> None:
    far = Far(128, distance=distance, rate=100_000)
    assert far.window.width == 128
    at_best = 3000 / 128 * distance
    assert far.seconds < 1.6 * at_best  # the start took the rest


def test_requests_do_not_queue_up_at_a_server_that_can_do_no_more() -> None:
    far = Far(128, distance=0.02, rate=1000, requests=6000)
    needed = 0.02 * 1000
    assert needed < far.window.width < 2.5 * needed
    assert far.seconds < 1.1 * 6000 / 1000


def test_a_near_server_gets_few_requests() -> None:
    assert Far(128, distance=0.0005, rate=3000, requests=6000).window.width < 16


@pytest.mark.parametrize("distance", [0.02, 0.1])
def test_a_limit_of_the_rate_is_used_and_not_met_again(distance: float) -> None:
    far = Far(64, distance=distance, rate=100_000, limit=250)
    assert far.seconds < 3000 / (0.85 * 250)
    assert [at for at in far.refused if at > 1 + 3 * distance] == []
