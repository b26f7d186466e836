"""Talk to an oidc-agent over its socket: one JSON object in each direction, read to the end of the connection.

This works from version 4.2.6 (Debian 12) on. That version has a single thread and no time-outs of its own, so each
request has one here. A socket of another user is refused: its tokens would name another user.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ctadata.errors import ConfigError, CtadataError, LocalError, LoginNeeded, TemporaryError, TimedOut, Unreachable
from ctadata.http.redaction import sanitize
from ctadata.system import user_id
from ctadata.tokens.token import Token, parse_seconds

ANSWER_TIMEOUT = 60.0
"""Seconds for an answer. oidc-agent may have to ask the issuer first, and serves one client after the other."""

MEMORY_TIMEOUT = 5.0
"""Seconds for an answer that oidc-agent has in memory."""


def is_answering(path: Path) -> bool:
    """Return whether an oidc-agent of this user listens at the socket."""
    try:
        return send_request(path, {"request": "check"}, MEMORY_TIMEOUT).get("status") == "success"
    except CtadataError:
        return False


def loaded_accounts(path: Path) -> tuple[str, ...]:
    """Return the exact names of the accounts that oidc-agent has loaded.

    Raises:
        CtadataError: Any error that `send_request` raises.
    """
    answer = send_request(path, {"request": "loaded_accounts"}, MEMORY_TIMEOUT).get("info")
    return tuple(name for name in answer if isinstance(name, str)) if isinstance(answer, list) else ()


def access_token(path: Path, account: str, min_life: float, now: Callable[[], float] = time.time) -> Token:
    """Return an access token of an account.

    Args:
        path: The socket.
        account: The exact name of the account.
        min_life: Seconds that the token must still live. If no token can live so long, oidc-agent gets a fresh one.
        now: Returns the local time in seconds since 1970.

    Raises:
        LoginNeeded: The account has no valid login.
        ConfigError: The issuer does not accept the account's client.
        TemporaryError: oidc-agent got no token for now.
    """
    received = now()
    request = {
        "request": "access_token",
        "account": account,
        "min_valid_period": int(min_life),
        "application_hint": "ctadata",
    }
    answer = send_request(path, request, ANSWER_TIMEOUT)
    text = answer.get("access_token")
    if answer.get("status") != "success" or not isinstance(text, str):
        raise failure_error(str(answer.get("error") or "it did not say why"), account)
    ends = parse_seconds(answer.get("expires_at"))
    return Token.parse(text, received, ends - received) if ends else Token.parse(text)


def send_request(path: Path, request: Mapping[str, object], timeout: float) -> Mapping[str, Any]:
    """Send one request and return its answer.

    Args:
        path: The socket.
        request: The request as oidc-agent's documentation describes it.
        timeout: Seconds for connection and answer.

    Raises:
        Unreachable: Nothing listens at the socket.
        TimedOut: No complete answer came in time.
        TemporaryError: The answer is not JSON.
        LocalError: The socket belongs to another user.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise Unreachable("this system has no sockets of oidc-agent", path=str(path))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(path))
            _check_owner(connection, path)
            connection.sendall(json.dumps(request).encode())
            answer = json.loads(_read(connection, time.monotonic() + timeout))
    except TimeoutError:
        raise TimedOut(f"oidc-agent did not answer within {timeout:.0f} s", path=str(path)) from None
    except OSError as error:
        raise Unreachable(f"no oidc-agent answers: {error.strerror or error}", path=str(path)) from None
    except ValueError:
        raise TemporaryError("oidc-agent's answer is not JSON", path=str(path)) from None
    return answer if isinstance(answer, dict) else {}


def failure_error(message: str, account: str) -> CtadataError:
    """Return the error for a message of oidc-agent.

    Args:
        message: The message.
        account: The account's name, for the text of the error.
    """
    words = sanitize(message.strip(), 300)
    lower = words.lower()
    if any(sign in lower for sign in ("invalid_grant", "not loaded", "access_denied", "expired_token", "no account")):
        return LoginNeeded(f"oidc-agent has no login for the account {account} ({words})")
    if "get token endpoint from the configuration" in lower:  # network, certificate and wrong realm alike
        return TemporaryError(f"oidc-agent cannot reach the issuer, or does not trust its certificate ({words})")
    if "could not get a refresh token" in lower:
        return ConfigError(f"oidc-agent needs a refresh token ({words})", hint="is offline_access in scope?")
    if any(sign in lower for sign in ("invalid_client", "unauthorized_client", "invalid_scope", "client secret")):
        hint = "check client_id, scope and the client's secret; oidc-agent 4 does not encode & + = % in a secret"
        return ConfigError(f"the issuer does not accept oidc-agent's client ({words})", hint=hint)
    return TemporaryError(f"oidc-agent got no token ({words})")


def _read(connection: socket.socket, deadline: float) -> bytes:
    content = bytearray()
    while block := connection.recv(65536):
        content += block
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(content)


def _check_owner(connection: socket.socket, path: Path) -> None:
    """Raise LocalError if the listener is neither this user nor root (SO_PEERCRED: pid, uid, gid)."""
    if not hasattr(socket, "SO_PEERCRED"):
        return
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if uid not in (user_id(), 0):
        raise LocalError(f"this oidc-agent belongs to another user (uid {uid})", path=str(path))
