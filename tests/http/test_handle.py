"""A handle on its own: many open files, looking around while it waits, and closing."""

import contextlib
import os
import resource
import threading

import pycurl
import pytest

from ctadata.http.handle import Handle
from ctadata.http.handles import Handles
from ctadata.http.trust import choose_trust


@pytest.fixture
def share():
    with contextlib.closing(pycurl.CurlShare()) as share:
        yield share


@pytest.fixture
def handle(share):
    handle = Handle(share)
    yield handle
    handle.close()


@pytest.fixture
def many_files():
    """This process with more open files than select(2) can tell apart."""
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
    assert gone.wait(10)


def test_only_http_is_spoken_whatever_the_url(tmp_path):
    handles = Handles(choose_trust(), "test")
    handle = handles.lend()
    (tmp_path / "secret").write_text("mine")
    for url in (f"file://{tmp_path}/secret", "ftp://127.0.0.1:1/", "scp://127.0.0.1:1/a", "dict://127.0.0.1:1/"):
        handle.curl.setopt(pycurl.URL, url)
        assert handle.run(lambda: None)[0] == pycurl.E_UNSUPPORTED_PROTOCOL
    handles.take_back(handle)
    handles.close()


def test_closing_does_not_wait_for_what_hangs():
    over, ended = threading.Event(), threading.Event()

    class Stuck:
        def close(self):
            over.wait(10)
            ended.set()

    handles = Handles(choose_trust(), "test")
    handles.take_back(Stuck())
    handles.close()
    assert not ended.is_set()
    over.set()
    assert ended.wait(10)


def test_a_handle_goes_on_after_a_failure(answering, handle):
    peer = answering(lambda wire, request: wire.answer("200 OK", b"hello"))
    handle.curl.setopt(pycurl.URL, "http://127.0.0.1:1/")
    code, message = handle.run(lambda: None)
    assert (code, "127.0.0.1" in message) == (pycurl.E_COULDNT_CONNECT, True)
    handle.curl.setopt(pycurl.URL, peer.url)
    handle.curl.setopt(pycurl.WRITEFUNCTION, lambda block: None)
    assert handle.run(lambda: None) == (0, "")
