"""Requests that wait for a slot at a server: in flight, refused, paused, stopped."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from bench.far import far
from ctadata.errors import Busy, CtadataError, Stopped, Unreachable
from ctadata.http import congestion
from ctadata.http.congestion import FAR_START, START
from ctadata.http.retries import Retries

PATIENCE = 60


class Crowd:
    """A server that holds every request until the test lets it answer, and counts them."""

    def __init__(self, answering, context=None):
        self.change = threading.Condition()
        self.held = self.most = 0
        self.answers = 0
        self.peer = answering(self.reply, context)

    def reply(self, wire, request):
        with self.change:
            self.held += 1
            self.most = max(self.most, self.held)
            self.change.notify_all()
            assert self.change.wait_for(lambda: self.answers, PATIENCE)
            self.answers -= 1
            self.held -= 1
            self.change.notify_all()
        wire.answer("200 OK", b"hello")

    def wait_for(self, held):
        with self.change:
            assert self.change.wait_for(lambda: self.held == held, PATIENCE), self.held

    def answer(self, number):
        with self.change:
            self.answers += number
            self.change.notify_all()


@pytest.fixture
def crowd(answering):
    return Crowd(answering)


def test_the_limit_grows_with_each_answer(crowd, client, monkeypatch):
    monkeypatch.setattr(congestion, "FIRST_RATE", 0)  # a busy machine may look as if it were far away
    one = client(jobs=START + 4)
    with ThreadPoolExecutor(16) as threads:
        for _ in range(16):
            threads.submit(one.send, "GET", crowd.peer.url)
        crowd.wait_for(START)
        crowd.answer(2)
        crowd.wait_for(START + 2)
        crowd.answer(2)
        crowd.wait_for(START + 4)
        crowd.answer(12)
    assert crowd.most == START + 4


def test_the_first_limit_is_wider_at_a_distance(answering, tls, client):
    crowd, one = Crowd(answering, tls), client(jobs=2 * FAR_START)
    with far(crowd.peer.origin.port, 200) as port, ThreadPoolExecutor(2 * FAR_START) as threads:
        url = f"https://localhost:{port}"
        crowd.answer(1)
        one.send("GET", url)
        for _ in range(2 * FAR_START):
            threads.submit(one.send, "GET", url)
        crowd.wait_for(FAR_START)
        crowd.answer(2 * FAR_START)


def test_a_pinned_limit_allows_all_jobs_at_once(crowd, client):
    one = client(jobs=6, pinned=True)
    with ThreadPoolExecutor(12) as threads:
        for _ in range(12):
            threads.submit(one.send, "GET", crowd.peer.url)
        crowd.wait_for(6)
        crowd.answer(12)
    assert crowd.most == 6


def test_a_process_sends_no_more_than_its_share_once_others_share_the_limit(crowd, client):
    one = client(jobs=6, pinned=True)
    with ThreadPoolExecutor(9) as threads:
        for _ in range(9):
            threads.submit(one.send, "GET", crowd.peer.url)
        crowd.wait_for(6)
        one.limit_requests(2)
        crowd.answer(4)
        crowd.wait_for(2)
        crowd.most = 2
        crowd.answer(5)
    assert crowd.most == 2


def test_a_listing_frees_its_slot_when_its_answer_begins(answering, client):
    read, others = threading.Event(), threading.Event()

    def reply(wire, request):
        if request.method == "GET":
            others.set()
        wire.answer("200 OK", b"x" * 100_000)

    def accept(response):
        def consume(block):
            read.set()
            assert others.wait(PATIENCE)  # the reader waits for a file

        return consume

    peer, one = answering(reply), client(jobs=1)
    with ThreadPoolExecutor(1) as thread:
        listing = thread.submit(one.send, "PROPFIND", peer.url, accept=accept)
        assert read.wait(PATIENCE)
        assert one.send("GET", peer.url).status == 200
        listing.result(PATIENCE)


def test_retry_after_of_one_request_holds_for_all(answering, client, naps):
    left = ["503 Closed"]

    def reply(wire, request):
        wire.answer(left.pop() if left else "200 OK", b"", "Retry-After: 30")

    one = client(retries=Retries(busy_attempts=1))
    peer, other = answering(reply), answering(lambda wire, request: wire.answer("200 OK"))
    with pytest.raises(Busy):
        one.send("GET", peer.url)
    one.send("GET", other.url)
    assert naps == []
    one.send("GET", peer.url)
    assert naps == [pytest.approx(30, abs=2)]


def test_a_waiting_request_waits_again_after_another_refusal(answering, client):
    """Two requests wait after the first refusal. The first of them is refused again, so the second waits on."""
    sleeping, pauses, go = threading.Event(), [], threading.Event()
    left = ["5", "7"]

    def reply(wire, request):
        if left:
            wire.answer("503 Closed", b"", f"Retry-After: {left.pop(0)}")
        else:
            wire.answer("200 OK")

    def sleep(seconds):
        pauses.append(round(seconds))
        if threading.current_thread() is not threading.main_thread() and len(pauses) == 1:
            sleeping.set()
            assert go.wait(PATIENCE)

    peer, one = answering(reply), client(jobs=4, retries=Retries(busy_attempts=1), sleep=sleep)
    with suppress(Busy):
        one.send("GET", peer.url)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(one.send, "GET", peer.url)
        assert sleeping.wait(PATIENCE)
        with suppress(Busy):
            one.send("GET", peer.url)
        go.set()
        assert waiting.result(PATIENCE).status == 200
    assert pauses == [5, 5, 7]


def test_a_pause_beyond_the_patience_fails_at_once_without_a_request(answering, client, naps):
    peer = answering(lambda wire, request: wire.answer("503 Closed", b"", "Retry-After: 3600"))
    one = client(retries=Retries())
    for _ in range(3):
        with pytest.raises(Busy) as busy:
            one.send("GET", peer.url)
        assert busy.value.retry_after == pytest.approx(3600, abs=5)
    assert "try again in 3600 s" in str(busy.value)
    assert (len(peer.requests), naps) == (1, [])


def test_a_refusal_without_retry_after_is_retried_after_the_usual_pauses(answering, client, naps):
    left = ["429 Too Many Requests"] * 6
    peer = answering(lambda wire, request: wire.answer(left.pop() if left else "200 OK"))
    assert client(retries=Retries(first_pause=1)).send("MOVE", peer.url).status == 200
    assert [nap for nap in naps if nap >= 0.5] == [0.5, 1, 2, 4, 8, 10]
    assert sum(naps) > 10  # longer than a dCache door shuts an address out


def test_a_reset_halves_the_window(serve, client):
    """After so many requests at a time have broken off, half as many run at a time."""
    held, all_held, bad = threading.Semaphore(0), threading.Event(), threading.Event()

    def script(wire):
        while wire.request() is not None:
            if bad.is_set():
                held.release()
                assert all_held.wait(PATIENCE)
                wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
                return wire.reset()
            wire.answer("200 OK")
        return None

    peer, one = serve(script), client(jobs=START)
    with ThreadPoolExecutor(START) as threads:
        bad.set()
        broken = [threads.submit(one.send, "GET", peer.url) for _ in range(START)]
        assert all(held.acquire(timeout=PATIENCE) for _ in broken)
        all_held.set()
        assert all(isinstance(each.exception(PATIENCE), CtadataError) for each in broken)
    assert one._transport.limiters[peer.origin]._window.width == START / 2


def test_a_stop_ends_the_wait_for_a_slot(crowd, client):
    stop = threading.Event()
    one = client(jobs=1, stop=stop)
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(one.send, "GET", crowd.peer.url) for _ in range(2)]
        crowd.wait_for(1)
        stop.set()
        for each in both:
            with pytest.raises(Stopped):
                each.result(2)
    crowd.answer(1)


def test_a_request_without_repeat_is_sent_once(serve, client, naps):
    peer = serve(lambda wire: (wire.request(), wire.reset()))
    with pytest.raises(Unreachable):
        client(retries=Retries()).send("GET", peer.url, repeat=False)
    assert (len(peer.requests), naps) == (1, [])
