"""The token of a JupyterHub: given by whoever asks, or by the environment of the session; opaque, never renewed."""

from __future__ import annotations

from dataclasses import dataclass, field

from ctadata.tokens.token import Secret, Token


@dataclass(frozen=True, slots=True, repr=False)
class HubToken:
    """One token for one session.

    text:   what goes into the Authorization header.   origin: where it comes from, in words.
    """

    text: str
    origin: str
    known: Secret = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """No message shows the text while this lives."""
        object.__setattr__(self, "known", Secret(self.text))

    @property
    def token(self) -> Token | None:
        """Nothing is known of it."""
        return None

    def bearer(self) -> str | None:
        """The text for the Authorization header."""
        return self.text

    def renew(self, refused: str) -> str | None:  # noqa: ARG002  (there is no other)
        """None: there is no other."""
        return None
