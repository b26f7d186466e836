"""A name that scripts of 0.6 import from here; nothing of this package uses it."""

from __future__ import annotations


def urljoin_multipart(*args: str | None) -> str:
    """The parts of an address joined by single slashes; empty ones are passed over. `urllib.parse` has better ways."""
    return "/".join(arg.strip("/") for arg in args if arg and arg.strip("/"))
