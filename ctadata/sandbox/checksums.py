"""Checksums as dCache names and writes them: adler32 in hexadecimal, md5 and the SHAs in base64 (dcache.md 2)."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Mapping
from typing import Protocol

STRENGTH = ("sha-512", "sha-256", "sha", "md5", "adler32")
"""The algorithms from the strongest to the weakest; dCache takes the strongest of equally wanted ones."""

_PYTHON_NAMES = {"md5": "md5", "sha": "sha1", "sha-256": "sha256", "sha-512": "sha512"}
_TYPE_NUMBERS = {"adler32": 1, "md5": 2, "sha": 4, "sha-256": 5, "sha-512": 6}


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Adler32:
    def __init__(self) -> None:
        self._value = 1

    def update(self, data: bytes, /) -> None:
        self._value = zlib.adler32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


class RunningChecksums:
    """Several checksums that are computed while bytes stream by."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        """Start the checksums of these algorithms."""
        self._hashes = {name: _new(name) for name in algorithms}

    def update(self, block: bytes) -> None:
        """Add the next bytes."""
        for running in self._hashes.values():
            running.update(block)

    def digests(self) -> dict[str, bytes]:
        """Return the raw digests by algorithm."""
        return {name: running.digest() for name, running in self._hashes.items()}


def _new(name: str) -> _Hash:
    return _Adler32() if name == "adler32" else hashlib.new(_PYTHON_NAMES[name], usedforsecurity=False)


def format_digest(name: str, digest: bytes) -> str:
    """Return `name=value` as in a Digest header (RFC 3230)."""
    return f"{name}={digest.hex() if name == 'adler32' else base64.b64encode(digest).decode()}"


def format_typed_digest(name: str, digest: bytes) -> str:
    """Return `type:hex` as in the reason phrase of a checksum mismatch."""
    return f"{_TYPE_NUMBERS[name]}:{digest.hex()}"


def parse_want_digest(want_digest: str | None) -> list[str]:
    """Return the algorithms of a Want-Digest header, the most wanted first, without unknown ones and those with q=0."""
    weights: dict[str, float] = {}
    for item in (want_digest or "").split(","):
        name, _, parameter = item.strip().lower().partition(";")
        weight = _weight(parameter)
        if name.strip() in STRENGTH and weight > 0:
            weights[name.strip()] = weight
    return sorted(weights, key=lambda name: (-weights[name], STRENGTH.index(name)))


def _weight(parameter: str) -> float:
    key, _, value = parameter.partition("=")
    try:
        return float(value) if key.strip() == "q" else 1.0
    except ValueError:
        return 1.0


def choose_digest(want_digest: str | None, known: Mapping[str, bytes]) -> str | None:
    """Return the value of the Digest header with exactly one algorithm; None if no wanted digest is known."""
    return next((format_digest(name, known[name]) for name in parse_want_digest(want_digest) if name in known), None)
