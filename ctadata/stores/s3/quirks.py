"""The quirks of an S3 server that the requests of one connection have met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ctadata.errors import CtadataError, LoginNeeded


@dataclass(slots=True)
class Quirks:
    """What is known of one server. Many threads may use it.

    Attributes:
        refused_headers: Optional headers, in lower case, that the server refuses. S3Proxy answers 501 to each header
            that it does not know.
        kept_headers: Buckets, each with a header about which the server has kept what an upload said.
        opaque_tags: Buckets in which the tag of an upload was not its MD5.
        regions: The region of each bucket for which the server has named one.
        server_region: The region of all other buckets; None if the server has not named one.
    """

    refused_headers: set[str] = field(default_factory=set)
    kept_headers: set[tuple[str, str]] = field(default_factory=set)
    opaque_tags: set[str] = field(default_factory=set)
    regions: dict[str, str] = field(default_factory=dict)
    server_region: str | None = None

    def usable(self, optional: Mapping[str, str]) -> Mapping[str, str]:
        """Return the optional headers that the server has not refused."""
        return {name: value for name, value in optional.items() if name.lower() not in self.refused_headers}

    def may_be_refusal(self, error: CtadataError) -> bool:
        """Return whether a request may have failed because of an optional header.

        A proxy that removes a signed header makes the signature wrong.
        """
        if isinstance(error, LoginNeeded):
            return "SignatureDoesNotMatch" in error.what
        return error.status in (400, 501)

    def refuse(self, optional: Mapping[str, str]) -> None:
        """Remember that the server refuses these headers, and answers a request without them."""
        self.refused_headers.update(name.lower() for name in optional)
