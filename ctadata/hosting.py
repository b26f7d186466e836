"""What the owner of S3 buckets does beyond moving files: buckets, what everybody may read, websites, aliases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ctadata.errors import Unsupported, UsageError
from ctadata.paths import RemotePath, printable
from ctadata.session import Session
from ctadata.stores import s3_hosting
from ctadata.stores.s3 import S3Store
from ctadata.stores.s3_aliasing import Aliasing
from ctadata.stores.s3_hosting import Bucket
from ctadata.transfer.aliasing import make_aliases
from ctadata.transfer.download import Refused
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import Reporter, Silent, Summary
from ctadata.transfer.run import Run


class Hosting:
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
        return s3_hosting.buckets(self._connection)

    def make_bucket(self, bucket: str, *, website: bool = False, public: bool = False) -> None:
        """Make a bucket, by `name` or `s3://name`; see `s3_hosting.make_bucket`."""
        s3_hosting.make_bucket(self._connection, bucket_name(bucket), website=website, public=public)

    def remove_bucket(self, bucket: str, *, recursive: bool = False) -> None:
        """Remove a bucket; see `s3_hosting.remove_bucket`."""
        s3_hosting.remove_bucket(self._connection, bucket_name(bucket), recursive=recursive)

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

        session = self._session
        run = Run(self._store, Rules(jobs=session.profile.jobs), reporter or Silent(), session.stop)
        return make_aliases(run, make, map(self._resolved, pairs))

    def _resolved(self, pair: tuple[str, str]) -> tuple[RemotePath, RemotePath] | Refused:
        alias, file = pair
        try:
            return self._session.resolve(alias), self._session.resolve(file)
        except UsageError as error:
            error.path = error.path or printable(alias)
            return Refused(error, RemotePath())


def bucket_name(text: str) -> str:
    """The bucket that a person means: `name`, `s3://name`, `/name`; a slash may follow. UsageError for more."""
    name = text.removeprefix("s3://").strip("/")
    if not name or "/" in name:
        raise UsageError("it is no bucket", hint="write its name, or s3://name", path=printable(text))
    return name
