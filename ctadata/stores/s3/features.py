"""What an S3 store can do beyond the contract."""

from __future__ import annotations

from ctadata.checksums import STRONGEST_FIRST
from ctadata.stores.base import Features

FEATURES = Features(
    atomic_put=True,
    digests=tuple(name for name in STRONGEST_FIRST if name not in ("sha-512", "adler32")),
    has_directories=False,
    etag_may_be_md5=True,
    has_aliases=True,
    digests_uploads=True,
    mtime_in_metadata=True,
    reads_change_nothing=True,
    reads_tell_entries=True,
    lists_old_locality=True,
)
"""The features of each S3 store."""
