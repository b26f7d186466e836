"""Who we are to a server: Credentials, where the pool asks for the token; SigningKey, what signs a request to S3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Credentials(Protocol):
    """What proves who we are; used by many threads at once."""

    def bearer(self) -> str | None:
        """The token as of now; None for going without."""

    def renew(self, refused: str) -> str | None:
        """Another token than the one that was refused; None where there is none."""


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """An S3 access key, with which libcurl signs a request (AWS Signature Version 4).

    token: of temporary credentials; sent along, and signed.
    """

    id: str
    secret: str
    region: str
    token: str | None = None
