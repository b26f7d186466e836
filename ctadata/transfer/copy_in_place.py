"""Copy a file inside one store: its server copies it to the final name, whole or not at all, and compares it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ctadata.entries import NO_CHECKSUMS, Entry
from ctadata.errors import AlreadyExists, CtadataError
from ctadata.paths import RemotePath
from ctadata.transfer.equality import RemoteFile
from ctadata.transfer.plan import UNMOVED, Step, plan_for_taken_name
from ctadata.transfer.run import Run


@dataclass(frozen=True, slots=True)
class PlacedCopy:
    """A copy under its final name, compared with its source by the store.

    Attributes:
        entry: The copy.
        algorithm: The algorithm whose digests are equal; empty if only the sizes could be compared.
        digests: The digests that the store states.
    """

    entry: Entry
    algorithm: str
    digests: Mapping[str, str]


class CopyInPlace(Protocol):
    """Copies one file inside a store."""

    def __call__(
        self, entry: Entry, to: RemotePath, moved: Callable[[int], None], *, new: bool, is_seen: bool
    ) -> PlacedCopy:
        """Copy one file to its final name.

        Args:
            entry: The file.
            to: The path of the copy.
            moved: Receives the number of bytes copied so far.
            new: Whether a file under the new path is an error.
            is_seen: Whether the caller has just looked at both paths.

        Raises:
            AlreadyExists: With `new`, the path is taken.
            IntegrityError: The copy differs from its source.
        """


class InPlaceAttempts:
    """The attempts to copy one file inside a store.

    Attributes:
        verified: What was compared, as receipts have it.
        digest: The digest of both files, `md5:...`; empty if none was compared.
        stored_entry: The entry of the copy.
        digests: The digests that the store states.
    """

    def __init__(self, run: Run, copy: CopyInPlace, target: RemotePath, side: RemoteFile) -> None:
        """Keep what the attempts need."""
        self._run, self._copy, self._target, self._side = run, copy, target, side
        self.verified = self.digest = ""
        self.stored_entry: Entry | None = None
        self.digests: Mapping[str, str] = NO_CHECKSUMS
        self._reported = 0
        self._is_seen = target in run.found

    def attempt(self, step: Step) -> Step:
        """Make one attempt; return the step that was taken."""
        try:
            return self._place(step, new=step is Step.CREATE)
        except AlreadyExists:
            if step is not Step.CREATE:
                raise
            existing = self._run.store.info(self._target)
            if existing.is_directory:
                raise
            again = plan_for_taken_name(self._side, existing, self._run.rules)
            return again if again in UNMOVED else self._place(again, new=False)

    def _place(self, step: Step, *, new: bool) -> Step:
        is_seen, self._is_seen = self._is_seen, False  # a second attempt looks anew
        try:
            copied = self._copy(self._side.entry, self._target, self._moved, new=new, is_seen=is_seen)
        except CtadataError:
            self._moved(0)
            raise
        self.stored_entry, self.digests = copied.entry, copied.digests
        self.verified = f"size, {copied.algorithm}" if copied.algorithm else "size"
        self.digest = f"{copied.algorithm}:{copied.digests[copied.algorithm]}" if copied.algorithm else ""
        return step

    def _moved(self, so_far: int) -> None:
        self._run.reporter.moved(str(self._target), so_far - self._reported)
        self._reported = so_far
