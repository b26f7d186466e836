"""Access to objects by their keys exactly as written, also keys that no path can name: `a//b`, `/a`, `a/`, `./a`.

A path of this store has two parts: the bucket, and the whole key percent-encoded with its slashes. A path means the
object itself only: nothing is a directory, and a key never means the keys below it.
"""

from __future__ import annotations

import contextlib
from urllib.parse import quote, unquote

from ctadata.config.profile import Profile
from ctadata.entries import Entry
from ctadata.errors import CtadataError, Forbidden, UsageError
from ctadata.paths import RemotePath, refuse_userinfo
from ctadata.printable import escape_unprintable
from ctadata.stores.base import Store
from ctadata.stores.path_errors import add_path_to_errors
from ctadata.stores.s3.address import Name, resolve_name
from ctadata.stores.s3.object_ops import delete_keys
from ctadata.stores.s3.store import S3Store


class RawKeys(S3Store):
    """The objects of an S3 store by their exact keys."""

    def name(self, path: RemotePath) -> Name:
        """Return the bucket and the key of a path that `path_of` made."""
        bucket, encoded = path.parts
        return Name(bucket, unquote(encoded, errors="surrogateescape"))

    def path_of(self, text: str) -> RemotePath:
        """Return the path that stands for the address `s3://bucket/key`.

        Raises:
            UsageError: The text is no such address, or lies outside the store's root.
        """
        refuse_userinfo(text)
        bucket, slash, key = text.removeprefix("s3://").partition("/")
        if not text.startswith("s3://") or not bucket or not key:
            raise UsageError("--raw-key takes s3://bucket/key", path=escape_unprintable(text))
        root = resolve_name(self.root, RemotePath())
        if root.bucket and (bucket != root.bucket or not f"{bucket}{slash}{key}".startswith(f"{bucket}/{root.prefix}")):
            raise UsageError("it lies outside the root of the profile", path=escape_unprintable(text))
        encoded = quote(key, safe="", errors="surrogateescape")
        return RemotePath((bucket, encoded if key.strip(".") else encoded.replace(".", "%2E")))

    def delete(self, path: RemotePath, *, directory: bool = False) -> None:  # noqa: ARG002
        """Delete the object. If its key holds `.` or `..` between slashes, no URL names it: DeleteObjects does.

        Raises:
            NotFound: There is no such object.
        """
        name = self.name(path)
        with add_path_to_errors(path):
            if not name.has_dot_segments:
                super().delete(path)
                return
            with contextlib.suppress(Forbidden, UsageError):  # DeleteObjects does not say what was missing
                self.info(path)
            failures, _ = delete_keys(self.connection, name.bucket, [name.key])
            if failures:
                raise failures[0]

    def delete_entry(self, entry: Entry) -> None:
        """Delete the object."""
        self.delete(entry.path)

    def _is_directory(self, name: Name, error: CtadataError) -> bool:  # noqa: ARG002
        return False


def raw_keys(store: Store, profile: Profile) -> RawKeys:
    """Return the objects of this store by their exact keys; raise UsageError if it is no S3 store."""
    if not isinstance(store, S3Store):
        raise UsageError(f"the profile {profile.name} is no S3 store", hint="--raw-key works with S3 only")
    return RawKeys(store.connection, store.root)
