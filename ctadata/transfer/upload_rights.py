"""What the uploads of one run have learnt about the token."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Rights:
    """The limits of the token that a run has met; all is thought to be allowed until the server refuses it.

    Attributes:
        may_move: Whether a file may be renamed.
        may_replace: Whether a file may be replaced.
        reason: The server's words for a refusal.
    """

    may_move: bool = True
    may_replace: bool = True
    reason: str = ""
