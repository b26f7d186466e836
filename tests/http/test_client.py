"""The client: methods and headers on the wire, tokens, retries, responses, connections."""

import contextlib
import logging
import random
import socket
import threading

import pytest

from ctadata.errors import (
    Busy,
    Forbidden,
    LoginNeeded,
    NotFound,
    ServerTrouble,
    Stopped,
    Unreachable,
    Untrusted,
    UsageError,
)
from ctadata.http.messages import Origin
from ctadata.http.retries import Retries


def ok(wire, request):
    wire.answer("200 OK", b"hello")


# --- what goes over the wire ---


@pytest.mark.parametrize("method", ["GET", "HEAD", "PROPFIND", "MKCOL", "MOVE", "DELETE", "OPTIONS"])
def test_a_request_without_a_body_is_sent(answering, client, method):
    peer = answering(lambda wire, request: wire.send(b"HTTP/1.1 204 No Content\r\n\r\n"))
    response = client(peer).send(method, f"{peer.url}/a%20b?c", headers={"Depth": "1", "Destination": "/x"})
    request = peer.requests[0]
    assert response.status == 204
    assert request.line == f"{method} /a%20b?c HTTP/1.1"
    # XRootD up to 5.6 takes header names in this spelling alone
    assert {"Host", "User-Agent", "Depth", "Destination", "Authorization"} <= set(request.names)
    assert set(request.headers) == {"host", "user-agent", "accept", "depth", "destination", "authorization"}


def test_a_body_in_memory_is_sent(answering, client):
    peer = answering(ok)
    client(peer).send("PROPFIND", peer.url, headers={"Depth": "1"}, body=b"<propfind/>")
    request = peer.requests[0]
    assert (request.method, request.body, request.headers["content-length"]) == ("PROPFIND", b"<propfind/>", "11")
    assert {"expect", "content-type", "transfer-encoding"}.isdisjoint(request.headers)


def test_a_response_has_status_reason_headers_and_body(answering, client):
    peer = answering(lambda wire, request: wire.answer("200 Fine by me", b"hello", "ETag: x", "etag: y"))
    response = client(peer).send("GET", peer.url)
    assert (response.status, response.reason, response.body) == (200, "Fine by me", b"hello")
    assert response.headers.get("ETag") == "x, y"
    assert response.hops == ()
    assert response.url == f"{peer.url}/"


def test_accept_sees_the_headers_first_and_takes_the_body(answering, client):
    body = bytes(range(256)) * 4096
    peer = answering(lambda wire, request: wire.answer("206 Partial Content", body, "Content-Range: bytes 0-1/2"))
    seen, blocks = [], []

    def accept(response):
        seen.append((response.status, response.headers.get("content-range"), response.body))
        return lambda block: blocks.append(bytes(block))

    response = client(peer).send("GET", peer.url, accept=accept)
    assert seen == [(206, "bytes 0-1/2", b"")]
    assert b"".join(blocks) == body
    assert response.body == b""


def test_accept_is_called_for_an_empty_body_and_may_return_none(answering, client):
    peer = answering(lambda wire, request: wire.answer("200 OK", b"" if request.target == "/empty" else b"text"))
    seen = []
    assert client(peer).send("GET", f"{peer.url}/empty", accept=seen.append).body == b""
    assert client(peer).send("GET", f"{peer.url}/text", accept=seen.append).body == b"text"
    assert len(seen) == 2


def test_accept_is_not_called_for_a_failure(answering, client):
    peer = answering(lambda wire, request: wire.answer("404 Not Found", b"gone"))
    seen = []
    with pytest.raises(NotFound, match="404 Not Found, gone"):
        client(peer).send("GET", peer.url, accept=seen.append)
    assert seen == []


class Odd(Exception):
    pass


def test_an_exception_of_accept_is_raised_without_a_retry(answering, client):
    peer = answering(ok)

    def accept(response):
        raise Odd

    with pytest.raises(Odd):
        client(peer, retries=Retries()).send("GET", peer.url, accept=accept)
    assert len(peer.requests) == 1


@pytest.mark.parametrize(("size", "least"), [((5 << 20) + 7, 1 << 20), (1 << 20, 1)])
def test_a_consumer_receives_a_long_body_in_large_pieces(answering, client, size, least):
    """The clock stands still, so no piece is given on early, nor the bytes that come together with the head.

    The bytes are valid during the call only.
    """
    content = random.Random(size).randbytes(size)
    sizes, received, views, accepted = [], bytearray(), [], threading.Event()

    def reply(wire, request):
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"
        wire.send(head.encode() + content[:60_000])
        accepted.wait(60)
        wire.send(content[60_000:])

    def accept(response):
        accepted.set()
        return consume

    def consume(block):
        sizes.append(len(block))
        received.extend(block)
        views.append(block)

    peer = answering(reply)
    client(peer, clock=lambda: 0.0).send("GET", peer.url, accept=accept)
    assert received == content
    assert min(sizes[:-1], default=size) >= least, sizes
    with pytest.raises(ValueError, match="released"):
        views[0][0]


@pytest.mark.parametrize("error", [Odd(), OSError(28, "No space left on device"), KeyboardInterrupt(), Busy("mine")])
def test_an_exception_of_a_consumer_is_raised_unchanged(answering, client, error):
    peer = answering(ok)

    def consume(block):
        raise error

    with pytest.raises(type(error)) as raised:
        client(peer, retries=Retries()).send("GET", peer.url, accept=lambda response: consume)
    assert raised.value is error
    assert len(peer.requests) == 1
    assert client(peer).send("GET", peer.url).body == b"hello"


def test_a_piece_that_an_exception_keeps_is_no_part_of_a_buffer(answering, client):
    """Python 3.12.1 crashes when its collector finds a piece of `BytesIO.getbuffer` (python/cpython 111049)."""
    peer, kept = answering(ok), []

    def consume(block):
        kept.append(block[1:])
        raise Odd

    with pytest.raises(Odd):
        client(peer).send("GET", peer.url, accept=lambda response: consume)
    assert (kept[0].tobytes(), type(kept[0].obj)) == (b"ello", bytes)


def test_a_header_value_cannot_add_another_header(answering, client):
    peer = answering(ok)
    for name, value in [("A", "b\r\nC: d"), ("A\r\nC", "d"), ("A:", "b"), ("A", "日"), ("A", "b\x7f")]:
        with pytest.raises(UsageError):
            client(peer).send("GET", peer.url, headers={name: value})
    with pytest.raises(UsageError) as refused:
        client(credentials=None, trusted=()).send("GET", peer.url, headers={"A": "secret\n"})
    assert "secret" not in str(refused.value)
    assert peer.requests == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://localhost/", "https://user@localhost/"])
def test_other_urls_than_http_are_refused(client, url):
    with pytest.raises(Untrusted):
        client().send("GET", url)


# --- the login ---


def test_the_token_goes_to_trusted_origins_only(answering, client):
    door, other = answering(ok), answering(ok)
    sender = client(door)
    sender.send("GET", door.url)
    sender.send("GET", other.url)
    assert door.requests[0].token == "Bearer secret-token"
    assert other.requests[0].token is None


def test_without_a_token_no_authorization_is_sent(answering, client, login):
    peer = answering(ok)
    client(peer, credentials=login()).send("GET", peer.url)
    client(peer, credentials=None).send("GET", peer.url)
    assert [request.token for request in peer.requests] == [None, None]


def needs(*good):
    def reply(wire, request):
        if request.token in [f"Bearer {token}" for token in good]:
            wire.answer("200 OK")
        else:
            wire.answer("401 login failed", b"", 'WWW-Authenticate: Basic realm=""')

    return reply


def test_a_refused_token_is_renewed_once(answering, client, login):
    peer = answering(needs("new"))
    credentials = login("old", "new")
    assert client(peer, credentials=credentials).send("GET", peer.url).status == 200
    assert credentials.refused == ["old"]


def test_a_refusal_without_a_token_has_a_hint_to_log_in(answering, client):
    peer = answering(needs())
    with pytest.raises(LoginNeeded) as refused:
        client(peer, credentials=None).send("GET", peer.url)
    assert "token_origins" not in refused.value.hint


def test_a_request_is_never_refused_three_times(answering, client, login):
    peer = answering(needs())
    credentials = login("a", "b", "c", "d")
    with pytest.raises(LoginNeeded, match="401 login failed"):
        client(peer, credentials=credentials, retries=Retries()).send("GET", peer.url)
    assert [request.token for request in peer.requests] == ["Bearer a", "Bearer b"]


def test_a_refused_token_without_a_replacement_is_an_error(answering, client, login):
    peer = answering(needs())
    with pytest.raises(LoginNeeded) as refused:
        client(peer, credentials=login("opaque/word"), retries=Retries()).send("GET", peer.url)
    assert len(peer.requests) == 1
    assert refused.value.hint
    assert "opaque/word" not in str(refused.value)


def test_403_is_final(answering, client, login):
    peer = answering(lambda wire, request: wire.answer("403 Forbidden", b"Permission denied for GET on path /a\n"))
    credentials = login("a", "b")
    with pytest.raises(Forbidden, match="Permission denied for GET on path /a"):
        client(peer, credentials=credentials, retries=Retries()).send("GET", peer.url)
    assert credentials.refused == []


def test_netrc_is_not_read(answering, client, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine localhost login ada password hunter2\ndefault login ada password hunter2")
    peer = answering(ok)
    client().send("GET", peer.url)
    client(peer).send("GET", peer.url)
    assert [request.token for request in peer.requests] == [None, "Bearer secret-token"]


def test_cookies_are_neither_kept_nor_sent(answering, client):
    peer = answering(lambda wire, request: wire.answer("200 OK", b"", "Set-Cookie: a=b; Path=/"))
    sender = client(peer)
    sender.send("GET", peer.url)
    sender.send("GET", peer.url)
    assert "cookie" not in peer.requests[1].headers


def test_no_proxy_is_used_for_loopback(answering, client, monkeypatch):
    spy, peer = answering(ok), answering(ok)
    for name in ("http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, spy.url)
    client(peer).send("GET", peer.url)
    assert (len(peer.requests), len(spy.requests)) == (1, 0)


def test_a_proxy_of_the_environment_is_used_for_other_hosts(serve, client, monkeypatch):
    def proxy(wire):
        assert wire.request().line == "CONNECT door.localhost.:443 HTTP/1.1"
        wire.answer("403 not through here")

    spy = serve(proxy)
    monkeypatch.setenv("HTTPS_PROXY", spy.url)
    with pytest.raises(Unreachable, match="403"):
        client().send("GET", "https://door.localhost./")
    assert spy.requests[0].token is None


def pump(source, target):
    """Copy bytes until the end."""
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


def test_the_headers_of_a_proxy_are_not_the_response(
    answering, serve, client, login, authority, tls_context, monkeypatch
):
    tls = tls_context(authority, "door.localhost")
    peer = answering(lambda wire, request: wire.answer("206 Partial", b"hello"), tls)

    def proxy(wire):
        wire.request()
        wire.send(b"HTTP/1.1 200 Connection established\r\nContent-Length: 77\r\n\r\n")
        with socket.create_connection(("127.0.0.1", peer.origin.port)) as onward:
            back = threading.Thread(daemon=True, target=pump, args=(onward, wire.sock))
            back.start()
            pump(wire.sock, onward)
            back.join(60)

    spy = serve(proxy)
    monkeypatch.setenv("HTTPS_PROXY", spy.url)
    url = peer.url.replace("localhost", "door.localhost.")
    seen = []
    response = client(trusted=[Origin.parse(url)], credentials=login("secret-token")).send(
        "GET", url, accept=seen.append
    )
    assert (response.status, response.body, len(seen)) == (206, b"hello", 1)
    assert response.headers.get("Content-Length") == "5"
    assert (peer.requests[0].token, spy.requests[0].token) == ("Bearer secret-token", None)


# --- repetitions ---


def failing(*statuses):
    """Return a script that sends these answers in turn, and then 200."""
    left = list(statuses)

    def reply(wire, request):
        status, *fields = left.pop(0) if left else ("200 OK",)
        wire.answer(status, b"", *fields)

    return reply


@pytest.mark.parametrize("method", ["GET", "HEAD", "PROPFIND"])
def test_a_server_error_is_retried_for_methods_that_change_nothing(answering, client, naps, method):
    peer = answering(failing(("500 Internal problem: timed out",), ("502 Bad Gateway",)))
    assert client(peer, retries=Retries(first_pause=1)).send(method, peer.url).status == 200
    assert naps == [0.5, 1.0]


@pytest.mark.parametrize("method", ["MOVE", "MKCOL", "DELETE"])
def test_a_server_error_is_raised_for_methods_that_change_something(answering, client, naps, method):
    peer = answering(failing(("500 Internal problem: timed out",)))
    with pytest.raises(ServerTrouble, match="500 Internal problem: timed out"):
        client(peer, retries=Retries()).send(method, peer.url)
    assert naps == []


@pytest.mark.parametrize("method", ["GET", "MOVE", "MKCOL", "DELETE"])
@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 dCache is shutting down"])
def test_retry_after_is_waited_for(answering, client, naps, method, status):
    peer = answering(failing((status, "Retry-After: 3")))
    assert client(peer, retries=Retries()).send(method, peer.url).status == 200
    assert naps == [pytest.approx(3, abs=0.5)]


def test_a_busy_server_is_given_up_after_some_attempts(answering, client, naps):
    peer = answering(lambda wire, request: wire.answer("429 Too Many Requests", b"", "Retry-After: 1"))
    with pytest.raises(Busy) as busy:
        client(peer, retries=Retries(busy_attempts=3)).send("GET", peer.url)
    assert busy.value.retry_after == 1
    assert len(peer.requests) == 3


def test_after_one_request_was_given_up_the_next_ones_are_sent_once_until_one_is_answered(answering, client):
    statuses = ["503 Busy"] * (7 + 2) + ["404 Not Found"] + ["503 Busy"] * 7
    peer = answering(lambda wire, request: wire.answer(statuses.pop(0)))
    one = client(peer, retries=Retries())
    for expected in (7, 8, 9):
        with pytest.raises(Busy) as busy:
            one.send("GET", peer.url)
        assert (len(peer.requests), busy.value.given_up) == (expected, True)
    with pytest.raises(NotFound):
        one.send("GET", peer.url)
    with pytest.raises(Busy):
        one.send("GET", peer.url)
    assert statuses == []


def test_the_time_for_retries_is_limited(answering, client):
    now = [0.0]
    peer = answering(lambda wire, request: wire.answer("500 Internal problem"))

    def sleep(seconds):
        now[0] += 100

    with pytest.raises(ServerTrouble):
        client(peer, retries=Retries(attempts=99, time_limit=250), clock=lambda: now[0], sleep=sleep).send(
            "GET", peer.url
        )
    assert len(peer.requests) == 4


def test_a_connection_that_ends_before_the_answer_is_retried_if_that_is_safe(serve, client, naps):
    def script(wire):
        wire.request()
        if wire.number > 1:
            wire.answer("200 OK", b"hello")

    peer = serve(script)
    assert client(peer, retries=Retries()).send("GET", peer.url).body == b"hello"
    assert len(naps) == 1
    peer = serve(script)
    with pytest.raises(Unreachable):
        client(peer, retries=Retries()).send("MOVE", peer.url)
    assert len(peer.requests) == 1


def test_nothing_is_retried_once_the_body_has_begun(serve, client):
    def script(wire):
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    peer = serve(script)
    blocks = []
    with pytest.raises(Exception, match="before the body did") as cut:
        sender = client(peer, retries=Retries())
        sender.send("GET", peer.url, accept=lambda response: lambda block: blocks.append(bytes(block)))
    assert type(cut.value).__name__ == "Interrupted"
    assert (b"".join(blocks), len(peer.requests)) == (b"half", 1)


def test_an_address_without_a_server_is_unreachable(client, serve, naps):
    peer = serve(lambda wire: None)
    peer.close()
    with pytest.raises(Unreachable, match="no connection"):
        client(retries=Retries(attempts=3)).send("MOVE", peer.url)
    assert len(naps) == 2


def test_stop_ends_a_pause_before_a_retry(answering, client):
    stop = threading.Event()
    peer = answering(lambda wire, request: wire.answer("503 Busy"))

    def sleep(seconds):
        stop.set()

    with pytest.raises(Stopped):
        client(peer, retries=Retries(), stop=stop, sleep=sleep).send("GET", peer.url)
    assert len(peer.requests) == 1


# --- answers that are not as they should be ---


def raw(serve, data):
    def script(wire):
        wire.request()
        wire.send(data)

    return serve(script)


def test_control_characters_in_a_reason_are_escaped(serve, client):
    peer = raw(serve, b"HTTP/1.1 404 \x1b[2J\x9b\xfc gone\x07\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(NotFound) as error:
        client(peer).send("GET", peer.url)
    assert r"404 \x1b[2J\x9bü gone\x07" in error.value.what


def test_a_huge_reason_is_cut(serve, client):
    peer = raw(serve, b"HTTP/1.1 404 " + b"x" * 50_000 + b"\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(NotFound) as error:
        client(peer).send("GET", peer.url)
    assert len(error.value.what) < 400


def test_endless_headers_are_an_error(serve, client):
    def script(wire):
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\n")
        for number in range(100_000):
            wire.send(b"X-%d: %s\r\n" % (number, b"y" * 1000))

    peer = serve(script)
    with pytest.raises(Unreachable, match="Too large response headers"):
        client(peer).send("GET", peer.url)


def test_one_endless_header_is_an_error(serve, client):
    def script(wire):
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(100_000):
            wire.send(b"y" * 1000)

    peer = serve(script)
    with pytest.raises(ServerTrouble, match="headers are too long"):
        client(peer).send("GET", peer.url)


def test_an_endless_error_page_is_read_up_to_the_limit(serve, client):
    sent = []

    def script(wire):
        wire.request()
        wire.send(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\ngone\n")
        for _ in range(10_000):
            wire.send(b"x" * 65536)
            sent.append(1)

    peer = serve(script)
    with pytest.raises(NotFound, match="404 Not Found, gone"):
        client(peer).send("GET", peer.url)
    assert len(sent) < 10_000  # hung up; how much the kernel takes before that is unknown


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    ],
)
def test_an_answer_that_is_no_http_is_an_error(serve, client, answer):
    peer = raw(serve, answer)
    with pytest.raises(ServerTrouble, match="not HTTP"):
        client(peer, retries=Retries()).send("GET", peer.url)
    assert len(peer.requests) == 1


def test_a_refusal_counts_even_if_its_body_breaks_off(serve, client):
    peer = raw(serve, b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\ngone")
    with pytest.raises(NotFound, match="404 Not Found, gone"):
        client(peer).send("GET", peer.url)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
def test_a_body_that_is_cut_short_is_an_interruption(serve, client, answer):
    peer = raw(serve, answer)
    with pytest.raises(Exception, match="ended before the body did") as cut:
        client(peer).send("GET", peer.url, accept=lambda response: lambda block: None)
    assert cut.value.retryable
    assert type(cut.value).__name__ == "Interrupted"


def test_a_body_longer_than_announced_is_not_delivered_beyond(serve, client):
    peer = raw(serve, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhalf and more")
    assert client(peer).send("GET", peer.url).body == b"half"


def test_trailers_are_no_headers(serve, client):
    peer = raw(serve, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nETag: late\r\n\r\n")
    response = client(peer).send("GET", peer.url)
    assert (response.body, response.headers.get("ETag")) == (b"hello", None)


# --- connections ---


def test_connections_are_kept_and_used_again(answering, client):
    peer = answering(ok)
    sender = client(peer)
    gate = threading.Barrier(8)

    def work():
        gate.wait(60)
        for _ in range(100):
            assert sender.send("GET", peer.url).body == b"hello"

    threads = [threading.Thread(daemon=True, target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(peer.requests) == 800
    assert peer.connections <= 8


def test_a_failed_request_keeps_the_connection(answering, client):
    peer = answering(lambda wire, request: wire.answer("404 Not Found", b"gone"))
    sender = client(peer)
    for _ in range(3):
        with pytest.raises(NotFound):
            sender.send("GET", peer.url)
    assert peer.connections == 1


def test_a_request_gets_no_options_of_the_one_before(answering, client, content):
    peer = answering(lambda wire, request: wire.answer("200 OK", b"" if request.method == "HEAD" else b"hello"))
    sender = client(peer)
    sender.send("PROPFIND", peer.url, headers={"Depth": "1"}, body=b"<x/>")
    sender.send("HEAD", peer.url)
    assert sender.send("GET", peer.url).body == b"hello"
    get = peer.requests[-1]
    assert (get.method, get.body) == ("GET", b"")
    assert set(get.headers) == {"host", "user-agent", "accept", "authorization"}


def test_close_ends_the_connections(serve, client):
    gone = threading.Event()

    def script(wire):
        wire.request()
        wire.answer("200 OK")
        wire.wait()
        gone.set()

    peer = serve(script)
    sender = client(peer)
    sender.send("GET", peer.url)
    assert not gone.is_set()
    sender.close()
    assert gone.wait(60)


def test_close_in_the_middle_of_a_request_ends_its_connection_after_it(serve, client):
    gone = threading.Event()

    def script(wire):
        wire.request()
        wire.answer("200 OK", b"hello")
        wire.wait()
        gone.set()

    peer = serve(script)
    sender = client(peer)
    assert sender.send("GET", peer.url, accept=lambda response: sender.close()).body == b"hello"
    assert gone.wait(60)


# --- the log ---


def test_the_log_has_a_line_for_each_exchange_and_no_secret(answering, client, caplog):
    peer = answering(ok)
    with caplog.at_level(logging.DEBUG, "ctadata.http"):
        client(peer).send("GET", f"{peer.url}/a?authz=5ecret")
    (line,) = caplog.messages
    assert line.startswith(f"GET {peer.url}/a?authz=*** 200, 0 bytes up, 5 down, ")
    assert "secret-token" not in caplog.text
