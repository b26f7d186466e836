"""Links that open one file or collection to whoever has them, for a while: macaroons, presigned URLs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ctadata.paths import RemotePath


@dataclass(frozen=True, slots=True, repr=False)
class Link:
    """Who has it needs no login.

    url:     opens the file, or the collection, in any program; it holds the secret.
    expires: when it ends, seconds since 1970.
    secret:  the part of it that proves the right (a macaroon), for programs that send it as a bearer token; None
             where it cannot be told apart from the URL.
    """

    url: str
    expires: float
    secret: str | None = None


@runtime_checkable
class Shares(Protocol):
    """A place that makes links."""

    def share(
        self, path: RemotePath, *, lifetime: float, activities: Sequence[str] = (), addresses: Sequence[str] = ()
    ) -> Link:
        """A link to `path` for `lifetime` seconds.

        activities: what may be done with it (`download`, `list`, `upload`, `delete`, `manage`), none for reading.
        addresses:  networks that it may be used from (CIDR), none for everywhere.
        Unsupported where it cannot be limited so, UsageError where it cannot live so long.
        """
