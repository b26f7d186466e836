"""Work of the owner of S3 buckets beyond transfers: create and open buckets, serve websites, create aliases."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ctadata.errors import Unsupported, UsageError
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.session import Session
from ctadata.stores.optional import TreeCount
from ctadata.stores.s3 import buckets as s3_buckets
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.alias import AliasWriter
from ctadata.stores.s3.bucket_info import bucket_info
from ctadata.stores.s3.buckets import Bucket
from ctadata.stores.s3.description import UploadDescription
from ctadata.stores.s3.listing import count_tree_below
from ctadata.stores.s3.store import S3Store
from ctadata.transfer.aliases import make_aliases
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import InvalidPath, Reporter, Summary


class Buckets:
    """The buckets of a session's profile."""

    def __init__(self, session: Session) -> None:
        """Keep the session; no request is sent.

        Raises:
            Unsupported: The profile is not of kind s3.
        """
        if not isinstance(session.store, S3Store):
            raise Unsupported(
                f"the profile {session.profile.name} is no S3 store",
                hint='only profiles with kind = "s3" have buckets and aliases',
            )
        self._session = session
        self._store = session.store
        self._connection = session.store.connection

    def buckets(self) -> Iterator[Bucket]:
        """Yield the buckets that the caller owns, by name.

        Raises:
            Forbidden: The key may read its own bucket and list no others, which is common.
        """
        return s3_buckets.list_buckets(self._connection)

    def count(self, bucket: str) -> TreeCount:
        """Count the objects of a bucket, and their bytes; this lists all of them.

        Args:
            bucket: `name` or `s3://name`.
        """
        return count_tree_below(self._connection, Name(bucket_name(bucket), ""))

    def info(self, bucket: str) -> dict[str, Any]:
        """Return the settings of a bucket: `region`, `versioning`, `lifecycle`, `cors`, `policy` and others.

        Args:
            bucket: `name` or `s3://name`.

        Raises:
            NotFound: There is no such bucket.
        """
        return bucket_info(self._connection, bucket_name(bucket))

    def make_bucket(
        self, bucket: str, *, website: bool = False, public: bool = False, versioning: bool = False
    ) -> None:
        """Create a bucket, and open it to everybody if the caller asks for that.

        Args:
            bucket: `name` or `s3://name`.
            website: Whether the server serves the bucket as a website.
            public: Whether everybody may read the objects. Nobody else may list them.
            versioning: Whether the bucket keeps old versions of its objects.

        Raises:
            AlreadyExists: The caller has this bucket already and asks for nothing else, or another user has it.
            Forbidden: The key may not do this.
            Unsupported: The server has no policies or no websites.
        """
        s3_buckets.make_bucket(
            self._connection, bucket_name(bucket), website=website, public=public, versioning=versioning
        )

    def remove_bucket(self, bucket: str, *, recursive: bool = False) -> None:
        """Remove a bucket.

        Args:
            bucket: `name` or `s3://name`.
            recursive: Whether to delete first all that it holds: objects, their old versions, unfinished uploads.

        Raises:
            NotFound: There is no such bucket.
            UsageError: The bucket is not empty, and `recursive` is False.
            PartialFailure: The server kept some of the objects.
        """
        s3_buckets.remove_bucket(self._connection, bucket_name(bucket), recursive=recursive)

    def describe(self, rules: Rules, headers: Mapping[str, str], *, guesses_type: bool = True) -> Rules:
        """Make the session's uploads and copies carry a description.

        Args:
            rules: The rules of the transfer.
            headers: The description, as `ctadata.stores.s3.description_options` returns it.
            guesses_type: Whether an upload without a media type gets the one that its name ends like.

        Returns:
            The rules, changed so that an equal file without this description is uploaded or copied again.
        """
        store = self._session.store = self._store.with_uploads(UploadDescription(headers, guesses_type))
        return dataclasses.replace(rules, as_described=store.is_described) if headers else rules

    def alias(
        self,
        pairs: Iterable[tuple[str, str]],
        *,
        replace: bool = False,
        reporter: Reporter | None = None,
    ) -> Summary:
        """Create aliases; the summary holds the outcome of each.

        Args:
            pairs: An alias and its file, as paths in the form that users type. Both lie in one bucket.
            replace: Whether an alias of another file is pointed to the new file.
            reporter: Receives the progress.
        """
        writer = AliasWriter(self._connection)

        def create(alias: RemotePath, file: RemotePath) -> bool:
            return writer.create(self._store.name(alias), self._store.name(file), replace=replace)

        return make_aliases(self._session.run(None, reporter), create, map(self._resolve_pair, pairs))

    def _resolve_pair(self, pair: tuple[str, str]) -> tuple[RemotePath, RemotePath] | InvalidPath:
        alias, file = pair
        try:
            return self._session.resolve(alias), self._session.resolve(file)
        except UsageError as error:
            error.path = error.path or escape_unprintable(alias)
            return InvalidPath(error, RemotePath())


def bucket_name(text: str) -> str:
    """Return the name of the bucket that a user typed as `name`, `s3://name` or `/name`; a slash may follow.

    Raises:
        UsageError: The text holds no name, or more than a name.
    """
    name = text.removeprefix("s3://").strip("/")
    if not name or "/" in name:
        raise UsageError("this is no bucket", hint="write its name, or s3://name", path=escape_unprintable(text))
    return name
