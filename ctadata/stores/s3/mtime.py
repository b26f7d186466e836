"""The mtime of an uploaded file, kept in the object's metadata in the form that rclone reads and writes.

The server dates an object by its upload (Last-Modified). rclone keeps the file's mtime in `x-amz-meta-mtime`, in
seconds since 1970 with up to nine decimals (rclone.org/s3, "Modification times and hashes").
"""

from __future__ import annotations

import re

from ctadata.http.messages import Response

MTIME = "x-amz-meta-mtime"
"""The header of the mtime, in uploads and in responses."""

_FORM = re.compile(r"-?[0-9]{1,11}(\.[0-9]{1,9})?")


def format_mtime(seconds: float) -> str:
    """Return the value of the header for an mtime in seconds since 1970 UTC."""
    return f"{seconds:.9f}".rstrip("0").rstrip(".")


def kept_mtime(response: Response) -> float | None:
    """Return the mtime in a response about an object, in seconds since 1970 UTC; None if it has no valid one."""
    text = (response.headers.get(MTIME) or "").strip()
    return float(text) if _FORM.fullmatch(text) else None
