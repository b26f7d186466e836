"""oidc-agent as others run it, spoken to over its socket: one JSON object each way, read to the end.

From 4.2.6 (Debian 12) on. It has a single thread and, in that version, no time-outs of its own, so each question has
one here. A socket that belongs to somebody else is refused: its tokens would make us somebody else.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ctadata.errors import ConfigError, CtadataError, LocalError, LoginNeeded, TemporaryError, TimedOut, Unreachable
from ctadata.http.redaction import sanitize
from ctadata.tokens.token import Token, parse_seconds

ANSWER_TIMEOUT = 60.0
"""Seconds that an answer may take: it may have to ask the issuer first, after somebody else's question."""

MEMORY_TIMEOUT = 5.0
"""Seconds for what it answers out of its memory."""


def is_answering(path: Path) -> bool:
    """Whether an oidc-agent of ours listens there."""
    try:
        return send_request(path, {"request": "check"}, MEMORY_TIMEOUT).get("status") == "success"
    except CtadataError:
        return False


def loaded_accounts(path: Path) -> tuple[str, ...]:
    """The accounts that it can give tokens of, by their exact names."""
    told = send_request(path, {"request": "loaded_accounts"}, MEMORY_TIMEOUT).get("info")
    return tuple(name for name in told if isinstance(name, str)) if isinstance(told, list) else ()


def access_token(path: Path, account: str, min_life: float, now: Callable[[], float] = time.time) -> Token:
    """A token of the account that lives that many seconds; a fresh one where it cannot (it never lives longer).

    LoginNeeded, ConfigError (only a person can help), retryable errors.
    """
    received = now()
    request = {
        "request": "access_token",
        "account": account,
        "min_valid_period": int(min_life),
        "application_hint": "ctadata",
    }
    told = send_request(path, request, ANSWER_TIMEOUT)
    text = told.get("access_token")
    if told.get("status") != "success" or not isinstance(text, str):
        raise failure_error(str(told.get("error") or "it did not say why"), account)
    ends = parse_seconds(told.get("expires_at"))
    return Token.parse(text, received, ends - received) if ends else Token.parse(text)


def send_request(path: Path, request: Mapping[str, object], timeout: float) -> Mapping[str, Any]:
    """One question and its answer. Unreachable, TimedOut, TemporaryError, LocalError (another user's socket)."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(timeout)
            line.connect(str(path))
            _refuse_foreign(line, path)
            line.sendall(json.dumps(request).encode())
            answer = json.loads(_read(line, time.monotonic() + timeout))
    except TimeoutError:
        raise TimedOut(f"oidc-agent does not answer within {timeout:.0f} s", path=str(path)) from None
    except OSError as error:
        raise Unreachable(f"no oidc-agent answers: {error.strerror or error}", path=str(path)) from None
    except ValueError:
        raise TemporaryError("oidc-agent answered what is no JSON", path=str(path)) from None
    return answer if isinstance(answer, dict) else {}


def failure_error(said: str, account: str) -> CtadataError:
    """What oidc-agent says of a failure, as one of our errors."""
    words = sanitize(said.strip(), 300)
    lower = words.lower()
    if any(sign in lower for sign in ("invalid_grant", "not loaded", "access_denied", "expired_token", "no account")):
        return LoginNeeded(f"oidc-agent has no login for the account {account} ({words})")
    if "get token endpoint from the configuration" in lower:  # network, certificate and wrong realm alike
        return TemporaryError(f"oidc-agent cannot reach the issuer, or does not trust its certificate ({words})")
    if "could not get a refresh token" in lower:
        return ConfigError(f"oidc-agent needs a refresh token ({words})", hint="is offline_access in scope?")
    if any(sign in lower for sign in ("invalid_client", "unauthorized_client", "invalid_scope", "client secret")):
        hint = "check client_id, scope and the client's secret; oidc-agent 4 does not encode & + = % in a secret"
        return ConfigError(f"the issuer does not take oidc-agent's client ({words})", hint=hint)
    return TemporaryError(f"oidc-agent got no token ({words})")


def _read(line: socket.socket, deadline: float) -> bytes:
    content = bytearray()
    while block := line.recv(65536):
        content += block
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(content)


def _refuse_foreign(line: socket.socket, path: Path) -> None:
    """LocalError where neither we nor root listen at the other end (SO_PEERCRED: pid, uid, gid)."""
    if not hasattr(socket, "SO_PEERCRED"):
        return
    _, uid, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if uid not in (os.geteuid(), 0):
        raise LocalError(f"this oidc-agent belongs to another user (uid {uid})", path=str(path))
