"""Uploads: Expect, redirects before the first byte, early refusals, and bodies that are sent again."""

import threading

import pytest

from ctadata.errors import (
    AlreadyExists,
    Busy,
    IntegrityError,
    Interrupted,
    LocalError,
    LoginNeeded,
    StorageFull,
    TimedOut,
    Unreachable,
)
from ctadata.http.retries import Retries
from ctadata.http.timeouts import Limits
from ctadata.http.transport import EXPECT_THRESHOLD

DATA = bytes(range(256)) * 4096  # 1 MiB
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def polite(wire):
    """A server that sends `100 Continue`."""
    while (request := wire.request(body=False)) is not None:
        if "expect" in request.headers:
            wire.send(CONTINUE)
        request.body = wire.read(int(request.headers["content-length"]))
        wire.answer("201 Created", b"%d bytes uploaded\r\n" % len(request.body))


def plain(wire):
    """A server that ignores Expect, and reads the body."""
    while wire.request() is not None:
        wire.answer("201 Created")


def a_door(location, status="307 Temporary Redirect"):
    """A dCache door: it redirects the upload and closes."""

    def script(wire):
        wire.request(body=False)
        wire.redirect(status, location() if callable(location) else location)

    return script


def test_an_upload(serve, client, content):
    peer, body = serve(polite), content(DATA)
    response = client(peer).send("PUT", f"{peer.url}/a", body=body, headers={"X-OC-Mtime": "1"})
    request = peer.requests[0]
    assert (response.status, response.body) == (201, b"1048576 bytes uploaded\r\n")
    assert (request.body, request.headers["content-length"]) == (DATA, str(len(DATA)))
    assert request.headers["expect"] == "100-continue"  # dCache and XRootD take this spelling alone
    assert {"Expect", "Content-Length", "X-OC-Mtime", "Authorization"} <= set(request.names)
    assert {"content-type", "transfer-encoding"}.isdisjoint(request.headers)
    assert body.rewinds == 0


@pytest.mark.parametrize(("size", "expected"), [(EXPECT_THRESHOLD, False), (EXPECT_THRESHOLD + 1, True)])
def test_an_unknown_server_gets_expect_for_large_bodies_only(serve, client, content, size, expected):
    peer = serve(polite)
    client(peer).send("PUT", peer.url, body=content(bytes(size)))
    assert ("expect" in peer.requests[0].headers) is expected
    assert len(peer.requests[0].body) == size


@pytest.mark.parametrize("status", ["307 Temporary Redirect", "308 Permanent Redirect"])
def test_a_small_body_that_was_sent_at_once_follows_a_redirect(serve, client, content, status):
    pool = serve(polite)
    door, body = serve(a_door(lambda: f"{pool.url}/b", status)), content(bytes(EXPECT_THRESHOLD))
    assert client(door).send("PUT", f"{door.url}/a", body=body).status == 201
    assert pool.requests[0].body == bytes(EXPECT_THRESHOLD)
    assert body.rewinds <= 1


def test_a_server_that_has_redirected_gets_expect_for_every_body(serve, client, content):
    heard = []

    def door_script(wire):
        heard.append("expect" in wire.request(body=False).headers)
        heard.append(wire.heard(0.2 if wire.number > 1 else 0.0))
        wire.redirect("307 Temporary Redirect", f"{pool.url}/a")

    pool, door = serve(polite), serve(door_script)
    sender = client(door, limits=Limits(expect=0.01))
    for _ in range(2):
        assert sender.send("PUT", door.url, body=content(b"x")).status == 201
    assert heard[0] is False
    assert heard[2:] == [True, b""]
    assert [request.body for request in pool.requests] == [b"x", b"x"]


def test_after_a_broken_small_upload_the_next_one_has_expect(serve, client, content):
    """XRootD closes while the body is sent, so its redirect may be lost."""

    def script(wire):
        if "expect" not in wire.request(body=False).headers:
            wire.read(1)
            wire.reset()
        else:
            wire.send(CONTINUE)
            wire.read(EXPECT_THRESHOLD)
            wire.answer("201 Created")

    peer = serve(script)
    sender = client(peer)
    with pytest.raises(Interrupted):
        sender.send("PUT", peer.url, body=content(bytes(EXPECT_THRESHOLD)))
    assert sender.send("PUT", peer.url, body=content(bytes(EXPECT_THRESHOLD))).status == 201


@pytest.mark.parametrize("script", [polite, plain])
def test_an_empty_file(serve, client, content, script):
    peer = serve(script)
    assert client(peer, limits=Limits(expect=0.05)).send("PUT", peer.url, body=content(b"")).status == 201
    assert peer.requests[0].headers["content-length"] == "0"


def test_a_redirected_upload_sends_nothing_to_the_door_and_little_to_the_pool(serve, client, content):
    heard = []

    def door_script(wire):
        wire.request(body=False)
        heard.append(wire.heard(0.05))
        wire.redirect("307 Temporary Redirect", f"{pool.url}/a?dcache-http-uuid=u")

    pool, door, body = serve(plain), serve(door_script), content(DATA)
    headers = {"X-OC-Mtime": "1", "If-None-Match": "*", "Content-Type": "x/y", "Content-MD5": "m", "Want-Digest": "a"}
    assert client(door).send("PUT", f"{door.url}/a", body=body, headers=headers, await_redirect=True).status == 201
    assert heard == [b""]
    assert set(headers) <= set(door.requests[0].names)
    assert pool.requests[0].body == DATA
    allowed = {"host", "user-agent", "accept", "content-length", "content-md5", "want-digest"}
    assert set(pool.requests[0].headers) == allowed
    assert body.rewinds == 0


def test_an_upload_waits_for_the_redirect_of_a_slow_door(serve, client, content):
    """2.5 s is longer than curl's own wait."""
    heard = []

    def door_script(wire):
        wire.request(body=False)
        heard.append(wire.heard(2.5 if wire.number == 1 else 0.05))
        wire.redirect("307 Temporary Redirect", f"{pool.url}/a")

    pool, door = serve(plain), serve(door_script)
    sender = client(door)
    assert sender.send("PUT", f"{door.url}/a", body=content(DATA), await_redirect=True).status == 201
    sender.send("PUT", f"{door.url}/a", body=content(DATA), await_redirect=True)
    assert heard == [b"", b""]
    assert "expect" in door.requests[1].headers  # a slow door is not a silent one


def test_a_silent_origin_gets_the_body_and_no_expect_again(serve, client, content):
    peer = serve(plain)
    sender = client(peer, limits=Limits(expect=0.05))
    for _ in range(2):
        assert sender.send("PUT", peer.url, body=content(DATA)).status == 201
    assert ["expect" in request.headers for request in peer.requests] == [True, False]
    assert all(request.body == DATA for request in peer.requests)


def test_the_wait_for_a_redirect_has_an_end(serve, client, content):
    peer = serve(plain)
    sender = client(peer, limits=Limits(expect_redirect=0.05))
    for _ in range(2):
        assert sender.send("PUT", peer.url, body=content(DATA), await_redirect=True).status == 201
    assert ["expect" in request.headers for request in peer.requests] == [True, False]


def test_silence_of_one_server_says_nothing_about_another(serve, client, content):
    silent, asking = serve(plain), serve(polite)
    sender = client(silent, asking, limits=Limits(expect=0.05))
    sender.send("PUT", silent.url, body=content(DATA))
    sender.send("PUT", asking.url, body=content(DATA))
    assert "expect" in asking.requests[0].headers


def test_a_server_that_sent_100_continue_gets_expect_again(serve, client, content):
    peer = serve(polite)
    sender = client(peer)
    for _ in range(2):
        sender.send("PUT", peer.url, body=content(DATA))
    assert ["expect" in request.headers for request in peer.requests] == [True, True]


def test_417_means_without_expect(serve, client, content):
    def script(wire):
        while (request := wire.request(body=False)) is not None:
            if "expect" in request.headers:
                wire.answer("417 Expectation Failed")
            else:
                request.body = wire.read(int(request.headers["content-length"]))
                wire.answer("201 Created")

    peer, body = serve(script), content(DATA)
    sender = client(peer)
    assert sender.send("PUT", peer.url, body=body).status == 201
    assert sender.send("PUT", peer.url, body=content(DATA)).status == 201
    assert ["expect" in request.headers for request in peer.requests] == [True, False, False]
    assert peer.requests[1].body == DATA
    assert body.rewinds == 0


def test_a_100_that_says_close_as_xrootds(serve, client, content):
    def script(wire):
        request = wire.request(body=False)
        wire.send(b"HTTP/1.1 100 Continue\r\nConnection: Close\r\nServer: XrootD\r\n\r\n")
        request.body = wire.read(len(DATA))
        wire.answer("200 OK", b":-)")

    peer = serve(script)
    assert client(peer).send("PUT", peer.url, body=content(DATA)).body == b":-)"
    assert peer.requests[0].body == DATA


# --- early answers ---


@pytest.mark.parametrize("status", ["401 Unauthorized", "412 Precondition Failed"])
def test_a_refusal_before_the_body(serve, client, content, status):
    heard = []

    def script(wire):
        wire.request(body=False)
        wire.answer(status, b"", "Connection: close")
        heard.append(wire.heard(0.05))

    peer, body = serve(script), content(DATA)
    with pytest.raises((LoginNeeded, AlreadyExists), match=status):
        client(peer).send("PUT", peer.url, body=body)
    peer.close()
    assert heard == [b""]
    assert not body.read_at_all


class Endless:
    """A body that is too long to be sent during a test, in little memory."""

    size = 1 << 40

    def __init__(self):
        self.sent = 0

    def read(self, limit):
        self.sent += limit
        return bytes(limit)

    def rewind(self):
        self.sent = 0


@pytest.mark.parametrize("at_pool", [False, True])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("507 Pool is full", StorageFull),
        ("400 Checksum mismatch (expected=[2:ab], actual=[1:cd])", IntegrityError),
    ],
)
def test_a_refusal_while_the_body_is_being_sent(serve, client, status, kind, at_pool):
    def script(wire):
        wire.request(body=False)
        if not at_pool:
            wire.send(CONTINUE)
        wire.read(1 << 20)
        wire.answer(status)
        wire.wait()

    target = serve(script)
    door = serve(a_door(f"{target.url}/a")) if at_pool else target
    body = Endless()
    with pytest.raises(kind, match=status.split()[1]):
        client(door, retries=Retries()).send("PUT", f"{door.url}/a", body=body)
    assert len(target.requests) == 1


def test_an_upload_cut_within_its_body_is_not_retried(serve, client):
    def script(wire):
        wire.request(body=False)
        wire.send(CONTINUE)
        wire.read(1 << 20)
        wire.reset()

    peer = serve(script)
    with pytest.raises(Interrupted):
        client(peer, retries=Retries()).send("PUT", peer.url, body=Endless())
    assert len(peer.requests) == 1


def test_busy_before_the_body_is_repeated_and_after_it_not(serve, client, content, naps):
    def script(wire):
        while (request := wire.request(body=False)) is not None:
            if len(peer.requests) == 2:
                wire.send(CONTINUE)
                wire.read(int(request.headers["content-length"]))
            wire.answer("503 Busy")

    peer, body = serve(script), content(DATA)
    with pytest.raises(Busy):
        client(peer, retries=Retries()).send("PUT", peer.url, body=body)
    assert (len(peer.requests), len(naps), body.read_at_all) == (2, 1, True)


def test_a_door_that_resets_before_the_body_is_asked_again(serve, client, content):
    def script(wire):
        request = wire.request(body=False)
        if wire.number == 1:
            wire.reset()
            return
        wire.send(CONTINUE)
        request.body = wire.read(len(DATA))
        wire.answer("201 Created")

    peer = serve(script)
    assert client(peer, retries=Retries()).send("PUT", peer.url, body=content(DATA)).status == 201
    assert peer.requests[1].body == DATA


# --- bodies sent anew ---


def test_a_pool_url_that_is_used_up_sends_the_body_again_from_its_start(serve, client, content):
    def stale(wire):
        while (request := wire.request(body=False)) is not None:
            request.body = wire.read(1000)
            if "uuid=1" in request.target:
                wire.redirect("307 Request is no longer valid", f"{door.url}/a")
            request.body += wire.read(len(DATA) - 1000)
            if "uuid=2" in request.target:
                wire.answer("201 Created")

    pool = serve(stale)
    door = serve(a_door(lambda: f"{pool.url}/a?dcache-http-uuid={len(door.requests)}"))
    body = content(DATA)
    assert client(door).send("PUT", f"{door.url}/a", body=body, await_redirect=True).status == 201
    assert body.rewinds == 1
    assert len(door.requests) == 2
    assert pool.requests[1].body == DATA


def test_an_impatient_upload_that_is_redirected_in_mid_body(serve, client, content):
    def door_script(wire):
        wire.request(body=False)
        wire.send(CONTINUE)
        wire.read(1000)
        wire.redirect("307 Temporary Redirect", f"{pool.url}/a")
        wire.read(len(DATA))

    pool, door, body = serve(plain), serve(door_script), content(DATA)
    assert client(door).send("PUT", f"{door.url}/a", body=body).status == 201
    assert pool.requests[0].body == DATA
    assert body.rewinds == 1


def test_a_refused_token_after_the_body_sends_it_again(serve, client, content, login):
    def script(wire):
        while (request := wire.request()) is not None:
            wire.answer("201 Created" if request.token == "Bearer new" else "401 login failed")

    peer, body = serve(script), content(DATA)
    sender = client(peer, credentials=login("old", "new"), limits=Limits(expect=0.01))
    assert sender.send("PUT", peer.url, body=body).status == 201
    assert [request.body for request in peer.requests] == [DATA, DATA]
    assert body.rewinds == 1


def test_a_dead_kept_connection_is_replaced_and_the_body_starts_anew(serve, client, content):
    """The server closes a kept connection during the body; curl usually notices that while it receives."""

    def script(wire):
        wire.request()
        wire.answer("201 Created")
        if wire.number == 1:
            wire.request(body=False)
            wire.read(1)
            wire.reset()

    peer, body = serve(script), content(DATA)
    sender = client(peer, limits=Limits(expect=0.01))
    sender.send("PUT", peer.url, body=content(b"x"))
    assert sender.send("PUT", peer.url, body=body).status == 201
    assert peer.requests[-1].body == DATA
    assert (peer.connections, body.rewinds) == (2, 1)


@pytest.fixture
def held(content):
    """`held(data)`: a body that waits in its second block until the server has ended the connection.

    So sending that block is what fails.
    """

    class Held(content):
        def __init__(self, data):
            super().__init__(data)
            self.requested, self.dead = threading.Event(), threading.Event()

        def end(self, wire):
            assert self.requested.wait(60)
            wire.reset()
            self.dead.set()

        def read(self, limit):
            if self.at:
                self.requested.set()
                assert self.dead.wait(60)
            return super().read(min(limit, 65536))

    return Held


def test_a_dead_connection_noticed_while_sending_is_replaced_too(serve, client, content, held):
    def script(wire):
        wire.request()
        wire.answer("201 Created")
        if wire.number == 1:
            wire.request(body=False)
            body.end(wire)

    peer, body = serve(script), held(DATA)
    sender = client(peer, limits=Limits(expect=0.01))
    sender.send("PUT", peer.url, body=content(b"x"))
    assert sender.send("PUT", peer.url, body=body).status == 201
    assert peer.requests[-1].body == DATA
    assert (peer.connections, body.rewinds) == (2, 1)


def test_a_connection_that_had_asked_for_the_body_was_not_dead(serve, client, content, held):
    def script(wire):
        wire.request(body=False)
        wire.send(CONTINUE)
        wire.read(1)
        wire.answer("201 Created")
        wire.request(body=False)
        wire.send(CONTINUE)
        body.end(wire)

    peer, body = serve(script), held(DATA)
    sender = client(peer)
    sender.send("PUT", peer.url, body=content(b"x"))
    with pytest.raises(Interrupted, match="curl 55"):
        sender.send("PUT", peer.url, body=body)
    assert (len(peer.requests), peer.connections, body.rewinds) == (2, 1, 0)


# --- the source fails ---


class Odd(Exception):
    pass


@pytest.mark.parametrize("error", [Odd(), OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_an_exception_of_the_body_is_raised_unchanged(serve, client, error):
    class Broken:
        size = len(DATA)

        def read(self, limit):
            raise error

        def rewind(self):
            raise AssertionError

    peer = serve(polite)
    with pytest.raises(type(error)) as raised:
        client(peer, retries=Retries()).send("PUT", peer.url, body=Broken())
    assert raised.value is error
    assert len(peer.requests) == 1


def test_an_exception_of_a_rewind_is_raised_unchanged(serve, client, content):
    class Once(type(content(b""))):
        def rewind(self):
            raise Odd

    def script(wire):
        wire.request()
        wire.answer("401 login failed")

    peer = serve(script)
    with pytest.raises(Odd):
        client(peer, limits=Limits(expect=0.01), credentials=_Two()).send("PUT", peer.url, body=Once(DATA))


class _Two:
    def bearer(self):
        return "old"

    def renew(self, refused):
        return "new"


def test_a_file_that_has_become_shorter(serve, client, content):
    body = content(DATA)
    body.size += 1
    peer = serve(polite)
    with pytest.raises(LocalError, match="become shorter"):
        client(peer, retries=Retries()).send("PUT", peer.url, body=body)
    assert len(peer.requests) == 1


def test_a_file_that_has_become_longer_is_sent_as_long_as_it_was(serve, client, content):
    body = content(DATA)
    body.size -= 1
    peer = serve(polite)
    client(peer).send("PUT", peer.url, body=body)
    assert peer.requests[0].body == DATA[:-1]


def test_a_server_that_takes_the_body_and_never_answers_times_out(serve, client, content):
    def script(wire):
        wire.request(body=False)
        wire.send(CONTINUE)
        wire.wait()

    peer = serve(script)
    with pytest.raises(TimedOut, match="no answer"):
        client(peer, limits=Limits(first_byte=0.3)).send("PUT", peer.url, body=content(DATA))


def test_no_connection_for_an_upload(serve, client, content, naps):
    peer = serve(plain)
    peer.close()
    body = content(DATA)
    with pytest.raises(Unreachable):
        client(peer, retries=Retries(attempts=2)).send("PUT", peer.url, body=body)
    assert (len(naps), body.read_at_all) == (1, False)
