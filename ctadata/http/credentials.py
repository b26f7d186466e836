"""Credentials: where the pool asks for the token."""

from __future__ import annotations

from typing import Protocol


class Credentials(Protocol):
    """What proves who we are; used by many threads at once."""

    def bearer(self) -> str | None:
        """The token as of now; None for going without."""

    def renew(self, refused: str) -> str | None:
        """Another token than the one that was refused; None where there is none."""
