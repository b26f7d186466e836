"""The socket of an oidc-agent: the requests, and everything that may be at its other end."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading

import pytest

from ctadata.errors import ConfigError, LocalError, LoginNeeded, TemporaryError, TimedOut, Unreachable
from ctadata.tokens import oidc_agent
from ctadata.tokens.oidc_agent import access_token, failure_error, is_answering, loaded_accounts, send_request


@pytest.fixture
def listen(tmp_path):
    """`listen(answer)`: a socket whose listener sends that answer; `path.said` has the requests."""
    ended = []

    def start(answer, *, silent=None):
        path, said = tmp_path / "s", []
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen()

        def serve():
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                with line, contextlib.suppress(OSError):  # the client may have gone
                    question = line.recv(65536)
                    if question:
                        said.append(json.loads(question))
                    if silent:
                        silent.wait(60)
                    for piece in (answer[:3], answer[3:]):
                        line.sendall(piece)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        ended.append((server, thread, silent))
        return path, said

    yield start
    for server, thread, silent in ended:
        if silent:
            silent.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(60)


def test_a_token(listen, jwt):
    text = jwt(iss="https://i", sub="ada")
    path, said = listen(json.dumps({"status": "success", "access_token": text, "expires_at": 1300, "new": 1}).encode())
    token = access_token(path, "ctadata-x", 59.9, now=lambda: 1000.0)
    assert (token.reveal(), token.expires_at, token.expires_in) == (text, 1300, 300)
    assert said == [
        {"request": "access_token", "account": "ctadata-x", "min_valid_period": 59, "application_hint": "ctadata"}
    ]


def test_a_token_of_16_kib(listen):
    path, _ = listen(json.dumps({"status": "success", "access_token": "t" * 16384}).encode())
    assert len(access_token(path, "x", 0).reveal()) == 16384


def test_loaded_accounts_are_listed(listen):
    path, _ = listen(b'{"status":"success","info":["ctadata-a","ctadata-a-dev", 3]}')
    assert loaded_accounts(path) == ("ctadata-a", "ctadata-a-dev")
    assert is_answering(path)


def test_no_listener(tmp_path):
    with pytest.raises(Unreachable, match="no oidc-agent answers"):
        send_request(tmp_path / "none", {"request": "check"}, 1)
    assert not is_answering(tmp_path / "none")


def test_an_agent_that_hangs_times_out(listen):
    path, _ = listen(b"{}", silent=threading.Event())
    with pytest.raises(TimedOut, match="did not answer"):
        send_request(path, {"request": "check"}, 0.1)


@pytest.mark.parametrize("answer", [b"", b"<html>", b'{"status":'])
def test_an_answer_that_is_not_json(listen, answer):
    path, _ = listen(answer)
    with pytest.raises(TemporaryError, match="not JSON"):
        send_request(path, {"request": "check"}, 5)


def test_an_answer_without_a_token(listen):
    path, _ = listen(b'{"status":"success","access_token":7}')
    with pytest.raises(TemporaryError, match="did not say why"):
        access_token(path, "x", 0)


def test_another_users_agent_is_refused(listen, monkeypatch):
    """Its tokens would name another user."""
    path, said = listen(b'{"status":"success"}')
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(oidc_agent.struct, "unpack", lambda form, content: (1, 65534, 65534))
    with pytest.raises(LocalError, match="another user"):
        send_request(path, {"request": "check"}, 5)
    assert struct.calcsize("3i") == 12
    assert said == []


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("account not loaded", LoginNeeded),
        ("OIDC error: invalid_grant: Token is not active", LoginNeeded),
        ("Could not get token endpoint from the configuration endpoint", TemporaryError),
        ("Could not get a refresh token", ConfigError),
        ("unauthorized_client: Invalid client", ConfigError),
        ("could not parse json", TemporaryError),
    ],
)
def test_messages_become_errors(said, error):
    found = failure_error(said, "ctadata-x")
    assert type(found) is error
    assert said in found.what


def test_a_token_in_a_message_is_hidden(jwt):
    assert jwt(a=1) not in str(failure_error(f"no: {jwt(a=1)}", "x"))
