"""RemotePath: the only place that touches slashes, percent-encoding, `~` and home; and the guard of local names.

What a person types is a `TypedPath` (from the root, from home, or relative); what the program works with is a
`RemotePath`, always from the root of the store. Names are `str`; bytes that are not UTF-8 are carried as
surrogates (PEP 383), so that every name a server has can be named back to it.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote, unquote

from ctadata.errors import LocalError, UsageError

TEMPORARY_PREFIX = ".ctadata-"
"""How the names of our own temporaries begin, local and remote; listings hide such names."""

MAX_CHARACTERS = 4096
"""Characters of a path, or of another value that a person writes, at most: what Linux takes."""

_SHOWN = 200  # characters of a wrong value that are shown
_USERINFO = re.compile(
    r"(?: \b [a-z][a-z0-9+.-]{0,15}:// | \b (?: https? | davs? ):/ )"
    r"(?: [^/?\#]*@ | [^/?\#@:\[]* : (?! [0-9]* (?: [/?\#] | $ ) ) .*@ )",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)  # also if the password holds a slash, and if somebody has made one slash of two
_PLAIN = re.compile("[A-Za-z0-9_.~/-]*")  # what needs no encoding, so most names
_DEVICE = re.compile("(?i:con|prn|aux|nul|(com|lpt)[0-9])")  # what Windows takes for a device in every directory


@dataclass(frozen=True, slots=True, order=True)
class RemotePath:
    """A place in a store: the names from its root down; no name is empty, `.`, `..`, or holds a slash or NUL."""

    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no path may hold (UsageError)."""
        for part in self.parts:
            _check_part(part)

    @classmethod
    def parse(cls, text: str) -> RemotePath:
        """Read a decoded path; doubled slashes and `.` are passed over, `..` is refused (UsageError)."""
        return cls(tuple(part for part in text.split("/") if part not in ("", ".")))

    @classmethod
    def decode(cls, text: str) -> RemotePath:
        """Read a percent-encoded path, as it stands in a URL (RFC 3986 section 2.1)."""
        pieces = (unquote(piece, errors="surrogateescape") for piece in text.split("/"))
        return cls(tuple(piece for piece in pieces if piece not in ("", ".")))

    @property
    def name(self) -> str:
        """The last name; empty for the root."""
        return self.parts[-1] if self.parts else ""

    @property
    def parent(self) -> RemotePath:
        """The collection it lies in; the root's is the root."""
        return RemotePath(self.parts[:-1])

    @property
    def is_temporary(self) -> bool:
        """Whether it is one of our own temporaries, which listings hide."""
        return bool(self.parts) and self.parts[-1].startswith(TEMPORARY_PREFIX)

    def __truediv__(self, name: str) -> RemotePath:
        """The entry of that name below this collection."""
        _check_part(name)
        below = object.__new__(RemotePath)  # listings make millions, and what is above was looked at once
        object.__setattr__(below, "parts", (*self.parts, name))
        return below

    def join(self, parts: Iterable[str]) -> RemotePath:
        """The entry reached from here by these names."""
        return RemotePath((*self.parts, *parts))

    def relative_to(self, base: RemotePath) -> tuple[str, ...]:
        """The names from `base` down to here; ValueError where this does not lie below it."""
        if self.parts[: len(base.parts)] != base.parts:
            raise ValueError(f"{self} does not lie below {base}")
        return self.parts[len(base.parts) :]

    @property
    def encoded(self) -> str:
        """As it stands in a URL: from `/`, each name percent-encoded but for `A-Za-z0-9_.-~`, no slash at the end.

        UsageError for half a surrogate pair, which no bytes stand for.
        """
        text = "/".join(self.parts)
        if _PLAIN.fullmatch(text):
            return "/" + text
        try:
            return "/" + "/".join(quote(part, safe="", errors="surrogateescape") for part in self.parts)
        except UnicodeEncodeError:
            raise UsageError("no URL can carry this name", path=escape_unprintable(str(self))) from None

    @property
    def twice_encoded(self) -> str:
        """`encoded`, once more: for the platform's download service, which decodes a path twice."""
        return quote(self.encoded)

    def __str__(self) -> str:
        """From `/`, decoded, without a slash at the end."""
        return "/" + "/".join(self.parts)


def _check_part(part: str) -> None:
    if part in ("", ".", "..") or "/" in part or "\0" in part:
        raise UsageError(f"{escape_unprintable(part)!r} cannot be a name in a remote path")


class Anchor(StrEnum):
    """What the path that a person typed starts from."""

    ROOT = "root"
    HOME = "home"
    RELATIVE = "relative"


@dataclass(frozen=True, slots=True)
class TypedPath:
    """A remote path as a person typed it.

    anchor: `/a` starts from the root, `~/a` and `home:a` from home, `a` from what the verb says.
    path:   the names after the anchor.
    slash:  whether it ended in a slash: `a/` is a collection, or the contents of one.
    """

    anchor: Anchor
    path: RemotePath
    slash: bool

    @classmethod
    def parse(cls, text: str) -> TypedPath:
        """Read an argument; UsageError where it holds `..`, or the shell has put the local home into it."""
        _refuse_local_home(text)
        for prefix in ("home:", "~/"):
            if text.startswith(prefix):
                rest = text[len(prefix) :]
                return cls(Anchor.HOME, RemotePath.parse(rest), not rest or rest.endswith("/"))
        if text == "~":
            return cls(Anchor.HOME, RemotePath(), slash=False)
        anchor = Anchor.ROOT if text.startswith("/") else Anchor.RELATIVE
        return cls(anchor, RemotePath.parse(text), text.endswith("/"))


def _refuse_local_home(text: str) -> None:
    local = os.path.expanduser("~").rstrip("/")  # noqa: PTH111  (a string comparison is meant)
    if local.startswith("/") and (text == local or text.startswith(local + "/")):
        rest = escape_unprintable(text[len(local) :].lstrip("/"))
        raise UsageError(
            f"{escape_unprintable(text)} is a directory of this machine: the shell has replaced ~",
            hint=f"for your home on the storage write '~/{rest}' in quotes, or home:{rest}",
        )


def refuse_userinfo(text: str) -> None:
    """UsageError for an address with a user or a password in it, `https://user:password@host/x`; it shows neither."""
    if "@" not in text:
        return
    found = _USERINFO.match(text) if text.startswith("s3://") else _USERINFO.search(text)
    if found:
        scheme, rest = found[0].partition(":")[0], text[found.end() :].rpartition("@")[2]
        raise UsageError(
            "an address has no user and no password in it",
            hint="a login belongs to start-agent, a token into --token-file, an access key into credentials import",
            path=escape_unprintable(f"{scheme}://***@{rest}"),
        )


def check_local_name(name: str, *, windows: bool = os.name == "nt") -> str:
    """Return `name` if a local file may bear it.

    Raises LocalError: the name leads elsewhere, or the file system's encoding (of the locale) has no letters for it,
    or has the same bytes for another name.
    """
    bad = name in ("", ".", "..") or "/" in name or "\0" in name
    bad = bad or not (name.isascii() or _survives(name))
    if windows:
        bad = bad or any(c in '\\:*?"<>|' or c < " " for c in name) or name[-1:] in (".", " ")
        bad = bad or bool(_DEVICE.fullmatch(name.partition(".")[0].rstrip()))
    if bad:
        raise LocalError("no local file can bear this name", path=escape_unprintable(name))
    return name


def shorten(text: str) -> str:
    """The beginning of a text that is too long for a message."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _survives(name: str) -> bool:
    """Whether the name that a directory lists is the one that a file was given."""
    try:
        return os.fsdecode(os.fsencode(name)) == name
    except UnicodeEncodeError:
        return False


NO_HOME = Path("/nonexistent")
"""The home of a user who has none, as in Debian's user database: nothing is there, and nothing can be made there."""


def local_home() -> Path:
    """The home directory on this machine; `NO_HOME` if neither HOME nor the user database names one."""
    try:
        return Path.home()
    except RuntimeError:
        return NO_HOME


def escape_unprintable(text: str) -> str:
    """`text` with every character that could steer a terminal written as an escape.

    Control characters (C0, C1, DEL), bidirectional overrides, line separators and bytes that are not UTF-8
    become `\\x1b`, `\\u202e` and so on; letters of all scripts stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _harmless(c) else c.encode("unicode_escape").decode("ascii") for c in text)


def _harmless(c: str) -> bool:
    return unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def to_nfc(name: str) -> str:
    """The name in Unicode's normal form NFC."""
    return unicodedata.normalize("NFC", name)


def first_changed_by_nfc(name: str) -> str:
    """The first character for which NFC writes `name` otherwise, as `U+0301 COMBINING ACUTE ACCENT`; empty for none."""
    if unicodedata.is_normalized("NFC", name):
        return ""
    ends = range(1, len(name) + 1)
    return _described(name[next(end for end in ends if not unicodedata.is_normalized("NFC", name[:end])) - 1])


def first_control_character(name: str) -> str:
    """The first control character of `name`, as `U+000A (newline)`; empty where it has none."""
    return next((_described(c) for c in name if unicodedata.category(c) == "Cc"), "")


_CONTROLS = {"\t": "tab", "\n": "newline", "\r": "carriage return", "\x1b": "escape", "\x7f": "delete"}


def _described(c: str) -> str:
    name = unicodedata.name(c, "") or f"({_CONTROLS.get(c, 'control character')})"
    return f"U+{ord(c):04X} {name}"
