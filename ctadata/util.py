"""A name that scripts for 0.6 import from here; this package does not use it."""

from __future__ import annotations


def urljoin_multipart(*args: str | None) -> str:
    """Join the parts of an address with single slashes, without empty parts; new scripts use `urllib.parse`."""
    return "/".join(arg.strip("/") for arg in args if arg and arg.strip("/"))
