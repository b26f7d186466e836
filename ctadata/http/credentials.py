"""The credentials of a client: Credentials gives bearer tokens; SigningKey signs requests to S3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Credentials(Protocol):
    """A source of bearer tokens. Many threads use it at once."""

    def bearer(self) -> str | None:
        """Return the token to send now; None to send the request without a token."""

    def renew(self, refused: str) -> str | None:
        """Return a token that replaces `refused`, which the server has refused; None if there is no other token."""


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """An S3 access key; libcurl signs requests with it (AWS Signature Version 4).

    Attributes:
        id: The public part of the key.
        secret: The secret part; it is never sent.
        region: The region in the signature.
        token: The session token of temporary credentials; it is sent along and signed.
        expires: When the key ends, in seconds since 1970 UTC; None if that is unknown, or it never does.
    """

    id: str
    secret: str
    region: str
    token: str | None = None
    expires: float | None = None
