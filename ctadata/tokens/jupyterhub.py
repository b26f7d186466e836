"""The token of a JupyterHub session.

The caller passes it, or the environment has it. It is opaque and never renewed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ctadata.tokens.token import Secret, Token


@dataclass(frozen=True, slots=True, repr=False)
class HubToken:
    """The token of one session.

    Attributes:
        text: The text for the Authorization header.
        origin: The origin of the token, in words.
    """

    text: str
    origin: str
    known: Secret = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Register the text as a secret, so that no message shows it."""
        object.__setattr__(self, "known", Secret(self.text))

    @property
    def token(self) -> Token | None:
        """None: the token is opaque."""
        return None

    def bearer(self) -> str | None:
        """Return the text for the Authorization header."""
        return self.text

    def renew(self, refused: str) -> str | None:  # noqa: ARG002  (there is no other)
        """Return None: there is no other token."""
        return None
