"""JSON over HTTP: the same trust and errors as the client, and only the proxies of the environment."""

import contextlib
import logging
import re
import threading
from threading import Event

import pytest
import trustme

from ctadata.errors import Busy, Interrupted, LoginNeeded, ServerTrouble, Stopped, TimedOut, Unreachable, Untrusted
from ctadata.http.rest import JsonClient


@pytest.fixture
def rest(ca):
    """`rest(*trusted, **options)`: a JsonClient that trusts these peers."""
    return lambda *trusted, **options: JsonClient(**{"trusted": [peer.origin for peer in trusted], "ca": ca, **options})


def says(body, status="200 OK", *fields):
    return lambda wire, request: wire.answer(status, body, "Content-Type: application/json", *fields)


def test_get(answering, rest, tls):
    peer = answering(says(b'{"a": [1]}', "200 Fine", "X-Own: y"), tls)
    answer = rest(peer).get(f"{peer.url}/user?x=1", "secret-token")
    assert (answer.status, answer.reason, answer.json, answer.headers.get("x-own")) == (200, "Fine", {"a": [1]}, "y")
    answer.raise_for_status()
    request = peer.requests[0]
    assert (request.line, request.token) == ("GET /user?x=1 HTTP/1.1", "Bearer secret-token")
    assert request.headers["accept"] == "application/json"


def test_post_form(answering, rest, tls):
    peer = answering(says(b"{}"), tls)
    rest().post_form(peer.url, {"grant_type": "x y", "scope": "a&b"}, basic=("id", "word"))
    request = peer.requests[0]
    assert request.body == b"grant_type=x+y&scope=a%26b"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.token == "Basic aWQ6d29yZA=="


def test_post_json(answering, rest, tls):
    peer = answering(says(b"{}"), tls)
    rest(peer).post_json(peer.url, {"action": "mkdir"}, "secret-token")
    request = peer.requests[0]
    assert (request.body, request.headers["content-type"]) == (b'{"action": "mkdir"}', "application/json")
    assert request.token == "Bearer secret-token"


def test_a_refusal_is_an_answer_and_an_error_on_request(answering, rest, tls):
    body = b'{"error": "authorization_pending", "error_description": "not yet"}'
    peer = answering(says(body, "400 Bad Request"), tls)
    answer = rest().post_form(peer.url, {})
    assert answer.json["error"] == "authorization_pending"
    with pytest.raises(Exception, match="400 Bad Request, not yet"):
        answer.raise_for_status()


@pytest.mark.parametrize(("status", "kind"), [("401 Unauthorized", LoginNeeded), ("429 Slow down", Busy)])
def test_a_status_has_the_same_error_as_for_the_client(answering, rest, tls, status, kind):
    peer = answering(says(b"{}", status, "Retry-After: 4"), tls)
    with pytest.raises(kind) as error:
        rest().get(peer.url).raise_for_status()
    assert error.value.retry_after == 4


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff", b"[" * 100_000])
def test_what_is_no_json(answering, rest, tls, body):
    peer = answering(says(body), tls)
    assert rest().get(peer.url).json is None


def test_the_token_goes_to_trusted_origins_only(answering, rest, tls):
    trusted, other = answering(says(b"{}"), tls), answering(says(b"{}"), tls)
    with pytest.raises(Untrusted) as refused:
        rest(trusted).get(other.url, "secret-token")
    assert f'token_origins = ["{other.origin}"]' in refused.value.hint
    assert "secret-token" not in str(refused.value)
    assert other.connections == 0


def test_redirects_are_not_followed(answering, rest, tls):
    peer = answering(lambda wire, request: wire.redirect("302 Found", "/other"), tls)
    answer = rest(peer).get(peer.url, "secret-token")
    assert (answer.status, len(peer.requests)) == (302, 1)
    with pytest.raises(ServerTrouble):
        answer.raise_for_status()


def test_neither_netrc_nor_bundles_of_the_environment(answering, rest, tls, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine localhost login ada password hunter2\n")
    empty = tmp_path / "none.pem"
    empty.write_text("")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(empty))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(empty))
    peer = answering(says(b"{}"), tls)
    rest(peer).get(peer.url, "secret-token")
    rest(peer).get(peer.url)
    assert [request.token for request in peer.requests] == ["Bearer secret-token", None]


def test_no_proxy_is_used_for_loopback(answering, rest, tls, monkeypatch):
    spy, peer = answering(says(b"{}")), answering(says(b"{}"), tls)
    monkeypatch.setenv("HTTPS_PROXY", spy.url)
    rest().get(peer.url)
    assert (len(peer.requests), spy.connections) == (1, 0)


def test_a_proxy_of_the_environment_is_used_for_other_hosts(serve, rest, monkeypatch):
    def script(wire):
        wire.request()
        wire.answer("403 not through here")

    spy = serve(script)
    monkeypatch.setenv("HTTPS_PROXY", spy.url)
    with pytest.raises(Unreachable):
        rest().get("https://issuer.localhost./")
    assert spy.requests[0].line.startswith("CONNECT issuer.localhost.:443 ")


@pytest.mark.parametrize("url", ["http://issuer.example/", "http://192.0.2.1/", "file:///etc/passwd", "https://a@b/"])
def test_only_https_or_this_machine(rest, url):
    with pytest.raises(Untrusted):
        rest().get(url)


def test_an_unknown_ca(answering, rest, tls_context):
    peer = answering(says(b"{}"), tls_context(trustme.CA(), "localhost"))
    with pytest.raises(Untrusted) as refused:
        rest().get(peer.url)
    assert "ca in the profile" in refused.value.hint


def test_a_certificate_for_another_name(answering, rest, authority, tls_context):
    peer = answering(says(b"{}"), tls_context(authority, "issuer.example"))
    with pytest.raises(Untrusted) as refused:
        rest().get(peer.url)
    assert "another name" in refused.value.hint


def test_a_server_without_tls(serve, rest):
    peer = serve(lambda wire: wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with pytest.raises(Unreachable, match="no secure connection"):
        rest().get(peer.url.replace("http:", "https:"))


def test_an_address_without_a_server_is_unreachable(answering, rest):
    peer = answering(says(b"{}"))
    peer.close()
    with pytest.raises(Unreachable, match=f"no connection: {peer.origin}"):
        rest().get(peer.url)


def test_no_answer_in_time(serve, rest):
    peer = serve(lambda wire: wire.wait())
    with pytest.raises(TimedOut, match=r"no answer: .* of silence"):
        rest(timeouts=(5, 0.2)).get(peer.url)


def test_an_answer_that_breaks_off(serve, rest):
    def script(wire):
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    with pytest.raises(Interrupted):
        rest().get(serve(script).url)


def test_an_answer_that_stalls_in_the_middle(serve, rest):
    def script(wire):
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        wire.wait()

    with pytest.raises(TimedOut):
        rest(timeouts=(5, 0.2)).get(serve(script).url)


BEGINNINGS = {
    "the head": b"HTTP/1.1 200 OK\r\nX: ",
    "the body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
    "an error's body": b"HTTP/1.1 503 Busy\r\nContent-Length: 100000\r\n\r\n",
    "without length": b"HTTP/1.1 200 OK\r\n\r\n",
}


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
@pytest.mark.parametrize("method", ["get", "post_form"])
def test_an_answer_of_a_byte_every_three_seconds_has_an_end(serve, rest, beginning, method):
    """The call has a limit in total, however quickly the clock runs."""
    passed = [0.0]
    peer = serve(lambda wire: drip(wire, beginning, passed))
    call = getattr(rest(timeouts=(10.0, 30.0), clock=lambda: passed[0]), method)
    try:
        answer = call(peer.url, *([{"a": "b"}] if method == "post_form" else []))
    except TimedOut as error:
        assert re.match(
            "no (complete )?answer|the transfer stalled", error.what
        )  # whichever limit the clock meets first
    else:
        assert answer.status == 503  # an error counts without its body


def drip(wire, beginning, passed):
    """Answer with a byte every 3 s of a clock, until the client closes."""
    wire.request()
    wire.send(beginning)
    with contextlib.suppress(OSError):
        for _ in range(100_000):
            wire.send(b"x")
            passed[0] += 3


def begin_slowly(wire, beginning, passed):
    """Begin an answer with a byte every 3 s of a clock; the client may read the clock after the last one only."""
    wire.request()
    wire.send(beginning)
    for _ in range(1000):
        wire.send(b"x")
        passed[0] += 3
    wire.wait()


@pytest.mark.parametrize(
    ("beginning", "more"),
    [
        *((beginning, {}) for beginning in BEGINNINGS),
        *(("the head", more) for more in ({"stream": True}, {"large": True})),
    ],
)
def test_an_answer_of_the_library_has_an_end_too(serve, rest, beginning, more):
    passed = [0.0]
    peer = serve(lambda wire: begin_slowly(wire, BEGINNINGS[beginning], passed))
    with pytest.raises(TimedOut, match=r"no complete answer in time: .* 40 s"):
        rest(timeouts=(10.0, 30.0), clock=lambda: passed[0]).get_raw(peer.url, "", **more)


def test_a_file_may_take_longer_than_a_call_may(serve, rest):
    """The body is more than fits into the buffers of sockets, so the clock runs while it is read."""
    passed, size = [0.0], 32 << 20

    def script(wire):
        wire.request()
        wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size + 4}\r\n\r\n".encode())
        wire.send(bytes(size))
        passed[0] += 300
        wire.send(b"file")

    slow = rest(timeouts=(10.0, 30.0), clock=lambda: passed[0])
    assert slow.get_raw(serve(script).url, "", large=True).content[size:] == b"file"
    with slow.get_raw(serve(script).url, "", stream=True) as answer:
        assert answer.content[size:] == b"file"


def test_an_answer_of_the_library_can_be_stopped(serve, rest):
    stop = Event()

    def script(wire):
        wire.request()
        stop.set()
        wire.wait()

    with pytest.raises(Stopped):
        rest(stop=stop).get_raw(serve(script).url, "")


def test_a_proxy_that_answers_so_has_an_end_too(serve, rest, monkeypatch):
    passed = [0.0]
    spy = serve(lambda wire: drip(wire, b"HTTP/1.1 200 Connection established\r\nX: ", passed))
    monkeypatch.setenv("HTTPS_PROXY", spy.url)
    with pytest.raises(TimedOut):
        rest(timeouts=(10.0, 30.0), clock=lambda: passed[0]).get("https://issuer.localhost./")


def test_a_proxy_has_an_end_for_the_library_too(serve, rest, monkeypatch):
    passed = [0.0]
    spy = serve(lambda wire: begin_slowly(wire, b"HTTP/1.1 200 Connection established\r\nX: ", passed))
    monkeypatch.setenv("HTTPS_PROXY", spy.url)
    with pytest.raises(TimedOut):
        rest(timeouts=(10.0, 30.0), clock=lambda: passed[0]).get_raw("https://issuer.localhost./", "")


def test_a_call_can_be_stopped(serve, rest):
    stop = Event()

    def script(wire):
        wire.request()
        stop.set()
        wire.wait()

    with pytest.raises(Stopped):
        rest(stop=stop).get(serve(script).url)


def test_an_answer_without_end(serve, rest):
    sent = []

    def script(wire):
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(10_000):
            wire.send(bytes(65536))
            sent.append(1)

    with pytest.raises(ServerTrouble, match="too long"):
        rest().get(serve(script).url)
    assert len(sent) < 10_000  # hung up; how much the kernel takes before that is unknown


def test_nothing_secret_is_logged_or_shown(answering, rest, tls, caplog):
    peer = answering(says(b'{"access_token": "t0ken"}'), tls)
    with caplog.at_level(logging.DEBUG):
        answer = rest(peer).post_form(peer.url, {"refresh_token": "r3fresh"}, basic=("id", "w0rd"))
        rest(peer).get(peer.url, "b3arer")
    for secret in ("t0ken", "r3fresh", "w0rd", "b3arer"):
        assert secret not in caplog.text
        assert secret not in repr(answer)


def test_many_threads(answering, rest, tls):
    peer = answering(says(b'{"a": 1}'), tls)
    sender, seen = rest(), []
    threads = [threading.Thread(daemon=True, target=lambda: seen.append(sender.get(peer.url).json)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == [{"a": 1}] * 8
