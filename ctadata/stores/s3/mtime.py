"""The mtime of the file that was uploaded, kept beside the object in the form that rclone reads and writes.

The server dates an object by its upload (Last-Modified); rclone keeps the mtime of the file as `x-amz-meta-mtime`, in
seconds since 1970 with up to nine decimals (rclone.org/s3, "Modification times and hashes").
"""

from __future__ import annotations

import re

from ctadata.http.messages import Response

MTIME = "x-amz-meta-mtime"
"""The header of uploads and answers."""

_FORM = re.compile(r"-?[0-9]{1,11}(\.[0-9]{1,9})?")


def written_mtime(seconds: float) -> str:
    """The mtime as the header has it."""
    return f"{seconds:.9f}".rstrip("0").rstrip(".")


def kept_mtime(response: Response) -> float | None:
    """The mtime in an answer about an object; None where it has none that can be read."""
    said = (response.headers.get(MTIME) or "").strip()
    return float(said) if _FORM.fullmatch(said) else None
