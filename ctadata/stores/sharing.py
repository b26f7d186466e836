"""Links that open one file or directory for a limited time: macaroons and presigned URLs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ctadata.paths import RemotePath


@dataclass(frozen=True, slots=True, repr=False)
class Link:
    """A link that works without a login for everyone who has it.

    Attributes:
        url: Opens the file or the directory in any program. It holds the secret.
        expires: The time at which the link ends, in seconds since 1970 UTC.
        remark: What else the user should know about the end of the link; empty if nothing.
        secret: The macaroon itself, for programs that send it as a bearer token. None if the URL cannot be taken apart.
    """

    url: str
    expires: float
    secret: str | None = None
    remark: str = ""


@runtime_checkable
class Shares(Protocol):
    """A store or a door that makes links."""

    def share(
        self, path: RemotePath, *, lifetime: float, activities: Sequence[str] = (), addresses: Sequence[str] = ()
    ) -> Link:
        """Return a link to `path`.

        Args:
            path: The file or the directory that the link opens.
            lifetime: Seconds from now.
            activities: What the link allows: `download`, `list`, `upload`, `delete`, `manage`. Empty: reading.
            addresses: The networks that may use the link (CIDR). Empty: all.

        Raises:
            Unsupported: The server cannot limit a link in this way.
            UsageError: No link may live so long.
        """
