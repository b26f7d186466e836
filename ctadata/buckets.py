"""What the owner of S3 buckets does beyond moving files: buckets, what everybody may read, websites, aliases."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator

from ctadata.errors import Unsupported, UsageError
from ctadata.paths import RemotePath, escape_unprintable, refuse_userinfo
from ctadata.session import Session
from ctadata.stores.s3 import buckets as s3_buckets
from ctadata.stores.s3.alias import REDIRECT, Aliasing
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
        """Unsupported where the profile is not one of S3."""
        if not isinstance(session.store, S3Store):
            raise Unsupported(
                f"the profile {session.profile.name} is no S3 store",
                hint='buckets and aliases are those of profiles with kind = "s3"',
            )
        self._session = session
        self._store = session.store
        self._connection = session.store.connection

    def buckets(self) -> Iterator[Bucket]:
        """The buckets of whoever asks, by name; Forbidden."""
        return s3_buckets.buckets(self._connection)

    def make_bucket(self, bucket: str, *, website: bool = False, public: bool = False) -> None:
        """Make a bucket, by `name` or `s3://name`; see `s3_buckets.make_bucket`."""
        s3_buckets.make_bucket(self._connection, bucket_name(bucket), website=website, public=public)

    def remove_bucket(self, bucket: str, *, recursive: bool = False) -> None:
        """Remove a bucket; see `s3_buckets.remove_bucket`."""
        s3_buckets.remove_bucket(self._connection, bucket_name(bucket), recursive=recursive)

    def describe(self, rules: Rules, *, content_type: str | None = None, redirect_to: str | None = None) -> Rules:
        """Let uploads of the session carry this; gives the rules by which equal files that do not are sent again.

        content_type: what a browser takes them for.   redirect_to: where a website sends those who ask for them.
        UsageError where it cannot be sent.
        """
        description = _headers(content_type, redirect_to)
        store = self._session.store = self._store.described(description)
        return dataclasses.replace(rules, as_described=store.is_described)

    def alias(
        self,
        pairs: Iterable[tuple[str, str]],
        *,
        replace: bool = False,
        reporter: Reporter | None = None,
    ) -> Summary:
        """Make aliases, each of a file in its bucket: `(alias, file)`, paths as a person writes them.

        replace: aliases that stand for another file are made to stand for this one.
        What happens to single ones is in the summary.
        """
        aliasing = Aliasing(self._connection)

        def make(alias: RemotePath, file: RemotePath) -> bool:
            return aliasing.make(self._store.name(alias), self._store.name(file), replace=replace)

        return make_aliases(self._session.run(None, reporter), make, map(self._resolved, pairs))

    def _resolved(self, pair: tuple[str, str]) -> tuple[RemotePath, RemotePath] | InvalidPath:
        alias, file = pair
        try:
            return self._session.resolve(alias), self._session.resolve(file)
        except UsageError as error:
            error.path = error.path or escape_unprintable(alias)
            return InvalidPath(error, RemotePath())


def _headers(content_type: str | None, redirect_to: str | None) -> dict[str, str]:
    if content_type is not None and not _TYPE.fullmatch(content_type):
        raise UsageError(
            f"{escape_unprintable(content_type)!r} is no media type", hint="as in text/plain; charset=utf-8"
        )
    refuse_userinfo(redirect_to or "")
    if redirect_to is not None and not _ADDRESS.fullmatch(redirect_to):
        raise UsageError(
            f"nobody can be redirected to {escape_unprintable(redirect_to)!r}",
            hint="write /path/in/the/bucket or https://..., percent-encoded",
        )
    said = {"Content-Type": content_type, REDIRECT: redirect_to}
    return {name: value for name, value in said.items() if value is not None}


def bucket_name(text: str) -> str:
    """The bucket that a person means: `name`, `s3://name`, `/name`; a slash may follow. UsageError for more."""
    name = text.removeprefix("s3://").strip("/")
    if not name or "/" in name:
        raise UsageError("it is no bucket", hint="write its name, or s3://name", path=escape_unprintable(text))
    return name
