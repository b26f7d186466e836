"""One thing that was looked at, and how it stands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Event

from ctadata.errors import CtadataError, Stopped
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.webdav.probe import certificate_of

SOON = 14 * 86400.0
"""Seconds before its end from which a certificate is worth a warning."""
TELL = "-v -v shows every request; --bundle writes a report for whoever runs the storage"
"""What to do where nothing better is known."""


class Verdict(StrEnum):
    """How it stands."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was seen, and what to do about it."""

    what: str
    verdict: Verdict
    words: str
    advice: str = ""


Check = Callable[[], Iterator[Finding]]


def tls(url: str, ca: Path | None, stop: Event) -> Finding:
    """How a server is reached; Unreachable, TimedOut, Untrusted, ConfigError (ca), Stopped."""
    certificate = certificate_of(url, ca, stop)
    if certificate is None:
        return Finding("tls", Verdict.WARN, "the server is asked without TLS", "use its https address")
    days = (certificate.ends - time.time()) / 86400
    words = f"{certificate.protocol}, a certificate of {certificate.issuer}, good for {days:.0f} days"
    late = days * 86400 < SOON
    return Finding("tls", Verdict.WARN if late else Verdict.OK, words, "tell the site" if late else "")


def deletion(store: Store, path: RemotePath) -> Finding:
    """Whether the file that a check has uploaded can be deleted again; where not, it is named."""
    try:
        store.delete(path)
    except Stopped:
        raise
    except CtadataError as error:
        return Finding("delete", Verdict.FAIL, f"{path} is left there: {error.what}", error.hint or TELL)
    return Finding("delete", Verdict.OK, "what was uploaded could be deleted again")
