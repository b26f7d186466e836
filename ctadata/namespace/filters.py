"""Which names of a tree are meant (`--include`, `--exclude`), and patterns as shells write them.

A pattern is a path of names with `*` (any letters of one name), `?` (one letter), `[ab]`, `[!ab]`, and, as a name of
its own, `**` (any number of directories). Without a slash it is about the name alone, at any depth; with one, about
the path from the top of the tree; with one at its end, about directories. A directory stands for all below it.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ctadata.errors import UsageError
from ctadata.paths import escape_unprintable

_MAGIC = re.compile(r"[*?[]")

Name = Callable[[str], object]
"""Whether one name matches."""


def is_pattern(text: str) -> bool:
    """Whether any letter of it means others."""
    return bool(_MAGIC.search(text))


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern, read: for each name what it must be, None for `**`; and whether it is about directories alone."""

    names: tuple[Name | None, ...]
    directories: bool

    @classmethod
    def read(cls, text: str) -> Pattern:
        """Read a pattern; UsageError where it holds `..` or no name at all."""
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            raise UsageError("it cannot be a pattern", path=escape_unprintable(text))
        anywhere = "/" not in text.rstrip("/")
        names = [None, *map(_name, parts)] if anywhere else list(map(_name, parts))
        return cls(tuple(names), text.endswith("/"))

    def matches(self, parts: Sequence[str]) -> bool:
        """Whether the whole path is meant."""
        return _match(self.names, parts)

    def covers(self, parts: Sequence[str], *, directory: bool) -> bool:
        """Whether the path, or a directory above it, is meant."""
        depth = len(parts) if directory or not self.directories else len(parts) - 1
        return any(_match(self.names, parts[:n]) for n in range(1, depth + 1))


def _name(part: str) -> Name | None:
    return None if part == "**" else re.compile(fnmatch.translate(part)).match


def _match(names: Sequence[Name | None], parts: Sequence[str]) -> bool:
    if not names:
        return not parts
    if names[0] is None:
        return any(_match(names[1:], parts[n:]) for n in range(len(parts) + 1))
    return bool(parts) and bool(names[0](parts[0])) and _match(names[1:], parts[1:])


@dataclass(frozen=True, slots=True)
class Filters:
    """What of a tree is meant: what an include covers, or all where there is none, without what an exclude covers."""

    include: tuple[Pattern, ...] = ()
    exclude: tuple[Pattern, ...] = ()

    @classmethod
    def read(cls, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Filters:
        """Read the patterns; UsageError."""
        return cls(tuple(map(Pattern.read, include)), tuple(map(Pattern.read, exclude)))

    def __bool__(self) -> bool:
        """Whether anything is left out."""
        return bool(self.include or self.exclude)

    def takes(self, parts: Sequence[str]) -> bool:
        """Whether the file with these names from the top of the tree is meant."""
        if self.exclude and any(pattern.covers(parts, directory=False) for pattern in self.exclude):
            return False
        return not self.include or any(pattern.covers(parts, directory=False) for pattern in self.include)

    def enters(self, parts: Sequence[str]) -> bool:
        """Whether there may be meant files in the directory with these names; those above it were asked about."""
        return not any(pattern.covers(parts, directory=True) for pattern in self.exclude)

    def takes_directory(self, parts: Sequence[str]) -> bool:
        """Whether the directory is meant for itself, also where nothing lies in it."""
        return self.enters(parts) and (
            not self.include or any(pattern.covers(parts, directory=True) for pattern in self.include)
        )
