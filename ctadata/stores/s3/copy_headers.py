"""The headers with which an object is copied at the server: its source, and what its copy keeps or gets anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from ctadata.errors import CtadataError, Forbidden, NotFound, Unsupported
from ctadata.http.messages import Headers
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.alias import REDIRECT, redirect_location, target_key
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.description import (
    ENCRYPTION,
    KEPT,
    KMS_KEY,
    METADATA,
    STORAGE_CLASS,
    TAGS,
    get_tags,
    metadata_of,
)
from ctadata.stores.s3.digests import MD5, PART_SIZE
from ctadata.stores.s3.mtime import MTIME


@dataclass(frozen=True, slots=True)
class CopyHeaders:
    """The headers of one copy.

    Attributes:
        connection: The server.
        source: The object.
        found: The headers of the response to its HEAD.
        given: The headers that describe the copy, as in `CopyOptions.headers`.
        relocate: Returns the key that a copied alias points to, from the key that its source points to.
    """

    connection: Connection
    source: Name
    found: Headers
    given: Mapping[str, str]
    relocate: Callable[[str], str]

    def from_source(self) -> dict[str, str]:
        """Return the headers that name the source, in the version that was looked at."""
        address = quote(f"/{self.source.bucket}/{self.source.key}", safe="/~", errors="surrogateescape")
        if self.source.version:
            address += f"?versionId={quote(self.source.version, safe='')}"
        etag = self.found.get("ETag")
        return {"x-amz-copy-source": address, **({"x-amz-copy-source-if-match": etag} if etag else {})}

    def kept_by_name(self) -> dict[str, str]:
        """Return what S3 keeps only if a copy asks for it: the alias, the storage class, encryption by a key."""
        kept = {}
        if location := self.found.get(REDIRECT):
            kept[REDIRECT] = self._relocated(location)
        if ENCRYPTION not in self.given:
            kept |= {header: value for header in (ENCRYPTION, KMS_KEY) if (value := self.found.get(header))}
        if storage_class := self.found.get(STORAGE_CLASS):
            kept[STORAGE_CLASS] = storage_class
        chosen = {name: self.given[name] for name in (STORAGE_CLASS, ENCRYPTION, KMS_KEY) if name in self.given}
        return {**kept, **chosen}

    def _relocated(self, location: str) -> str:
        try:
            key = target_key(location)
        except CtadataError:  # it leads out of the bucket, and stays as it is
            return location
        moved = self.relocate(key)
        return location if moved == key else redirect_location(moved)

    def described_anew(self) -> dict[str, str]:
        """Return the given headers that replace the description of the source."""
        names = [name for name in self.given if name in KEPT or name.startswith(METADATA)]
        return {name: self.given[name] for name in names}

    def description(self) -> dict[str, str]:
        """Return the headers that describe the copy: the given ones, and those of the source that they leave."""
        kept, given = {name: value for name in KEPT if (value := self.found.get(name))}, self.described_anew()
        metadata = metadata_of(self.found)
        if any(name.startswith(METADATA) for name in given):
            metadata = {name: metadata[name] for name in (MTIME, MD5, PART_SIZE) if name in metadata}
        return {**kept, **metadata, **given}

    def tags(self) -> dict[str, str]:
        """Return the header with the source's tags. Ceph's HEAD does not tell their number, so the server is asked."""
        if TAGS in self.given:
            return {TAGS: self.given[TAGS]}
        try:
            tags = get_tags(self.connection, self.source)
        except (Forbidden, NotFound, Unsupported):
            if self.found.get("x-amz-tagging-count"):
                raise
            return {}
        return {TAGS: urlencode(tags)} if tags else {}
