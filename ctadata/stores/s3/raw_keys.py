"""Objects by their keys as they are written, also by such that no path can name: `a//b`, `/a`, `a/`, `./a`.

A path here is the bucket and one name, the key percent-encoded with its slashes. Only the object itself is meant:
nothing is a directory, and no key stands for what lies below it.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from ctadata.config.profile import Profile
from ctadata.errors import CtadataError, UsageError
from ctadata.paths import RemotePath, escape_unprintable, refuse_userinfo
from ctadata.stores.base import Store
from ctadata.stores.path_errors import add_path_to_errors
from ctadata.stores.s3.address import Name, name_of
from ctadata.stores.s3.object_ops import delete_keys
from ctadata.stores.s3.store import S3Store


class RawKeys(S3Store):
    """The objects of a store, by key."""

    def name(self, path: RemotePath) -> Name:
        """The bucket and the key of a path that `path_of` has made."""
        bucket, encoded = path.parts
        return Name(bucket, unquote(encoded, errors="surrogateescape"))

    def path_of(self, text: str) -> RemotePath:
        """The path that stands for `s3://bucket/key`; UsageError if it is none, or lies outside of the store's root."""
        refuse_userinfo(text)
        bucket, slash, key = text.removeprefix("s3://").partition("/")
        if not text.startswith("s3://") or not bucket or not key:
            raise UsageError("--raw-key takes s3://bucket/key", path=escape_unprintable(text))
        root = name_of(self.root, RemotePath())
        if root.bucket and (bucket != root.bucket or not f"{bucket}{slash}{key}".startswith(f"{bucket}/{root.prefix}")):
            raise UsageError("it lies outside the root of the profile", path=escape_unprintable(text))
        encoded = quote(key, safe="", errors="surrogateescape")
        return RemotePath((bucket, encoded if key.strip(".") else encoded.replace(".", "%2E")))

    def delete(self, path: RemotePath) -> None:
        """Delete the object; NotFound. One whose key no URL can carry is deleted by a list of one key."""
        name = self.name(path)
        with add_path_to_errors(path):
            if not {".", ".."} & set(name.key.split("/")):
                super().delete(path)
                return
            failures, _ = delete_keys(self.connection, name.bucket, [name.key])
            if failures:
                raise failures[0]

    def _is_directory(self, name: Name, error: CtadataError) -> bool:  # noqa: ARG002
        return False


def raw_keys(store: Store, profile: Profile) -> RawKeys:
    """The objects of this store by key; UsageError if it is none of S3."""
    if not isinstance(store, S3Store):
        raise UsageError(f"the profile {profile.name} is no S3 store", hint="--raw-key is about keys of S3")
    return RawKeys(store.connection, store.root)
