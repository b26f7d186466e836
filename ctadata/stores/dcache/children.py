"""Read the children of a directory as dCache's frontend describes them: entries of a listing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ctadata.entries import NO_CHECKSUMS, Entry, Kind
from ctadata.errors import UsageError
from ctadata.paths import RemotePath
from ctadata.stores.dcache.json_fields import as_bounded_integer
from ctadata.stores.unlisted import Unlisted

_LATEST = 253402300800000  # milliseconds from 1970 to the year 10000, the end of Python's dates

_ALGORITHMS = {"ADLER32": "adler32", "MD5_TYPE": "md5", "SHA1": "sha", "SHA256": "sha-256", "SHA512": "sha-512"}


def parse_child(parent: RemotePath, child: object, unlisted: Unlisted) -> Entry | None:
    """Return the entry of one child; None if its name is not valid. A field of a wrong type counts as unknown.

    Args:
        parent: The directory.
        child: The JSON of the child.
        unlisted: Receives a name that is not valid.
    """
    fields = child if isinstance(child, dict) else {}
    name = fields.get("fileName")
    try:
        path = parent / (name if isinstance(name, str) else "")
    except UsageError:
        unlisted.add_name(str(name))
        return None
    size, mtime = (
        as_bounded_integer(fields.get("size"), below=1 << 63),
        as_bounded_integer(fields.get("mtime"), below=_LATEST),
    )
    directory = fields.get("fileType") == "DIR"
    checksums, locality = fields.get("checksums"), fields.get("fileLocality")
    return Entry(
        path,
        Kind.DIRECTORY if directory else Kind.FILE,
        size=size if not directory else None,
        mtime=None if mtime is None else float(mtime // 1000),  # the door cuts it to seconds too
        etag=_etag(fields.get("pnfsId"), mtime) if not directory else None,
        checksums=_checksums(checksums) if isinstance(checksums, list) else NO_CHECKSUMS,
        locality=locality if isinstance(locality, str) else None,
    )


def _etag(pnfsid: object, mtime: object) -> str | None:
    """Return the ETag that the door sends: the id, and Java's hash of the Date (milton, DefaultETagGenerator)."""
    if not (isinstance(pnfsid, str) and isinstance(mtime, int)):
        return None
    folded = (mtime ^ (mtime >> 32)) & 0xFFFFFFFF
    return f'"{pnfsid}_{folded - (1 << 32) if folded >> 31 else folded}"'


def _checksums(fields: Sequence[object]) -> Mapping[str, str]:
    known = (_checksum(each) for each in fields if isinstance(each, dict))
    return {name: value for name, value in known if re.fullmatch("[0-9a-f]{8,128}", value)}


def _checksum(fields: Mapping[str, Any]) -> tuple[str, str]:
    name, value = str(fields.get("type")), str(fields.get("value")).lower()
    algorithm = _ALGORITHMS.get(name, name.lower())
    return algorithm, value.zfill(8) if algorithm == "adler32" else value  # old entries may lack leading zeros
