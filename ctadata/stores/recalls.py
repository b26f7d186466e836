"""The contract of the interfaces that bring files from tape, or from an archive, to disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ctadata.paths import RemotePath

ENDED = ("COMPLETED", "FAILED", "CANCELLED")
"""The states after which nothing changes any more."""


@dataclass(frozen=True, slots=True)
class Recall:
    """The state of the recall of one file.

    Attributes:
        path: The file.
        state: SUBMITTED, STARTED, COMPLETED, FAILED or CANCELLED.
        error: The server's words for a failure; empty if there is none.
    """

    path: RemotePath
    state: str
    error: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ENDED

    @property
    def online(self) -> bool:
        """Whether the file can be read."""
        return self.state == "COMPLETED"


class Recalls(Protocol):
    """An interface that brings files to disk: dCache's tape interface, or the archive classes of S3."""

    def stage(self, paths: Sequence[RemotePath], *, lifetime: float | None = None) -> str:
        """Request files, and return the id of the request.

        Args:
            paths: The files.
            lifetime: Seconds that they stay on disk; None: as the site decides.
        """

    def status(self, request: str) -> Sequence[Recall]:
        """Return the state of each file of a request; raise NotFound if the request is not known."""

    def release(self, request: str, paths: Sequence[RemotePath]) -> None:
        """Let files of a request leave the disk again."""

    def cancel(self, request: str, paths: Sequence[RemotePath]) -> None:
        """Cancel files of a request: they need not come to disk."""
