"""Where the bytes of an object are: on disk, or in an archive class, which has to be restored before a read."""

from __future__ import annotations

ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
"""The storage classes whose objects have to be restored. GLACIER_IR, the instant one, is none of them."""


def locality_of(storage_class: str | None, restore: str | None) -> str | None:
    """Return where the bytes of an object are, in dCache's words; None for an object that is not archived.

    Args:
        storage_class: The storage class.
        restore: The header `x-amz-restore`, as `ongoing-request="false", expiry-date="..."`; None without a restore.
    """
    if storage_class not in ARCHIVED:
        return None
    return "ONLINE_AND_NEARLINE" if 'ongoing-request="false"' in (restore or "") else "NEARLINE"
