"""The time limits of a silent server, and a stop during a wait."""

import os
import signal
import socket
import threading

import pytest

from ctadata.errors import Stopped, TimedOut
from ctadata.http.retries import Retries
from ctadata.http.timeouts import Limits

PATIENCE = 60


def silent(wire):
    wire.request()
    wire.wait()


def stalling(wire):
    """Send half of a body, and no more."""
    wire.request()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
    wire.wait()


def take(response):
    return lambda block: None


def test_no_answer_within_the_limit(serve, client, naps):
    peer = serve(silent)
    with pytest.raises(TimedOut, match=r"no answer: .*, 1 s of silence"):
        client(peer, limits=Limits(first_byte=1), retries=Retries()).send("GET", peer.url)
    assert (len(peer.requests), naps) == (1, [])


def test_headers_that_trickle_are_no_answer(serve, client):
    def script(wire):
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\n")
        wire.wait()

    peer = serve(script)
    with pytest.raises(TimedOut, match="no answer"):
        client(peer, limits=Limits(first_byte=0.3)).send("GET", peer.url)


class Clock:
    """A clock that the test moves between two reads of it by the client."""

    READS = 4
    """Reads of the clock after which the client has surely received what was sent before."""

    def __init__(self):
        self.now = 0.0
        self.reads = threading.Semaphore(0)

    def __call__(self):
        self.reads.release()
        return self.now

    def advance(self, seconds):
        self.wait_for_reads()
        self.now += seconds
        self.wait_for_reads()

    def wait_for_reads(self):
        while self.reads.acquire(blocking=False):
            pass
        for _ in range(self.READS):
            assert self.reads.acquire(timeout=PATIENCE)


def test_waiting_for_the_answer_is_no_stall_and_each_wait_has_its_own_limit(serve, client):
    """A door may be silent for 200 s, and a body for 60 s; the body's limit begins with the answer."""
    clock = Clock()

    def script(wire):
        wire.request()
        clock.advance(190)
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        clock.advance(50)
        wire.send(b"hello")

    peer = serve(script)
    assert client(peer, clock=clock).send("GET", peer.url).body == b"hello"


def test_the_wait_for_the_answer_begins_when_all_is_sent(serve, client, content):
    clock = Clock()

    def script(wire):
        wire.request(body=False)
        clock.advance(180)
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.read(10)
        clock.advance(180)
        wire.answer("201 Created")

    peer = serve(script)
    assert client(peer, clock=clock).send("PUT", peer.url, body=content(b"x" * 10), await_redirect=True).status == 201


def test_a_download_that_stalls(serve, client):
    peer = serve(stalling)
    with pytest.raises(TimedOut, match="the transfer stalled"):
        client(peer, limits=Limits(stall_seconds=0.3)).send("GET", peer.url, accept=take)


def test_a_download_that_trickles_too_slowly(serve, client):
    """The server sends ten bytes a second; the limit is a hundred."""
    over = threading.Event()

    def script(wire):
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not over.wait(0.1):
            wire.send(b"x")

    peer = serve(script)
    with pytest.raises(TimedOut, match="stalled"):
        limits = Limits(stall_seconds=1, stall_bytes_per_second=100)
        client(peer, limits=limits).send("GET", peer.url, accept=take)
    over.set()


def test_an_upload_that_stalls(serve, client, content):
    def script(wire):
        wire.request(body=False)
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        over.wait(60)

    over = threading.Event()
    peer = serve(script)
    with pytest.raises(TimedOut, match="the transfer stalled"):
        client(peer, limits=Limits(stall_seconds=0.3)).send("PUT", peer.url, body=content(bytes(64 << 20)))
    over.set()


@pytest.fixture
def full():
    """The URL of a port whose queue of connections is full, so that the next one hangs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for sock in waiting:
            sock.close()


def test_a_connection_that_does_not_come_about(full, client, naps):
    limits = Limits(connect=0.3)
    with pytest.raises(TimedOut, match=r"127\.0\.0\.1"):
        client(limits=limits, retries=Retries(attempts=2)).send("MOVE", full)
    assert len(naps) == 1


def test_tls_that_does_not_come_about(serve, client):
    peer = serve(lambda wire: wire.wait())
    with pytest.raises(TimedOut):
        client(limits=Limits(connect=0.3)).send("GET", peer.url.replace("http:", "https:"))


# --- stop ---


def in_thread(work):
    """Run `work` in a thread; return a function that waits for it and returns its exception."""
    raised = []

    def run():
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(daemon=True, target=run)
    thread.start()

    def ended():
        thread.join(60)
        assert not thread.is_alive()
        return raised[0]

    return ended


@pytest.mark.parametrize("where", ["waiting for the answer", "waiting for the body", "waiting to send"])
def test_a_stop_ends_a_transfer(serve, client, content, where):
    reached = threading.Event()

    def script(wire):
        wire.request(body=False)
        if where == "waiting for the body":
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
        reached.set()
        wire.wait()

    stop = threading.Event()
    peer = serve(script)
    sender = client(peer, stop=stop, retries=Retries())
    if where == "waiting to send":
        ended = in_thread(lambda: sender.send("PUT", peer.url, body=content(b"x" * 1000), await_redirect=True))
    else:
        ended = in_thread(lambda: sender.send("GET", peer.url, accept=take))
    assert reached.wait(60)
    stop.set()
    assert type(ended()) is Stopped  # long before the limits of silence
    assert len(peer.requests) == 1


def test_a_stop_ends_a_connection_attempt(full, client):
    stop = threading.Event()
    sender = client(stop=stop)
    threading.Timer(0.1, stop.set).start()
    assert type(in_thread(lambda: sender.send("GET", full))()) is Stopped


def test_once_stopped_nothing_is_sent(serve, client):
    stop = threading.Event()
    stop.set()
    peer = serve(silent)
    with pytest.raises(Stopped):
        client(peer, stop=stop).send("GET", peer.url)
    assert peer.connections == 0


def test_a_keyboard_interrupt_is_raised_unchanged(serve, client, capfd):
    """The signal arrives while curl waits; its exception is raised inside a callback, and must not be lost there."""

    def script(wire):
        wire.request()
        os.kill(os.getpid(), signal.SIGINT)
        wire.wait()

    peer = serve(script)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            client(peer, retries=Retries()).send("GET", peer.url)
    finally:
        signal.signal(signal.SIGINT, before)
    assert capfd.readouterr().err == ""
