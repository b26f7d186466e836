"""RemotePath and TypedPath: the one module that handles slashes, percent-encoding, `~` and home."""

from __future__ import annotations

import contextlib
import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

from ctadata.errors import NotFound, UsageError
from ctadata.printable import escape_unprintable

TEMPORARY_PREFIX = ".ctadata-"
"""The beginning of the names of our temporary files, local and remote."""

_TEMPORARY = re.compile(
    re.escape(TEMPORARY_PREFIX) + r"(?: (?:[^-]+-){4,5} [^-]+ | [^.]+ \.(?:part | journal | journal-new) )",
    re.DOTALL | re.VERBOSE,
)  # see `transfer.temp_names` and `transfer.local_dir`

MAX_CHARACTERS = 4096
"""The longest path, or other value of a user, in characters: Linux's limit for a path."""

_SHOWN = 200  # characters of a wrong value in a message
_USERINFO = re.compile(
    r"(?: \b [a-z][a-z0-9+.-]{0,15}:// | \b (?: https? | davs? ):/ )"
    r"(?: [^/?\#]*@ | [^/?\#@:\[]* : (?! [0-9]* (?: [/?\#] | $ ) ) .*@ )",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)  # also for a password with a slash, and for one slash in place of two
_NO_NAMES = ("", ".", "..")
_PLAIN = re.compile("[A-Za-z0-9_.~/-]*")  # needs no encoding, as most names


def is_temporary_name(name: str) -> bool:
    """Return whether a name has the form of our temporary files, which listings hide."""
    return name.startswith(TEMPORARY_PREFIX) and bool(_TEMPORARY.fullmatch(name))


def missing_file_error(path: str) -> NotFound:
    """Return the error for a local file that the user names and that does not exist."""
    return NotFound("no such local file", path=escape_unprintable(path))


@dataclass(frozen=True, slots=True, order=True)
class RemotePath:
    """A path in a store: the names from its root down.

    Attributes:
        parts: The names. None is empty, `.` or `..`, and none holds a slash or a NUL.
    """

    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a name that no path may hold (UsageError)."""
        for part in self.parts:
            if part in _NO_NAMES or "/" in part or "\0" in part:
                raise UsageError(f"{escape_unprintable(part)!r} cannot be a name in a remote path")

    @classmethod
    def parse(cls, text: str) -> RemotePath:
        """Parse a decoded path; empty names and `.` are dropped, `..` raises UsageError."""
        return cls(tuple(part for part in text.split("/") if part not in ("", ".")))

    @classmethod
    def decode(cls, text: str) -> RemotePath:
        """Parse a percent-encoded path from a URL (RFC 3986 section 2.1)."""
        pieces = (unquote(piece, errors="surrogateescape") for piece in text.split("/"))
        return cls(tuple(piece for piece in pieces if piece not in ("", ".")))

    @property
    def name(self) -> str:
        """The last name; empty for the root."""
        return self.parts[-1] if self.parts else ""

    @property
    def parent(self) -> RemotePath:
        """The path of the collection above; the root's parent is the root."""
        return _unchecked(self.parts[:-1])

    @property
    def is_temporary(self) -> bool:
        """Whether it has the name of one of our temporary files, which listings hide."""
        return bool(self.parts) and is_temporary_name(self.parts[-1])

    def __truediv__(self, name: str) -> RemotePath:
        """Return the path of an entry of this collection."""
        if name in _NO_NAMES or "/" in name or "\0" in name:
            return RemotePath((*self.parts, name))  # raises UsageError
        return _unchecked((*self.parts, name))

    def with_name(self, name: str) -> RemotePath:
        """Return the path of another entry of the collection above."""
        return _unchecked((*self.parts[:-1], name))

    def join(self, parts: Iterable[str]) -> RemotePath:
        """Return the path that these names lead to from here."""
        return RemotePath((*self.parts, *parts))

    def relative_to(self, base: RemotePath) -> tuple[str, ...]:
        """Return the names from `base` down to this path; ValueError if it is not below `base`."""
        if self.parts[: len(base.parts)] != base.parts:
            raise ValueError(f"{self} does not lie below {base}")
        return self.parts[len(base.parts) :]

    @property
    def encoded(self) -> str:
        """The path in a URL: it begins with `/`, and each name is percent-encoded except for `A-Za-z0-9_.-~`.

        Raises:
            UsageError: A name holds half a surrogate pair, which stands for no bytes.
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
        """The path percent-encoded twice, for the platform's download service, which decodes a path twice."""
        return quote(self.encoded)

    def __str__(self) -> str:
        """Return the decoded path from `/`, without a trailing slash."""
        return "/" + "/".join(self.parts)


def _unchecked(parts: tuple[str, ...]) -> RemotePath:
    """Return a path of names that have been checked: listings create millions."""
    path = object.__new__(RemotePath)
    _set_parts(path, parts)
    return path


_set_parts = RemotePath.__dict__["parts"].__set__


class Anchor(StrEnum):
    """The place from which a typed path starts."""

    ROOT = "root"
    HOME = "home"
    RELATIVE = "relative"


class TypedPath(NamedTuple):
    """A remote path as a user types it.

    Attributes:
        anchor: The root for `/a`, home for `~/a` and `home:a`. For `a` the command decides.
        path: The names after the anchor.
        slash: Whether it ends in a slash: `a/` is a collection, or the contents of one.
    """

    anchor: Anchor
    path: RemotePath
    slash: bool

    @classmethod
    def parse(cls, text: str) -> TypedPath:
        """Parse an argument.

        Raises:
            UsageError: It holds `..`, or the shell has replaced `~` by the local home.
        """
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
            hint=f"for your home on the storage, write '~/{rest}' in quotes, or home:{rest}",
        )


def refuse_empty_paths(*paths: str) -> None:
    """Refuse an empty path: an unset variable of the shell must not mean the root or the current directory.

    Raises:
        UsageError: A path is empty.
    """
    if "" in paths:
        raise UsageError("a path is empty", hint="is a variable of the shell unset? . is this directory, / the root")


def refuse_userinfo(text: str) -> None:
    """Refuse an address with a user or a password, as `https://user:password@host/x`.

    Raises:
        UsageError: The address has one; the error shows neither.
    """
    if "@" not in text:
        return
    match = _USERINFO.match(text) if text.startswith("s3://") else _USERINFO.search(text)
    if match:
        scheme, rest = match[0].partition(":")[0], text[match.end() :].rpartition("@")[2]
        raise UsageError(
            "an address may not hold a user or a password",
            hint="log in with start-agent, pass a token with --token-file, or a key with credentials import",
            path=escape_unprintable(f"{scheme}://***@{rest}"),
        )


def shorten(text: str) -> str:
    """Return the beginning of a text that is too long for a message, and any other text unchanged."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


NO_HOME = Path("/nonexistent")
"""The home of a user without one, as in Debian's user database: nothing exists there, and nothing can be created there.
"""


def local_home() -> Path:
    """Return the home directory on this machine; `NO_HOME` if neither HOME nor the user database names one."""
    try:
        return Path.home()
    except RuntimeError:
        return NO_HOME


def user_directory(kind: Literal["config", "state", "cache"]) -> Path:
    """Return the user's directory for files of a kind, such as `$XDG_STATE_HOME/ctadata`; see platformdirs.

    It is below `NO_HOME` if the user has no home directory. platformdirs raises RuntimeError then; before 4.12 it
    returned a relative path, `~/...`.
    """
    import platformdirs

    find = {
        "config": platformdirs.user_config_path,
        "state": platformdirs.user_state_path,
        "cache": platformdirs.user_cache_path,
    }[kind]
    with contextlib.suppress(RuntimeError):
        path = find("ctadata", appauthor=False)
        if path.parts[0] != "~":
            return path
    return NO_HOME / "ctadata"


def to_nfc(name: str) -> str:
    """Return the name in the Unicode normal form NFC."""
    return unicodedata.normalize("NFC", name)


def first_changed_by_nfc(name: str) -> str:
    """Return the first character that NFC changes, as `U+0301 COMBINING ACUTE ACCENT`; empty if NFC changes nothing."""
    if unicodedata.is_normalized("NFC", name):
        return ""
    ends = range(1, len(name) + 1)
    return _describe(name[next(end for end in ends if not unicodedata.is_normalized("NFC", name[:end])) - 1])


def first_control_character(name: str) -> str:
    """Return the first control character, as `U+000A (newline)`; empty if there is none."""
    if name.isprintable():
        return ""
    return next((_describe(c) for c in name if unicodedata.category(c) == "Cc"), "")


_CONTROLS = {"\t": "tab", "\n": "newline", "\r": "carriage return", "\x1b": "escape", "\x7f": "delete"}


def _describe(c: str) -> str:
    name = unicodedata.name(c, "") or f"({_CONTROLS.get(c, 'control character')})"
    return f"U+{ord(c):04X} {name}"
