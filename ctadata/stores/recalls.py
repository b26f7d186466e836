"""The contract of the interfaces that bring files from tape, or from an archive, to disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ctadata.paths import RemotePath


class Recall(Protocol):
    """The state of the recall of one file."""

    @property
    def path(self) -> RemotePath:
        """The file."""

    @property
    def state(self) -> str:
        """SUBMITTED, STARTED, COMPLETED, FAILED or CANCELLED."""

    @property
    def error(self) -> str:
        """The server's words for a failure; empty if there is none."""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""

    @property
    def online(self) -> bool:
        """Whether the file can be read."""


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
