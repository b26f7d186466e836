"""Checks of single values: each takes a text and gives the value, or raises ValueError with words for the user.

`base` is the directory that relative paths start from: that of the file they stand in, else the current one.
"""

from __future__ import annotations

import ipaddress
import os
import re
import string
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from ctadata.errors import UsageError
from ctadata.paths import RemotePath, refuse_userinfo

_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def text(value: str, base: Path) -> str:  # noqa: ARG001  (all checks have one signature)
    """Any text that can stand in a line, without a password in an address."""
    try:
        refuse_userinfo(value)
    except UsageError as error:
        raise ValueError(error.what) from None
    if not value.strip() or not value.isprintable():
        raise ValueError(f"{value!r} is empty or holds control characters")
    return value


def flag(value: str) -> bool:
    """1, true, yes, on; 0, false, no, off; in any case."""
    try:
        return _FLAGS[value.strip().lower()]
    except KeyError:
        raise ValueError(f"must be true or false, not {value!r}") from None


def count(low: int, high: int) -> Callable[[str, Path], int]:
    """A whole number from `low` to `high`."""

    def check(value: str, base: Path) -> int:  # noqa: ARG001
        number = int(value) if re.fullmatch(r"\s*[0-9]{1,15}\s*", value) else None
        if number is None or not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {value!r}")
        return number

    return check


def one_of(*words: str) -> Callable[[str, Path], str]:
    """One of these words."""

    def check(value: str, base: Path) -> str:  # noqa: ARG001
        if value not in words:
            raise ValueError(f"must be {' or '.join(words)}, not {value!r}")
        return value

    return check


def address(value: str, base: Path) -> str:  # noqa: ARG001
    """An https address, as written; http only where it leads to this machine (the token travels there)."""
    _split(value)
    return value


def origin(value: str, base: Path) -> str:  # noqa: ARG001
    """scheme://host[:port] in lower case, without a slash at the end (RFC 6454); the same rule for http."""
    url = _split(value)
    if url.path not in ("", "/"):
        raise ValueError(
            f"must be an origin such as https://host:2880; the path {_harmless(url.path)!r} belongs into root"
        )
    return f"{url.scheme}://{url.netloc.lower()}"


def endpoint(value: str, base: Path) -> str:  # noqa: ARG001
    """An S3 server, https://host[:port]; http for any host where it says so: the secret key never travels."""
    url = _split(value, clear=True)
    if url.path not in ("", "/"):
        raise ValueError(
            f"must be an origin such as https://host:9021; the path {_harmless(url.path)!r} belongs into root"
        )
    return f"{url.scheme}://{url.netloc.lower()}"


def region(value: str, base: Path) -> str:  # noqa: ARG001
    """The name of an S3 region, as it stands in a signature."""
    if not re.fullmatch("[A-Za-z0-9_-]{1,64}", value):
        raise ValueError(f"must be a region such as eu-central-1, not {value!r}")
    return value


_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def size(low: int, high: int) -> Callable[[str, Path], int]:
    """Bytes, as `64MiB`, `64M` or a number, from `low` to `high`."""

    def check(value: str, base: Path) -> int:  # noqa: ARG001
        match = re.fullmatch("([0-9]{1,15}) *([kmg]?)(i?b)?", value.strip().lower())
        found = int(match[1]) * _UNITS[match[2]] if match else 0
        if not low <= found <= high:
            raise ValueError(f"must be a size from {low >> 20}MiB to {high >> 20}MiB, not {value!r}")
        return found

    return check


def _split(value: str, *, clear: bool = False) -> SplitResult:
    wrong = ValueError(f"must be an https address such as https://host:2880, not {_harmless(value)!r}")
    try:
        url = urlsplit(value)
        host = url.hostname or ""
        url.port  # noqa: B018  (ValueError where it is no number)
    except ValueError:
        raise wrong from None
    if url.scheme not in ("http", "https") or not host or not value.isprintable() or " " in value:
        raise wrong
    if "@" in url.netloc or "?" in value or "#" in value:
        raise ValueError("must be an address without user, password, query or fragment")
    if url.scheme == "http" and not clear and not _is_loopback(host):
        raise ValueError(f"must be https, so that nobody reads the token on its way, not {_harmless(value)!r}")
    return url


def _harmless(value: str) -> str:
    return value if "@" not in value else "one with a user or password in it"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def place(value: str, base: Path) -> Path:
    """A local path, made absolute; `~` is the local home."""
    try:
        return base / Path(text(value, base)).expanduser()
    except RuntimeError:  # pathlib's word for a home that is not known
        raise ValueError(f"nobody knows the home directory in {value!r}") from None


def certificates(value: str, base: Path) -> Path:
    """A local file or directory that exists."""
    found = place(value, base)
    if not os.path.exists(found):  # noqa: PTH110  (pathlib raises where the name is too long)
        raise ValueError(f"there is no {found}")
    return found


def root(value: str, base: Path) -> str:
    """A remote path, from `/`."""
    try:
        return str(RemotePath.parse(text(value, base)))
    except UsageError as error:
        raise ValueError(error.what) from None


def name(value: str, base: Path) -> str:
    """A text that can stand for `{user}` in a path."""
    if "/" in value or value in (".", ".."):
        raise ValueError(f"{value!r} cannot be a user name")
    return text(value, base)


def template(value: str, base: Path) -> str:
    """A remote path with `{user}` and no other field in it."""
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(value) if field is not None]
    except ValueError:
        fields = [""]
    if any(field != "user" for field in fields):
        raise ValueError(f"{value!r} may hold {{user}} and no other braces")
    root(value, base)
    return value
