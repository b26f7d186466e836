"""Check what a user says about objects, and return it as the headers of S3."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, urlencode

from ctadata.errors import UsageError
from ctadata.paths import refuse_userinfo
from ctadata.printable import escape_unprintable
from ctadata.stores.s3.alias import REDIRECT
from ctadata.stores.s3.description import ENCRYPTION, KMS_KEY, METADATA, STORAGE_CLASS, TAGS
from ctadata.stores.s3.digests import MD5, PART_SIZE
from ctadata.stores.s3.mtime import MTIME

_TYPE = re.compile(r"[!#$&^_.+A-Za-z0-9-]{1,127}/[!#$&^_.+A-Za-z0-9-]{1,127}(;[ -~]{1,200})?")  # RFC 6838, 9110
_ADDRESS = re.compile(r"(/|https?://)[!-~]{0,2000}")
_VISIBLE = re.compile("[!-~]([ -~]{0,1998}[!-~])?")
_METADATA_NAME = re.compile("[A-Za-z0-9._-]{1,128}")
_CLASS = re.compile("[A-Z0-9_]{1,64}")
_SSE = re.compile("(AES256|aws:kms)(?::([!-~]{1,2048}))?")
_MAX_TAGS, _MAX_METADATA = 10, 2048  # Amazon S3 User Guide, "Categorizing your objects", "Working with object metadata"


def description_headers(
    *,
    content_type: str | None = None,
    redirect_to: str | None = None,
    metadata: Iterable[str] = (),
    cache_control: str | None = None,
    content_disposition: str | None = None,
    storage_class: str | None = None,
    sse: str | None = None,
    tags: Iterable[str] = (),
) -> dict[str, str]:
    """Return the headers that describe objects.

    Args:
        content_type: The media type that browsers get, for example `text/plain; charset=utf-8`.
        redirect_to: The address that a website redirects requests for these files to.
        metadata: Texts `NAME=VALUE`.
        cache_control: How long browsers keep the object, for example `max-age=3600`.
        content_disposition: What browsers do with it, for example `attachment; filename=a.h5`.
        storage_class: The storage class, for example `STANDARD_IA`.
        sse: `AES256`, `aws:kms`, or `aws:kms:` and the id of a key.
        tags: Texts `NAME=VALUE`, or several joined by `&`, percent-encoded.

    Raises:
        UsageError: A header cannot carry one of the values.
    """
    refuse_userinfo(redirect_to or "")
    headers = {
        "Content-Type": _checked(
            content_type, _TYPE, "no media type", "a media type looks like text/plain; charset=utf-8"
        ),
        REDIRECT: _checked(
            redirect_to,
            _ADDRESS,
            "no address to redirect to: a request cannot be redirected there",
            "write /path/in/the/bucket or https://..., percent-encoded",
        ),
        "Cache-Control": _checked(cache_control, _VISIBLE, "no Cache-Control", "such as max-age=3600"),
        "Content-Disposition": _checked(
            content_disposition, _VISIBLE, "no Content-Disposition", "such as attachment; filename=a.h5"
        ),
        STORAGE_CLASS: _checked(storage_class, _CLASS, "no storage class", "such as STANDARD_IA or GLACIER"),
    }
    known = {name: value for name, value in headers.items() if value is not None}
    return {**known, **dict(_metadata(metadata)), **_encryption(sse), **_tags(tags)}


def _checked(value: str | None, form: re.Pattern[str], what: str, hint: str) -> str | None:
    if value is not None and not form.fullmatch(value):
        raise UsageError(f"{escape_unprintable(value)!r} is {what}", hint=hint)
    return value


def _metadata(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    size = 0
    for text in texts:
        name, equals, value = text.partition("=")
        header = f"{METADATA}{name.lower()}"
        if not (equals and _METADATA_NAME.fullmatch(name) and _VISIBLE.fullmatch(value)):
            raise UsageError(
                f"{escape_unprintable(text)!r} is no metadata",
                hint="write NAME=VALUE: letters, digits, . _ - in the name, visible ASCII in the value",
            )
        if header in (MTIME, MD5, PART_SIZE):
            raise UsageError(f"the client itself keeps the metadata {name}")
        size += len(name) + len(value)
        yield header, value
    if size > _MAX_METADATA:
        raise UsageError(f"the metadata have {size} bytes, and S3 keeps {_MAX_METADATA} at most")


def _encryption(sse: str | None) -> dict[str, str]:
    if sse is None:
        return {}
    match = _SSE.fullmatch(sse)
    if not match or (match[2] and match[1] == "AES256"):
        raise UsageError(f"{escape_unprintable(sse)!r} is no encryption", hint="AES256, aws:kms or aws:kms:KEY")
    return {ENCRYPTION: match[1], **({KMS_KEY: match[2]} if match[2] else {})}


def _tags(texts: Iterable[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        found = parse_qsl(text.replace("+", "%2B"), keep_blank_values=True)
        if not found or any(not name or len(name) > 128 or len(value) > 256 for name, value in found):
            raise UsageError(f"{escape_unprintable(text)!r} is no tag", hint="write NAME=VALUE")
        pairs |= found
    if len(pairs) > _MAX_TAGS:
        raise UsageError(f"these are {len(pairs)} tags, and an object has {_MAX_TAGS} at most")
    return {TAGS: urlencode(pairs)} if pairs else {}
