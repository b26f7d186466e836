"""Entry: one line of a listing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from ctadata.paths import RemotePath

NO_CHECKSUMS: Mapping[str, str] = MappingProxyType({})
"""No digest at all."""


def no_checksums() -> Mapping[str, str]:
    """The default of fields that hold digests: a mapping proxy has no hash, so dataclasses want a factory."""
    return NO_CHECKSUMS


class Kind(StrEnum):
    """What a name stands for."""

    FILE = "file"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or collection, as the store tells of it; None is what the store did not say.

    size:      bytes; None for collections and for files whose upload has not ended.
    mtime:     seconds since 1970 UTC.
    etag:      as sent, quotes included; equal strong tags mean equal content, equal weak ones (`W/"..."`) nothing.
    checksums: algorithm (``adler32``, ``md5``, ``sha-256``) to lower-case hexadecimal digits.
    locality:  dCache's FileLocality: ONLINE, NEARLINE, ONLINE_AND_NEARLINE, NONE, UNAVAILABLE, LOST.
    has_twin:  a file and a collection have this name, so that no two local names can be made of them (S3).
    kept_mtime: mtime of the file that was uploaded, where the store keeps it beside its own and has told it.
    alias_of:  the key, in its S3 bucket, of the file that this name stands for; what else is told is of that file.
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

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what pickle needs: a mapping proxy cannot be pickled, so the checksums go as a dictionary."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return _restore, ({**values, "checksums": dict(self.checksums)},)

    @property
    def is_directory(self) -> bool:
        """Whether other entries may lie below it."""
        return self.kind is Kind.DIRECTORY


def _restore(values: dict[str, Any]) -> Entry:
    return Entry(**values)
