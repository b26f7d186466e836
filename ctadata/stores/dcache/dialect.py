"""What a dCache door adds to WebDAV (dcache.md, 1.1 to 1.6)."""

from __future__ import annotations

from ctadata.stores.base import Features
from ctadata.stores.webdav.dialect import Dialect
from ctadata.stores.webdav.quirks import AS_WRITTEN

CHECKSUMS = '<Checksums xmlns="http://www.dcache.org/2013/webdav"/>'
"""The property with all digests of a file, in the form of the Digest header."""
_LOCALITY = '<FileLocality xmlns="http://srm.lbl.gov/StorageResourceManager"/>'


def dcache(*, atomic_put: bool = False) -> Dialect:
    """The dialect of a dCache door.

    atomic_put: what the profile says; the door itself deletes the old file before the new one arrives, so no.
    `Brief: t` spares the listing of what each entry lacks, a third of its bytes.
    """
    features = Features(
        atomic_put=atomic_put,
        can_move_trees=True,
        keeps_mtime=True,
        digests=("adler32", "md5", "sha", "sha-256", "sha-512"),
        lists_checksums=True,
        redirects=True,
        hides_forbidden=True,
        serves_control_characters=False,
        normalizes_paths=True,
    )
    return Dialect(features, properties=CHECKSUMS + _LOCALITY, headers=(("Brief", "t"),), quirks=AS_WRITTEN)
