"""Parse and check single values of settings.

Each function takes a text, and `base`, the directory from which relative paths start: the settings file's directory, or
else the current one. It returns the value, or raises ValueError with a message for the user.
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


def parse_text(value: str, base: Path) -> str:  # noqa: ARG001  (all checks have one signature)
    """Return a text that is one line, without control characters and without a password in an address."""
    try:
        refuse_userinfo(value)
    except UsageError as error:
        raise ValueError(error.what) from None
    if not value.strip() or not value.isprintable():
        raise ValueError(f"{value!r} is empty or holds control characters")
    return value


def parse_flag(value: str) -> bool:
    """Return True for 1, true, yes, on and False for 0, false, no, off; upper and lower case do not matter."""
    try:
        return _FLAGS[value.strip().lower()]
    except KeyError:
        raise ValueError(f"must be true or false, not {value!r}") from None


def integer_between(low: int, high: int) -> Callable[[str, Path], int]:
    """Return a check for a whole number from `low` to `high`."""

    def check(value: str, base: Path) -> int:  # noqa: ARG001
        number = int(value) if re.fullmatch(r"\s*[0-9]{1,15}\s*", value) else None
        if number is None or not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {value!r}")
        return number

    return check


def one_of(*words: str) -> Callable[[str, Path], str]:
    """Return a check for one of these words."""

    def check(value: str, base: Path) -> str:  # noqa: ARG001
        if value not in words:
            raise ValueError(f"must be {' or '.join(words)}, not {value!r}")
        return value

    return check


def parse_address(value: str, base: Path) -> str:  # noqa: ARG001
    """Return an https address as it was written; http is allowed for this machine only: the token is sent there."""
    _split(value)
    return value


def parse_origin(value: str, base: Path) -> str:  # noqa: ARG001
    """Return `scheme://host[:port]` in lower case, without a trailing slash (RFC 6454); http as in `parse_address`."""
    url = _split(value)
    if url.path not in ("", "/"):
        raise ValueError(
            f"must be an origin such as https://host:2880; write the path {_without_user(url.path)!r} into root"
        )
    return f"{url.scheme}://{url.netloc.lower()}"


def parse_endpoint(value: str, base: Path) -> str:  # noqa: ARG001
    """Return the address of an S3 server, `https://host[:port]`; http is allowed: the secret key is never sent."""
    url = _split(value, allow_http=True)
    if url.path not in ("", "/"):
        raise ValueError(
            f"must be an origin such as https://host:9021; write the path {_without_user(url.path)!r} into root"
        )
    return f"{url.scheme}://{url.netloc.lower()}"


def parse_region(value: str, base: Path) -> str:  # noqa: ARG001
    """Return the name of an S3 region, as a signature holds it."""
    if not re.fullmatch("[A-Za-z0-9_-]{1,64}", value):
        raise ValueError(f"must be a region such as eu-central-1, not {value!r}")
    return value


_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def size_between(low: int, high: int) -> Callable[[str, Path], int]:
    """Return a check for a number of bytes from `low` to `high`, written as `64MiB`, `64M` or a plain number."""

    def check(value: str, base: Path) -> int:  # noqa: ARG001
        match = re.fullmatch("([0-9]{1,15}) *([kmg]?)(i?b)?", value.strip().lower())
        number = int(match[1]) * _UNITS[match[2]] if match else 0
        if not low <= number <= high:
            raise ValueError(f"must be a size from {low >> 20}MiB to {high >> 20}MiB, not {value!r}")
        return number

    return check


def _split(value: str, *, allow_http: bool = False) -> SplitResult:
    error = ValueError(f"must be an https address such as https://host:2880, not {_without_user(value)!r}")
    try:
        url = urlsplit(value)
        host = url.hostname or ""
        url.port  # noqa: B018  (ValueError if it is no number)
    except ValueError:
        raise error from None
    if url.scheme not in ("http", "https") or not host or not value.isprintable() or " " in value:
        raise error
    if "@" in url.netloc or "?" in value or "#" in value:
        raise ValueError("must be an address without user, password, query or fragment")
    if url.scheme == "http" and not allow_http and not _is_loopback(host):
        raise ValueError(f"must be https, because it receives the token, not {_without_user(value)!r}")
    return url


def _without_user(value: str) -> str:
    return value if "@" not in value else "one with a user or password in it"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_local_path(value: str, base: Path) -> Path:
    """Return an absolute local path; `~` is the local home."""
    try:
        return base / Path(parse_text(value, base)).expanduser()
    except RuntimeError:  # pathlib knows no such home directory
        raise ValueError(f"the home directory in {value!r} is not known") from None


def parse_existing_path(value: str, base: Path) -> Path:
    """Return the absolute path of a local file or directory that exists."""
    path = parse_local_path(value, base)
    if not os.path.exists(path):  # noqa: PTH110  (pathlib raises if the name is too long)
        raise ValueError(f"there is no {path}")
    return path


def parse_remote_path(value: str, base: Path) -> str:
    """Return a remote path, from `/`."""
    try:
        return str(RemotePath.parse(parse_text(value, base)))
    except UsageError as error:
        raise ValueError(error.what) from None


def parse_user_name(value: str, base: Path) -> str:
    """Return a text that can replace `{user}` in a path."""
    if "/" in value or value in (".", ".."):
        raise ValueError(f"{value!r} cannot be a user name")
    return parse_text(value, base)


def parse_home_template(value: str, base: Path) -> str:
    """Return a remote path that holds `{user}` and no other field."""
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(value) if field is not None]
    except ValueError:
        fields = [""]
    if any(field != "user" for field in fields):
        raise ValueError(f"{value!r} may hold {{user}} and no other braces")
    parse_remote_path(value, base)
    return value
