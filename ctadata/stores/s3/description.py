"""The headers that describe an object: its media type, metadata, tags, storage class and encryption.

An upload sends them, a copy replaces them, and `stat` shows them (Amazon S3 API Reference, PutObject and HeadObject).
"""

from __future__ import annotations

import functools
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl
from xml.etree.ElementTree import ParseError, fromstring

from ctadata.entries import Entry
from ctadata.errors import CtadataError, Forbidden, Unsupported
from ctadata.http.messages import NO_HEADERS, Headers, Response
from ctadata.stores.described import Description
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.alias import REDIRECT, resolve_alias
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.head import digests_of_object, head

METADATA = "x-amz-meta-"
"""The beginning of the header of each piece of metadata."""

STORAGE_CLASS = "x-amz-storage-class"
"""The header of the storage class; a response without it is about the class STANDARD."""

ENCRYPTION = "x-amz-server-side-encryption"
"""The header of the encryption at the server: AES256 or aws:kms."""

KMS_KEY = "x-amz-server-side-encryption-aws-kms-key-id"
"""The header of the key of the encryption aws:kms."""

TAGS = "x-amz-tagging"
"""The header of the tags, in uploads only, as a query: `a=1&b=2`."""

KEPT = ("Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires")
"""The headers of HTTP that S3 keeps with an object."""

MAX_TAGS = 64 << 10
"""The largest answer with tags, in bytes. S3 keeps ten tags of at most 128 and 256 characters."""

_NO_TAGS = "the server does not tell the tags of objects"
_SHOWN = {
    **{name: name.lower().replace("-", "_") for name in KEPT},
    STORAGE_CLASS: "storage_class",
    ENCRYPTION: "encryption",
    KMS_KEY: "encryption_key",
    "x-amz-version-id": "version_id",
    "x-amz-restore": "restore",
    REDIRECT: "redirect",
}
_DROPPED = {
    REDIRECT: ("keeps no redirects", "leave --redirect-to out"),
    ENCRYPTION: ("has not encrypted it", "delete the file, or leave --sse out and encrypt it before the upload"),
    STORAGE_CLASS: ("keeps it in another storage class", "leave --storage-class out"),
    TAGS: ("keeps no tags, or does not tell them", "leave --tags out"),
    "Cache-Control": ("keeps no such header", "leave --cache-control out"),
    "Content-Disposition": ("keeps no such header", "leave --content-disposition out"),
}
"""The headers that some servers accept and drop, with the words for that and a hint."""

_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def metadata_of(headers: Headers) -> dict[str, str]:
    """Return the metadata headers of an object, `x-amz-meta-*`."""
    return {name.lower(): value for name, value in headers.items() if name.lower().startswith(METADATA)}


@dataclass(frozen=True, slots=True)
class UploadDescription:
    """What the uploads of a store send about each object.

    Attributes:
        headers: The headers that each upload carries.
        guesses_type: Whether an upload without `Content-Type` gets the media type that its name ends like.
    """

    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    guesses_type: bool = True

    def headers_of(self, name: Name) -> Mapping[str, str]:
        """Return the headers of the upload of one object."""
        guess = guess_type(name.key) if self.guesses_type and "Content-Type" not in self.headers else None
        return {**self.headers, "Content-Type": guess} if guess else self.headers

    def is_that_of(self, connection: Connection, name: Name) -> bool:
        """Return whether an object has this description; a guessed type does not count."""
        found = head(connection, name).headers
        for header, value in self.headers.items():
            if header == TAGS:
                same = get_tags(connection, name) == dict(parse_qsl(value, keep_blank_values=True))
            elif header == STORAGE_CLASS:
                same = (found.get(header) or "STANDARD") == value
            elif header == KMS_KEY:
                same = (found.get(header) or "").endswith(value)  # a server may show the key's whole ARN
            else:
                same = found.get(header) == value
            if not same:
                return False
        return True


def guess_type(key: str) -> str | None:
    """Return the media type of a name by its ending, the same on every machine; None for an unknown ending.

    A compressed file has the type of its compression, because the bytes are not decoded on the way.
    """
    kind, encoding = _types().guess_type(key.rpartition("/")[2], strict=True)
    return _COMPRESSED.get(encoding) if encoding else kind


@functools.cache
def _types() -> mimetypes.MimeTypes:
    types = mimetypes.MimeTypes()  # Python's own table, and no file of this machine
    types.add_type("application/fits", ".fits")  # RFC 4047
    return types


def get_tags(connection: Connection, name: Name) -> dict[str, str]:
    """Return the tags of an object (Amazon S3 API Reference, GetObjectTagging).

    Raises:
        Forbidden: The key may not read them.
        Unsupported: The server keeps none. Some servers overlook the query and answer with the object itself.
    """
    received = bytearray()

    def take(block: memoryview) -> None:
        received.extend(block)
        if len(received) > MAX_TAGS:
            raise Unsupported(_NO_TAGS)

    connection.send("GET", name, query="tagging", accept=lambda _: take)
    try:
        tags = fromstring(received).findall("{*}TagSet/{*}Tag")  # noqa: S314  (`MAX_TAGS` limits the size)
    except ParseError:
        raise Unsupported(_NO_TAGS) from None
    if not tags and b"<TagSet" not in received:
        raise Unsupported(_NO_TAGS)
    return {tag.findtext("{*}Key", ""): tag.findtext("{*}Value", "") for tag in tags}


def check_is_kept(connection: Connection, name: Name, headers: Mapping[str, str]) -> None:
    """Raise Unsupported if the server has stored an upload, and dropped redirect, encryption, storage class or tags.

    MinIO and S3Proxy drop redirects; versitygw overlooks encryption and storage class, s3rver encryption and tags. A
    server that has kept what a header said is not asked about this header again.

    Args:
        connection: The server.
        name: The object that was uploaded.
        headers: The headers of its upload.
    """
    known = connection.quirks.kept_headers
    asked = {header: headers[header] for header in _DROPPED if header in headers and (name.bucket, header) not in known}
    if not asked:
        return
    found = head(connection, name).headers if asked.keys() - {TAGS} else Headers()
    for header, value in asked.items():
        if not (_keeps_tags(connection, name, value) if header == TAGS else _is_kept(header, found.get(header), value)):
            what, option = _DROPPED[header]
            raise Unsupported(f"the file is uploaded, but this server {what}: it has dropped {header}", hint=option)
        known.add((name.bucket, header))


def _is_kept(header: str, found: str | None, asked: str) -> bool:
    """Return whether an object has what was asked for; a server may write the address of a redirect in its own way."""
    if header == STORAGE_CLASS:
        return (found or "STANDARD") == asked
    return found is not None if header == REDIRECT else found == asked


def _keeps_tags(connection: Connection, name: Name, asked: str) -> bool:
    """Return whether an object has the tags asked for, or the key may not read them."""
    try:
        return get_tags(connection, name) == dict(parse_qsl(asked, keep_blank_values=True))
    except Forbidden:
        return True
    except CtadataError as error:
        if not isinstance(error, Unsupported) and error.status not in (400, 404, 500):  # 500: rclone
            raise
        return False


def set_tags_of_copy(connection: Connection, name: Name, asked: str) -> None:
    """Set the tags of a copy if the server has not kept those of the request, as Ceph 16 does not.

    A server that has kept them is not asked again.

    Args:
        connection: The server.
        name: The copy.
        asked: The tags, as the header `TAGS` has them.
    """
    known, kept = connection.quirks.kept_headers, (name.bucket, "x-amz-tagging-directive")
    if kept in known:
        return
    if _keeps_tags(connection, name, asked):
        known.add(kept)
        return
    tags = [{"Key": key, "Value": value} for key, value in parse_qsl(asked, keep_blank_values=True)]
    connection.call("put_object_tagging", Bucket=name.bucket, Key=name.key, Tagging={"TagSet": tags})


def describe(connection: Connection, name: Name, entry: Entry) -> tuple[Mapping[str, str], Description]:
    """Return the digests of an object, and all that the server says about it beside its entry.

    Args:
        connection: The server; it is asked for the tags, and for what the entry's response does not tell.
        name: The object.
        entry: Its entry.

    Returns:
        The digests, those of the file if the object is an alias; and the words of the headers (`content_type`,
        `storage_class`, `encryption`, `version_id` and others) with their values, and `metadata` and `tags` with their
        own names and values. What the object does not have is left out, and so are tags that the key may not read.
    """
    if entry.alias_of is None and isinstance(entry.response, Response):
        file, of_file = name, entry.response
    else:
        file, of_file = resolve_alias(connection, name)
    headers = of_file.headers if file == name else head(connection, name).headers
    digests = digests_of_object(connection, file, of_file.headers)
    known: dict[str, str | dict[str, str]] = {
        word: value for header, word in _SHOWN.items() if (value := headers.get(header))
    }
    if metadata := {header[len(METADATA) :]: value for header, value in metadata_of(headers).items()}:
        known["metadata"] = metadata
    try:
        if tags := get_tags(connection, name):
            known["tags"] = tags
    except CtadataError as error:
        if not isinstance(error, Forbidden | Unsupported) and error.status not in (400, 404):
            raise
    return digests, known
