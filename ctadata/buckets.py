"""Work of the owner of S3 buckets beyond transfers: create and open buckets, serve websites, create aliases."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator

from ctadata.errors import Unsupported, UsageError
from ctadata.paths import RemotePath, escape_unprintable, refuse_userinfo
from ctadata.session import Session
from ctadata.stores.s3 import buckets as s3_buckets
from ctadata.stores.s3.alias import REDIRECT, AliasWriter
from ctadata.stores.s3.buckets import Bucket
from ctadata.stores.s3.store import S3Store
from ctadata.transfer.aliases import make_aliases
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import InvalidPath, Reporter, Summary

_TYPE = re.compile(r"[!#$&^_.+A-Za-z0-9-]{1,127}/[!#$&^_.+A-Za-z0-9-]{1,127}(;[ -~]{1,200})?")  # RFC 6838, 9110
_ADDRESS = re.compile(r"(/|https?://)[!-~]{0,2000}")


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

    def make_bucket(self, bucket: str, *, website: bool = False, public: bool = False) -> None:
        """Create a bucket, and open it to everybody if the caller asks for that.

        Args:
            bucket: `name` or `s3://name`.
            website: Whether the server serves the bucket as a website.
            public: Whether everybody may read the objects. Nobody else may list them.

        Raises:
            AlreadyExists: The caller has this bucket already and asks for nothing else, or another user has it.
            Forbidden: The key may not do this.
            Unsupported: The server has no policies or no websites.
        """
        s3_buckets.make_bucket(self._connection, bucket_name(bucket), website=website, public=public)

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

    def describe(self, rules: Rules, *, content_type: str | None = None, redirect_to: str | None = None) -> Rules:
        """Make the session's uploads carry a media type and a redirect.

        Args:
            rules: The rules of the transfer.
            content_type: The media type that browsers get, for example `text/plain; charset=utf-8`.
            redirect_to: The address that a website redirects requests for these files to.

        Returns:
            The rules, changed so that an equal file without this description is uploaded again.

        Raises:
            UsageError: A header cannot carry the media type or the address.
        """
        description = _headers(content_type, redirect_to)
        store = self._session.store = self._store.with_upload_headers(description)
        return dataclasses.replace(rules, as_described=store.has_upload_headers)

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


def _headers(content_type: str | None, redirect_to: str | None) -> dict[str, str]:
    if content_type is not None and not _TYPE.fullmatch(content_type):
        raise UsageError(
            f"{escape_unprintable(content_type)!r} is no media type",
            hint="a media type looks like text/plain; charset=utf-8",
        )
    refuse_userinfo(redirect_to or "")
    if redirect_to is not None and not _ADDRESS.fullmatch(redirect_to):
        raise UsageError(
            f"a request cannot be redirected to {escape_unprintable(redirect_to)!r}",
            hint="write /path/in/the/bucket or https://..., percent-encoded",
        )
    headers = {"Content-Type": content_type, REDIRECT: redirect_to}
    return {name: value for name, value in headers.items() if value is not None}


def bucket_name(text: str) -> str:
    """Return the name of the bucket that a user typed as `name`, `s3://name` or `/name`; a slash may follow.

    Raises:
        UsageError: The text holds no name, or more than a name.
    """
    name = text.removeprefix("s3://").strip("/")
    if not name or "/" in name:
        raise UsageError("this is no bucket", hint="write its name, or s3://name", path=escape_unprintable(text))
    return name
