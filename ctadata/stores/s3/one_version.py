"""Access to one version of an object, to read or delete it."""

from __future__ import annotations

from ctadata.errors import CtadataError, NotFound, UsageError
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.stores.path_errors import add_path_to_errors
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.store import S3Store
from ctadata.stores.s3.versions import versions_of_object


class OneVersion(S3Store):
    """One version of one object of an S3 store; every path means this version."""

    def __init__(self, store: S3Store, version: str) -> None:
        """Take the connection and the root of a store.

        Args:
            store: The store.
            version: The id of the version.
        """
        super().__init__(store.connection, store.root)
        self._version = version

    def name(self, path: RemotePath) -> Name:
        """Return the bucket, the key and the version of a path."""
        name = super().name(path)
        return name._replace(version=self._version) if name.key else name

    def delete(self, path: RemotePath, *, directory: bool = False) -> None:  # noqa: ARG002
        """Delete the version for good; a delete marker is a version too.

        Raises:
            NotFound: The object has no such version.
        """
        name = self.name(path)
        with add_path_to_errors(path):
            if not name.key:
                raise UsageError("a bucket has no versions")
            if not any(each.id == self._version for each in versions_of_object(self.connection, name)):
                raise NotFound(f"there is no version {escape_unprintable(self._version)} of it")
            self.connection.send("DELETE", name)

    def _is_directory(self, name: Name, error: CtadataError) -> bool:  # noqa: ARG002
        return False
