"""A busy server gets a fixed number of requests for one call, whatever the call's size and whenever it refuses."""

from __future__ import annotations

import contextlib
import http.server
import threading

import pytest
from stores.s3.connections import FixedKey

from ctadata.config.profile import Profile
from ctadata.errors import Busy
from ctadata.http.messages import InMemory
from ctadata.retry import Retries
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.connection import UNSIGNED
from ctadata.stores.s3.factory import open_s3


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers 503 to everything: to an upload with Expect at once, otherwise after the body."""

    protocol_version = "HTTP/1.1"
    seen: list[str]

    def refuse(self):
        self.seen.append(self.command)
        asks = self.headers.get("Expect")
        if not asks:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.close_connection = bool(asks)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = refuse  # noqa: N815

    def handle_expect_100(self):
        return True

    def log_message(self, *_):
        """Log nothing."""


@pytest.fixture
def seen():
    return []


@pytest.fixture
def store(seen):
    handler = type("Handler", (Refusing,), {"seen": seen})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        profile = Profile("busy", "", kind="s3", endpoint=f"http://127.0.0.1:{server.server_port}", addressing="path")
        with contextlib.closing(open_s3(profile, FixedKey("id", "secret"), retries=Retries(first_pause=0.0))) as store:
            yield store
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("size", [0, 10, 3 << 20])
def test_an_upload_that_breaks_off_is_repeated(store, seen, size):
    with pytest.raises(Busy):
        store.connection.upload(Name("b", "k"), InMemory(bytes(size)), headers={}, payload=UNSIGNED)
    assert seen == ["PUT"] * 7


def test_a_listing_that_breaks_off_is_repeated(store, seen):
    with pytest.raises(Busy):
        store.connection.read_body("GET", Name("b", ""), query="list-type=2")
    assert seen == ["GET"] * 7


def test_each_call_has_its_own_attempts(store, seen):
    for _ in range(3):
        with pytest.raises(Busy):
            store.connection.read_body("GET", Name("b", ""), query="list-type=2")
    assert seen == ["GET"] * 9
