"""Certificates are always verified, and the error says what to do."""

import subprocess
import sys

import pytest
import trustme

from ctadata.errors import ConfigError, LoginNeeded, Unreachable, Untrusted
from ctadata.http.retries import Retries


def ok(wire, request):
    wire.answer("200 OK", b"hello")


def test_a_server_that_our_ca_signed_for(answering, client, tls):
    peer = answering(ok, tls)
    assert client(peer).send("GET", peer.url).body == b"hello"
    assert peer.requests[0].token == "Bearer secret-token"


def test_an_unknown_ca_is_refused_with_a_hint(answering, client, tls_context):
    peer = answering(ok, tls_context(trustme.CA(), "localhost"))
    with pytest.raises(Untrusted) as refused:
        client(peer, retries=Retries()).send("GET", peer.url)
    assert "ca in the profile" in refused.value.hint
    assert str(peer.origin) in refused.value.what
    assert (peer.requests, peer.connections) == ([], 1)


def test_the_systems_ca_does_not_know_ours(answering, client, tls):
    peer = answering(ok, tls)
    with pytest.raises(Untrusted):
        client(peer, ca=None).send("GET", peer.url)


def test_a_certificate_for_another_name_is_refused(answering, client, authority, tls_context):
    peer = answering(ok, tls_context(authority, "door.example"))
    with pytest.raises(Untrusted) as refused:
        client(peer).send("GET", peer.url)
    assert "another name" in refused.value.hint
    assert peer.requests == []


def test_a_pool_is_checked_like_the_door(answering, client, tls, tls_context):
    pool = answering(ok, tls_context(trustme.CA(), "localhost"))
    door = answering(lambda wire, request: wire.redirect("302 Found", f"{pool.url}/a"), tls)
    with pytest.raises(Untrusted, match=str(pool.origin)):
        client(door).send("GET", f"{door.url}/a")
    assert pool.requests == []


def test_a_directory_of_certificates(answering, client, tls, ca, tmp_path):
    hashed = subprocess.run(
        ["openssl", "x509", "-noout", "-subject_hash", "-in", str(ca)], capture_output=True, text=True, check=True
    )
    (tmp_path / f"{hashed.stdout.strip()}.0").write_bytes(ca.read_bytes())
    peer = answering(ok, tls)
    assert client(peer, ca=tmp_path).send("GET", peer.url).body == b"hello"


def test_a_ca_that_cannot_be_read(answering, client, tls, tmp_path):
    bad = tmp_path / "ca.pem"
    bad.write_text("not a certificate")
    peer = answering(ok, tls)
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        client(peer, ca=bad).send("GET", peer.url)


def test_a_server_without_tls(serve, client):
    peer = serve(lambda wire: wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with pytest.raises(Unreachable, match="no secure connection"):
        client(peer).send("GET", peer.url.replace("http:", "https:"))


def test_only_http_1_1_is_offered(serve, client, authority, tls_context):
    offered = tls_context(authority, "localhost")
    offered.set_alpn_protocols(["h2", "http/1.1"])
    chosen = []

    def script(wire):
        chosen.append(wire.sock.selected_alpn_protocol())
        wire.request()
        wire.answer("200 OK")

    peer = serve(script, offered)
    client(peer).send("GET", peer.url)
    assert chosen == ["http/1.1"]


def test_sessions_are_shared_among_handles(serve, client, tls):
    """Each exchange has its own connection: from the second one on, the handshake resumes a session."""
    reused = []

    def script(wire):
        wire.request()
        reused.append(wire.sock.session_reused)
        wire.answer("200 OK", b"", "Connection: close")

    peer = serve(script, tls)
    sender = client(peer)
    for _ in range(3):
        sender.send("GET", peer.url)
    assert reused == [False, True, True]


def test_sessions_are_shared_between_handles_too(serve, client, tls):
    """Two exchanges at once use two handles: the second one resumes the session in the shared cache."""
    reused = []

    def script(wire):
        while wire.request() is not None:
            reused.append(wire.sock.session_reused)
            wire.answer("200 OK", b"hello")

    peer = serve(script, tls)
    sender = client(peer)
    sender.send("GET", peer.url)
    sender.send("GET", peer.url, accept=lambda response: sender.send("GET", peer.url) and None)
    assert peer.connections == 2
    assert reused == [False, False, True]


def test_no_secret_in_what_a_failure_prints(answering, client, tls, ca):
    """The traceback of an uncaught error, in a request with a token and a pool's credential."""
    pool = answering(lambda wire, request: wire.answer("401 no"), tls)
    door = answering(lambda wire, request: wire.redirect("302 Found", f"{pool.url}/a?dcache-http-uuid=5ecret"), tls)
    with pytest.raises(LoginNeeded):
        client(door).send("GET", f"{door.url}/a")
    program = f"""
import logging
from pathlib import Path
from ctadata.http.client import Client
from ctadata.http.messages import Origin
class Login:
    def bearer(self): return "t0ken-5ecret"
    def renew(self, refused): return None
logging.basicConfig(level=logging.DEBUG)
client = Client(trusted=[Origin.parse("{door.url}")], credentials=Login(), ca=Path("{ca}"))
client.send("GET", "{door.url}/a")
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert "LoginNeeded" in result.stderr
    assert "DEBUG:ctadata.http:GET" in result.stderr
    assert "5ecret" not in result.stderr + result.stdout
