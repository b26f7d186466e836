"""One logical request: methods and headers on the wire, the login, repetitions, answers, connections."""

import contextlib
import logging
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
def test_a_request_without_a_body(answering, client, method):
    peer = answering(lambda wire, request: wire.send(b"HTTP/1.1 204 No Content\r\n\r\n"))
    response = client(peer).send(method, f"{peer.url}/a%20b?c", headers={"Depth": "1", "Destination": "/x"})
    request = peer.requests[0]
    assert response.status == 204
    assert request.line == f"{method} /a%20b?c HTTP/1.1"
    # XRootD up to 5.6 takes header names in this spelling alone
    assert {"Host", "User-Agent", "Depth", "Destination", "Authorization"} <= set(request.names)
    assert set(request.headers) == {"host", "user-agent", "accept", "depth", "destination", "authorization"}


def test_a_request_with_a_body_in_memory(answering, client):
    peer = answering(ok)
    client(peer).send("PROPFIND", peer.url, headers={"Depth": "1"}, body=b"<propfind/>")
    request = peer.requests[0]
    assert (request.method, request.body, request.headers["content-length"]) == ("PROPFIND", b"<propfind/>", "11")
    assert {"expect", "content-type", "transfer-encoding"}.isdisjoint(request.headers)


def test_the_answer(answering, client):
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
        return blocks.append

    response = client(peer).send("GET", peer.url, accept=accept)
    assert seen == [(206, "bytes 0-1/2", b"")]
    assert b"".join(blocks) == body
    assert response.body == b""


def test_accept_is_asked_about_an_empty_body_too_and_may_decline(answering, client):
    peer = answering(lambda wire, request: wire.answer("200 OK", b"" if request.target == "/empty" else b"text"))
    seen = []
    assert client(peer).send("GET", f"{peer.url}/empty", accept=seen.append).body == b""
    assert client(peer).send("GET", f"{peer.url}/text", accept=seen.append).body == b"text"
    assert len(seen) == 2


def test_accept_is_not_asked_about_a_failure(answering, client):
    peer = answering(lambda wire, request: wire.answer("404 Not Found", b"gone"))
    seen = []
    with pytest.raises(NotFound, match="404 Not Found, gone"):
        client(peer).send("GET", peer.url, accept=seen.append)
    assert seen == []


class Odd(Exception):
    pass


def test_what_accept_raises_comes_out_as_it_is_and_nothing_is_repeated(answering, client):
    peer = answering(ok)

    def accept(response):
        raise Odd

    with pytest.raises(Odd):
        client(peer, retries=Retries()).send("GET", peer.url, accept=accept)
    assert len(peer.requests) == 1


@pytest.mark.parametrize("error", [Odd(), OSError(28, "No space left on device"), KeyboardInterrupt(), Busy("mine")])
def test_what_a_consumer_raises_comes_out_as_it_is(answering, client, error):
    peer = answering(ok)

    def consume(block):
        raise error

    with pytest.raises(type(error)) as raised:
        client(peer, retries=Retries()).send("GET", peer.url, accept=lambda response: consume)
    assert raised.value is error
    assert len(peer.requests) == 1
    assert client(peer).send("GET", peer.url).body == b"hello"


def test_a_header_cannot_smuggle_another(answering, client):
    peer = answering(ok)
    for name, value in [("A", "b\r\nC: d"), ("A\r\nC", "d"), ("A:", "b"), ("A", "日"), ("A", "b\x7f")]:
        with pytest.raises(UsageError):
            client(peer).send("GET", peer.url, headers={name: value})
    with pytest.raises(UsageError) as refused:
        client(credentials=None, trusted=()).send("GET", peer.url, headers={"A": "secret\n"})
    assert "secret" not in str(refused.value)
    assert peer.requests == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://localhost/", "https://user@localhost/"])
def test_only_plain_http_urls(client, url):
    with pytest.raises(Untrusted):
        client().send("GET", url)


# --- the login ---


def test_the_token_goes_to_trusted_origins_alone(answering, client):
    door, other = answering(ok), answering(ok)
    sender = client(door)
    sender.send("GET", door.url)
    sender.send("GET", other.url)
    assert door.requests[0].token == "Bearer secret-token"
    assert other.requests[0].token is None


def test_without_a_token_without_the_header(answering, client, login):
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


def test_who_was_refused_without_a_token_is_told_to_log_in(answering, client):
    peer = answering(needs())
    with pytest.raises(LoginNeeded) as refused:
        client(peer, credentials=None).send("GET", peer.url)
    assert "token_origins" not in refused.value.hint


def test_never_a_third_refusal(answering, client, login):
    peer = answering(needs())
    credentials = login("a", "b", "c", "d")
    with pytest.raises(LoginNeeded, match="401 login failed"):
        client(peer, credentials=credentials, retries=Retries()).send("GET", peer.url)
    assert [request.token for request in peer.requests] == ["Bearer a", "Bearer b"]


def test_a_refused_token_without_another(answering, client, login):
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


def test_no_proxy_stands_between_us_and_this_machine(answering, client, monkeypatch):
    spy, peer = answering(ok), answering(ok)
    for name in ("http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, spy.url)
    client(peer).send("GET", peer.url)
    assert (len(peer.requests), len(spy.requests)) == (1, 0)


def test_a_proxy_of_the_environment_is_used_for_the_rest(serve, client, monkeypatch):
    def proxy(wire):
        assert wire.request().line == "CONNECT door.localhost.:443 HTTP/1.1"
        wire.answer("403 not through here")

    spy = serve(proxy)
    monkeypatch.setenv("HTTPS_PROXY", spy.url)
    with pytest.raises(Unreachable, match="403"):
        client().send("GET", "https://door.localhost./")
    assert spy.requests[0].token is None


def pump(source, target):
    """Carry bytes over until the end."""
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


def test_through_a_proxy_it_is_the_servers_answer_that_counts(
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
    """Answer so, one after the other, and 200 at last."""
    left = list(statuses)

    def reply(wire, request):
        status, *fields = left.pop(0) if left else ("200 OK",)
        wire.answer(status, b"", *fields)

    return reply


@pytest.mark.parametrize("method", ["GET", "HEAD", "PROPFIND"])
def test_trouble_inside_the_server_is_waited_out_when_reading(answering, client, naps, method):
    peer = answering(failing(("500 Internal problem: timed out",), ("502 Bad Gateway",)))
    assert client(peer, retries=Retries(first_pause=1)).send(method, peer.url).status == 200
    assert naps == [0.5, 1.0]


@pytest.mark.parametrize("method", ["MOVE", "MKCOL", "DELETE"])
def test_trouble_inside_the_server_is_told_when_writing(answering, client, naps, method):
    peer = answering(failing(("500 Internal problem: timed out",)))
    with pytest.raises(ServerTrouble, match="500 Internal problem: timed out"):
        client(peer, retries=Retries()).send(method, peer.url)
    assert naps == []


@pytest.mark.parametrize("method", ["GET", "MOVE", "MKCOL", "DELETE"])
@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 dCache is shutting down"])
def test_a_busy_server_is_given_the_time_it_asks_for(answering, client, naps, method, status):
    peer = answering(failing((status, "Retry-After: 3")))
    assert client(peer, retries=Retries()).send(method, peer.url).status == 200
    assert naps == [pytest.approx(3, abs=0.5)]


def test_an_end_to_patience(answering, client, naps):
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


def test_the_time_that_repetitions_take_is_bounded(answering, client):
    now = [0.0]
    peer = answering(lambda wire, request: wire.answer("500 Internal problem"))

    def sleep(seconds):
        now[0] += 100

    with pytest.raises(ServerTrouble):
        client(peer, retries=Retries(attempts=99, time_limit=250), clock=lambda: now[0], sleep=sleep).send(
            "GET", peer.url
        )
    assert len(peer.requests) == 4


def test_a_connection_that_ends_before_the_answer(serve, client, naps):
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


def test_nothing_is_repeated_once_the_body_has_begun(serve, client):
    def script(wire):
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    peer = serve(script)
    blocks = []
    with pytest.raises(Exception, match="before the body did") as cut:
        client(peer, retries=Retries()).send("GET", peer.url, accept=lambda response: blocks.append)
    assert type(cut.value).__name__ == "Interrupted"
    assert (b"".join(blocks), len(peer.requests)) == (b"half", 1)


def test_an_address_where_nobody_listens(client, serve, naps):
    peer = serve(lambda wire: None)
    peer.close()
    with pytest.raises(Unreachable, match="no connection"):
        client(retries=Retries(attempts=3)).send("MOVE", peer.url)
    assert len(naps) == 2


def test_stop_ends_the_pauses_too(answering, client):
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


def test_a_reason_that_would_steer_the_terminal(serve, client):
    peer = raw(serve, b"HTTP/1.1 404 \x1b[2J\x9b\xfc gone\x07\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(NotFound) as error:
        client(peer).send("GET", peer.url)
    assert r"404 \x1b[2J\x9bü gone\x07" in error.value.what


def test_a_huge_reason_is_cut(serve, client):
    peer = raw(serve, b"HTTP/1.1 404 " + b"x" * 50_000 + b"\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(NotFound) as error:
        client(peer).send("GET", peer.url)
    assert len(error.value.what) < 400


def test_headers_without_end(serve, client):
    def script(wire):
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\n")
        for number in range(100_000):
            wire.send(b"X-%d: %s\r\n" % (number, b"y" * 1000))

    peer = serve(script)
    with pytest.raises(Unreachable, match="Too large response headers"):
        client(peer).send("GET", peer.url)


def test_one_header_without_end(serve, client):
    def script(wire):
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(100_000):
            wire.send(b"y" * 1000)

    peer = serve(script)
    with pytest.raises(ServerTrouble, match="headers are too long"):
        client(peer).send("GET", peer.url)


def test_an_error_page_without_end_is_read_so_far_and_no_further(serve, client):
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
    assert len(sent) < 1000


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
def test_what_is_not_http(serve, client, answer):
    peer = raw(serve, answer)
    with pytest.raises(ServerTrouble, match="not HTTP"):
        client(peer, retries=Retries()).send("GET", peer.url)
    assert len(peer.requests) == 1


def test_a_refusal_counts_though_its_page_breaks_off(serve, client):
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
def test_a_body_cut_short(serve, client, answer):
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


def test_a_failure_does_not_cost_the_connection(answering, client):
    peer = answering(lambda wire, request: wire.answer("404 Not Found", b"gone"))
    sender = client(peer)
    for _ in range(3):
        with pytest.raises(NotFound):
            sender.send("GET", peer.url)
    assert peer.connections == 1


def test_one_request_leaves_nothing_to_the_next(answering, client, content):
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
