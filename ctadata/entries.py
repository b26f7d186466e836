"""Entry: one file or directory of a listing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from ctadata.paths import RemotePath

NO_CHECKSUMS: Mapping[str, str] = MappingProxyType({})
"""No checksums."""


def no_checksums() -> Mapping[str, str]:
    """Return the default of a field of checksums: a mapping proxy has no hash, so dataclasses want a factory."""
    return NO_CHECKSUMS


class Kind(StrEnum):
    """The kind of an entry."""

    FILE = "file"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or collection, as the store describes it. None means that the store does not say.

    Attributes:
        path: The path from the root of the store.
        kind: File or directory.
        size: The bytes; None for a collection, and for a file whose upload has not ended.
        mtime: Seconds since 1970 UTC.
        etag: The entity tag as it was sent, with its quotes. Equal strong tags mean equal content; equal weak tags
            (`W/"..."`) mean nothing.
        checksums: The digests in lower-case hexadecimal, by algorithm (``adler32``, ``md5``, ``sha-256``).
        locality: dCache's FileLocality: ONLINE, NEARLINE, ONLINE_AND_NEARLINE, NONE, UNAVAILABLE or LOST.
        alias_of: The key, in its S3 bucket, of the object that this alias points to; the other fields describe that
            object.
        has_twin: Whether a file and a collection have this name (S3), so that they cannot both exist on a local disk.
        kept_mtime: The mtime of the uploaded local file, if the store keeps it beside its own.
        is_catalogued: Whether size and checksums come from a catalogue. A file that differs is then no newer version.
        response: The response that the entry was read from, if the store can tell more from it; see `Describes`.
    """

    path: RemotePath
    kind: Kind
    size: int | None = None
    mtime: float | None = None
    etag: str | None = None
    checksums: Mapping[str, str] = field(default_factory=no_checksums, hash=False)
    locality: str | None = None
    alias_of: str | None = None
    has_twin: bool = False
    kept_mtime: float | None = None
    is_catalogued: bool = False
    response: object = field(default=None, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what pickle needs: all but the response; a mapping proxy cannot be pickled, so a dictionary goes."""
        return _restore, (
            self.path.parts,
            self.is_directory,
            self.size,
            self.mtime,
            self.etag,
            dict(self.checksums),
            self.locality,
            self.alias_of,
            self.has_twin,
            self.kept_mtime,
            self.is_catalogued,
        )

    @property
    def is_directory(self) -> bool:
        """Whether other entries may lie below it."""
        return self.kind is Kind.DIRECTORY


def _restore(parts: tuple[str, ...], is_directory: bool, *values: Any) -> Entry:
    return Entry(RemotePath(parts), Kind.DIRECTORY if is_directory else Kind.FILE, *values)


class _Unfrozen:
    """An entry whose attributes can be set."""

    __slots__ = Entry.__slots__


def listed_entry(
    path: RemotePath,
    kind: Kind,
    size: int | None,
    mtime: float | None,
    etag: str | None,
    checksums: Mapping[str, str],
    locality: str | None,
) -> Entry:
    """Return the entry with these fields in a quarter of the time.

    The initialization of a frozen dataclass calls a function for each attribute. A listing creates millions of entries,
    so this function sets the attributes first and then makes the object an entry: both classes have the same slots.
    """
    entry: Any = object.__new__(_Unfrozen)
    entry.path, entry.kind, entry.size, entry.mtime = path, kind, size, mtime
    entry.etag, entry.checksums, entry.locality = etag, checksums, locality
    entry.alias_of = entry.kept_mtime = entry.response = None
    entry.has_twin = entry.is_catalogued = False
    entry.__class__ = Entry
    return entry  # type: ignore[no-any-return]
