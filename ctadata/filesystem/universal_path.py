"""Paths of universal_pathlib: `UPath("cta:///lst/run1")`. The library loads this class when it meets such a URL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from fsspec.registry import get_filesystem_class
from upath import UPath

from ctadata.filesystem.locations import PROTOCOLS, is_below_home, join_url

for _protocol in PROTOCOLS:
    get_filesystem_class(_protocol)  # universal_pathlib splits paths with the class, if fsspec has imported it


class CtaPath(UPath):
    """A path at the storage of a profile, used as `pathlib.Path` is; its one option is `profile`."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return the URL, with the profile: without it, the URL would mean a file at another storage."""
        if not self.is_absolute():
            return str(super().__str__())
        return join_url(self.storage_options.get("profile"), self.path)

    def __repr__(self) -> str:
        """Return the class and the URL."""
        return f"{type(self).__name__}({str(self)!r})"

    @classmethod
    def home(cls) -> Self:
        """Return the user's home at the storage of the default profile."""
        return cls(f"{PROTOCOLS[0]}:///~")

    def expanduser(self) -> Self:
        """Return the path from the root, without `~`; it looks the home up once. NotFound, ConfigError."""
        if not self.is_absolute() or not is_below_home(self.path):
            return self
        return self.with_segments(self.fs._from_root(self.path))

    def glob(self, pattern: str, **options: Any) -> Iterator[Self]:
        """Yield what a pattern matches below this directory, as paths from the root."""
        yield from UPath.glob(self.expanduser(), pattern, **options)

    def rglob(self, pattern: str, **options: Any) -> Iterator[Self]:
        """Yield what a pattern matches at any depth below this directory, as paths from the root."""
        yield from UPath.rglob(self.expanduser(), pattern, **options)
