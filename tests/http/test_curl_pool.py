"""The curl pool: many open files, the watch during a wait, and closing."""

import contextlib
import gc
import os
import resource
import threading
import weakref

import pycurl
import pytest

from ctadata.http.ca import choose_ca
from ctadata.http.client import Client
from ctadata.http.curl_pool import CurlHandle, CurlPool
from ctadata.http.retries import Retries

PATIENCE = 60


@pytest.fixture
def share():
    with contextlib.closing(pycurl.CurlShare()) as share:
        yield share


@pytest.fixture
def handle(share):
    handle = CurlHandle(share)
    yield handle
    handle.close()


@pytest.fixture
def many_files():
    """Open more files than select(2) can handle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2000:
        pytest.fail("this machine allows too few open files for the test")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    yield
    for file in files:
        os.close(file)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_process_with_more_than_1024_files(answering, many_files, handle):
    peer = answering(lambda wire, request: wire.answer("200 OK", b"hello"))
    blocks = []
    handle.curl.setopt(pycurl.URL, peer.url)
    handle.curl.setopt(pycurl.WRITEFUNCTION, blocks.append)
    assert handle.run(lambda: None) == (0, "")
    assert blocks == [b"hello"]


def test_the_watch_is_called_while_nothing_happens_and_what_it_raises_ends_the_connection(serve, handle):
    gone = threading.Event()

    def script(wire):
        wire.request()
        wire.wait()
        gone.set()

    calls = []

    def watch():
        calls.append(1)
        if len(calls) > 5:
            raise TimeoutError

    handle.curl.setopt(pycurl.URL, serve(script).url)
    with pytest.raises(TimeoutError):
        handle.run(watch)
    assert gone.wait(PATIENCE)


def test_only_http_is_spoken_whatever_the_url(tmp_path):
    pool = CurlPool(choose_ca(), "test")
    handle = pool.acquire()
    (tmp_path / "secret").write_text("mine")
    for url in (f"file://{tmp_path}/secret", "ftp://127.0.0.1:1/", "scp://127.0.0.1:1/a", "dict://127.0.0.1:1/"):
        handle.curl.setopt(pycurl.URL, url)
        assert handle.run(lambda: None)[0] == pycurl.E_UNSUPPORTED_PROTOCOL
    pool.release(handle)
    pool.close()


def test_close_does_not_wait_for_a_handle_that_hangs():
    over, ended = threading.Event(), threading.Event()

    class Stuck(CurlHandle):
        def close(self):
            over.wait(PATIENCE)
            ended.set()

    pool = CurlPool(choose_ca(), "test")
    stuck = Stuck(pycurl.CurlShare())
    stuck.may_hang = True
    pool.release(stuck)
    pool.close()
    assert not ended.is_set()
    over.set()
    assert ended.wait(PATIENCE)


def test_idle_handles_are_closed_in_the_thread_that_closes_the_pool(answering):
    closed = []

    class RecordingHandle(CurlHandle):
        def close(self):
            closed.append(threading.current_thread())
            super().close()

    peer = answering(lambda wire, request: wire.answer("200 OK", b"hello"))
    pool = CurlPool(choose_ca(), "test")
    pool.release(RecordingHandle(pycurl.CurlShare()))
    acquired = pool.acquire()
    acquired.curl.setopt(pycurl.URL, peer.url)
    acquired.curl.setopt(pycurl.WRITEFUNCTION, lambda block: None)
    assert acquired.run(lambda: None) == (0, "")
    pool.release(acquired)
    pool.close()
    assert closed == [threading.current_thread()]


def test_a_released_handle_keeps_nothing_of_its_request():
    class Kept:
        def take(self, block):
            pass

    kept = Kept()
    pool = CurlPool(choose_ca(), "test")
    acquired = pool.acquire()
    acquired.curl.setopt(pycurl.WRITEFUNCTION, kept.take)
    gone = weakref.ref(kept)
    del kept
    assert gone() is not None
    pool.release(acquired)
    assert gone() is None
    pool.close()


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_a_client_is_freed_by_the_thread_that_drops_it(answering, client, ca, how):
    """The garbage collector is off, because it may run in any thread at any moment."""
    peer = answering(lambda wire, request: wire.answer("200 OK", b"hello" * 1000))

    def refuse(response):
        raise KeyError

    gc.collect()
    gc.disable()
    try:
        one = Client(trusted=[], credentials=None, ca=ca, retries=Retries(attempts=1))
        one.send("GET", peer.url)
        with contextlib.suppress(KeyError):
            one.send("GET", peer.url, accept=refuse)
        acquired = [one._transport.pool.acquire() for _ in range(2)]
        parts = [weakref.ref(part) for handle in acquired for part in (handle, handle.curl, handle._multi)]
        parts.append(weakref.ref(one._transport.pool._share))
        while acquired:
            one._transport.pool.release(acquired.pop())
        if how == "closed":
            one.close()
        del one
        assert [part() for part in parts if part() is not None] == []
    finally:
        gc.enable()


def test_a_handle_works_after_a_failure(answering, handle):
    peer = answering(lambda wire, request: wire.answer("200 OK", b"hello"))
    handle.curl.setopt(pycurl.URL, "http://127.0.0.1:1/")
    code, message = handle.run(lambda: None)
    assert (code, "127.0.0.1" in message) == (pycurl.E_COULDNT_CONNECT, True)
    handle.curl.setopt(pycurl.URL, peer.url)
    handle.curl.setopt(pycurl.WRITEFUNCTION, lambda block: None)
    assert handle.run(lambda: None) == (0, "")
