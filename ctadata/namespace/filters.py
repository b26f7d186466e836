"""The filters `--include` and `--exclude`, and patterns in the style of shells.

A pattern is a path of names with `*` (any letters of one name), `?` (one letter), `[ab]`, `[!ab]`, and `**` as a name
of its own (any number of directories). A pattern without a slash matches a name at any depth; with a slash it matches
the path from the top of the tree; with a slash at its end it matches directories only. A pattern that matches a
directory covers all below it.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ctadata.errors import UsageError
from ctadata.printable import escape_unprintable

_MAGIC = re.compile(r"[*?[]")

NameMatcher = Callable[[str], object]
"""A function that returns whether it matches one name."""


def is_pattern(text: str) -> bool:
    """Return whether a text holds a wildcard."""
    return bool(_MAGIC.search(text))


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern.

    Attributes:
        names: A matcher for each name of the path; None for `**`.
        directories: The pattern matches directories only.
    """

    names: tuple[NameMatcher | None, ...]
    directories: bool

    @classmethod
    def read(cls, text: str) -> Pattern:
        """Return the parsed pattern; raise UsageError if it holds `..` or no name."""
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            raise UsageError("the pattern is not valid: it holds .. or no name", path=escape_unprintable(text))
        anywhere = "/" not in text.rstrip("/")
        names = [None, *map(_compile_name, parts)] if anywhere else list(map(_compile_name, parts))
        return cls(tuple(names), text.endswith("/"))

    def matches(self, parts: Sequence[str]) -> bool:
        """Return whether the pattern matches the whole path."""
        return _match(self.names, parts)

    def covers(self, parts: Sequence[str], *, directory: bool) -> bool:
        """Return whether the pattern matches the path or a directory above it."""
        depth = len(parts) if directory or not self.directories else len(parts) - 1
        return any(_match(self.names, parts[:n]) for n in range(1, depth + 1))


def _compile_name(part: str) -> NameMatcher | None:
    return None if part == "**" else re.compile(fnmatch.translate(part)).match


def _match(names: Sequence[NameMatcher | None], parts: Sequence[str]) -> bool:
    if not names:
        return not parts
    if names[0] is None:
        return any(_match(names[1:], parts[n:]) for n in range(len(parts) + 1))
    return bool(parts) and bool(names[0](parts[0])) and _match(names[1:], parts[1:])


@dataclass(frozen=True, slots=True)
class Filters:
    """The selection of a part of a tree.

    Attributes:
        include: Only files that one of these patterns covers are selected. Empty: all files.
        exclude: Files that one of these patterns covers are not selected.
    """

    include: tuple[Pattern, ...] = ()
    exclude: tuple[Pattern, ...] = ()

    @classmethod
    def read(cls, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Filters:
        """Return the parsed filters; raise UsageError for an invalid pattern."""
        return cls(tuple(map(Pattern.read, include)), tuple(map(Pattern.read, exclude)))

    def __bool__(self) -> bool:
        """Return whether the filters leave anything out."""
        return bool(self.include or self.exclude)

    def takes(self, parts: Sequence[str]) -> bool:
        """Return whether the file with these names, from the top of the tree, is selected."""
        if self.exclude and any(pattern.covers(parts, directory=False) for pattern in self.exclude):
            return False
        return not self.include or any(pattern.covers(parts, directory=False) for pattern in self.include)

    def enters(self, parts: Sequence[str]) -> bool:
        """Return whether selected files may lie in this directory. The caller asks about those above it first."""
        return not any(pattern.covers(parts, directory=True) for pattern in self.exclude)

    def takes_directory(self, parts: Sequence[str]) -> bool:
        """Return whether the directory itself is selected, even if it is empty."""
        return self.enters(parts) and (
            not self.include or any(pattern.covers(parts, directory=True) for pattern in self.include)
        )
