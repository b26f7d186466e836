"""The finding of a check, and the checks that all kinds of storage share."""

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
from ctadata.stores.webdav.probe import fetch_certificate

EXPIRES_SOON = 14 * 86400.0
"""Seconds before its end from which a certificate gets a warning."""
GENERAL_ADVICE = "-v -v shows every request; --bundle writes a report for the administrators of the storage"
"""The advice if there is no better one."""


class Verdict(StrEnum):
    """The outcome of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The finding of one check.

    Attributes:
        what: What was checked, in one word.
        verdict: The outcome.
        words: What the check found.
        advice: What the user can do; empty if all is well.
        needs_login: Whether it failed because nobody has logged in.
    """

    what: str
    verdict: Verdict
    words: str
    advice: str = ""
    needs_login: bool = False


Check = Callable[[], Iterator[Finding]]


def check_tls(url: str, ca: Path | None, stop: Event) -> Finding:
    """Connect to a server, and return a finding about its TLS and its certificate.

    Args:
        url: Any URL of the server.
        ca: CA certificates in addition to the default ones; None for none.
        stop: Ends the connection attempt when it is set.

    Raises:
        Unreachable: There is no connection.
        TimedOut: The server does not answer.
        Untrusted: No CA that is known here signed the certificate.
        ConfigError: The CA file is not usable.
        Stopped: `stop` was set.
    """
    certificate = fetch_certificate(url, ca, stop)
    if certificate is None:
        return Finding("tls", Verdict.WARN, "the connection has no TLS", "use the server's https address")
    days = (certificate.ends - time.time()) / 86400
    words = f"{certificate.protocol}, a certificate of {certificate.issuer}, valid for {days:.0f} days"
    expires_soon = days * 86400 < EXPIRES_SOON
    return Finding(
        "tls",
        Verdict.WARN if expires_soon else Verdict.OK,
        words,
        "report this to the site" if expires_soon else "",
    )


def check_deletion(store: Store, path: RemotePath) -> Finding:
    """Delete the file that a check uploaded, and return a finding; a failure names the file."""
    try:
        store.delete(path)
    except Stopped:
        raise
    except CtadataError as error:
        return Finding(
            "delete", Verdict.FAIL, f"{path} could not be deleted again: {error.what}", error.hint or GENERAL_ADVICE
        )
    return Finding("delete", Verdict.OK, "the uploaded file was deleted again")
