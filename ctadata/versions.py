"""Compare the versions of a remote file by its size, checksums, entity tag and mtime.

An entity tag is strong or weak (RFC 9110 section 8.8.1). Two equal strong tags mean equal bytes. Two equal weak tags,
`W/"..."`, say nothing about the bytes. Two different tags of either kind mean that the file may be another version.
"""

from __future__ import annotations

import time

from ctadata.entries import Entry

SETTLED_SECONDS = 60.0
"""Seconds. An mtime that is this old when reading begins changes with the next write (RFC 9110 section 8.8.2.2).

This holds also if the clocks of server and client differ by less.
"""

_WEAK = ("W/", "w/")

_TIME = 'W/"modified '


def opaque_tag(etag: str | None) -> str:
    """Return the text between the quotes of a tag, weak or strong; empty if there is no tag."""
    return (etag or "").removeprefix("W/").removeprefix("w/").strip('"')


def is_strong(etag: str | None) -> bool:
    """Whether the tag identifies the bytes of one version."""
    return not (etag or "").startswith(_WEAK) and bool(opaque_tag(etag))


def tags_match(one: str | None, other: str | None) -> bool:
    """Whether both tags are strong and equal, which proves that the bytes are equal."""
    return opaque_tag(one) == opaque_tag(other) and is_strong(one) and is_strong(other)


def tag_of_time(modified: str | None) -> str | None:
    """Return a weak tag for a response that has `Last-Modified` and no entity tag; None if it has neither."""
    return f'{_TIME}{modified}"' if modified else None


def is_from_server(etag: str | None) -> bool:
    """Whether there is a tag, and it is not one of `tag_of_time`."""
    return bool(opaque_tag(etag)) and not (etag or "").startswith(_TIME)


def tags_differ(one: str | None, other: str | None) -> bool:
    """Whether both tags are known and their texts differ, so that the file may have changed.

    Apache sends a weak tag for a file that is less than a second old, and later the same tag as a strong one. A tag of
    the server says nothing about one of `tag_of_time`.
    """
    if not one or not other or one == other or one.startswith(_TIME) != other.startswith(_TIME):
        return False
    was, now = opaque_tag(one), opaque_tag(other)
    return bool(was and now) and was != now


def is_other_version(now: Entry, before: Entry) -> bool:
    """Whether a file has become another version, as far as both entries show.

    A strong tag counts before the mtime; a weak tag counts only if it differs.
    """
    if now.size != before.size or any(now.checksums.get(name, was) != was for name, was in before.checksums.items()):
        return True
    if tags_differ(now.etag, before.etag) or tags_match(now.etag, before.etag):
        return not tags_match(now.etag, before.etag)
    return now.mtime is not None and before.mtime is not None and abs(now.mtime - before.mtime) > 1


def can_prove_version(entry: Entry) -> bool:
    """Whether the bytes of several reads can be proved to belong to one version of the file.

    The proof is a checksum, a strong tag, or an mtime that has settled. An mtime counts only if there is no tag: beside
    a weak tag RFC 9110 section 13.1.5 forbids it, because the server itself says that it cannot tell versions apart.
    """
    if entry.checksums or is_strong(entry.etag):
        return True
    return not entry.etag and entry.mtime is not None and time.time() - entry.mtime >= SETTLED_SECONDS
