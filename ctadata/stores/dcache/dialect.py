"""The dialect of a dCache door: what it adds to WebDAV (dcache.md, 1.1 to 1.6)."""

from __future__ import annotations

from ctadata.stores.base import Features
from ctadata.stores.webdav.dialect import Dialect
from ctadata.stores.webdav.quirks import AS_WRITTEN

CHECKSUMS = '<Checksums xmlns="http://www.dcache.org/2013/webdav"/>'
"""The property that holds all digests of a file, in the form of the header `Digest`."""
_LOCALITY = '<FileLocality xmlns="http://srm.lbl.gov/StorageResourceManager"/>'


def dcache(*, atomic_put: bool = False) -> Dialect:
    """Return the dialect of a dCache door.

    `Brief: t` spares the listing the names of the properties that an entry lacks, a third of its bytes.

    Args:
        atomic_put: The profile says that uploads to this site appear complete or not at all. A plain door deletes the
            old file before the new one arrives.
    """
    features = Features(
        atomic_put=atomic_put,
        can_move_trees=True,
        keeps_mtime=True,
        digests=("adler32", "md5", "sha", "sha-256", "sha-512"),
        lists_checksums=True,
        lists_localities=True,
        redirects=True,
        hides_forbidden=True,
        serves_control_characters=False,
        normalizes_paths=True,
    )
    return Dialect(features, properties=CHECKSUMS + _LOCALITY, headers=(("Brief", "t"),), quirks=AS_WRITTEN)
