"""One file up: to a hidden temporary name, verified there, then moved to its own name.

The old file stays until the move. Only a store whose own upload appears whole or not at all (`atomic_put`) is
given the final name at once.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ctadata.checksums import Adler32
from ctadata.entries import Entry
from ctadata.errors import (
    AlreadyExists,
    CtadataError,
    LocalError,
    NotFound,
    ServerTrouble,
    TemporaryError,
    TimedOut,
)
from ctadata.paths import RemotePath, printable
from ctadata.stores.base import Written
from ctadata.transfer import temporaries, verify
from ctadata.transfer.fetch import STATES
from ctadata.transfer.plan import Step, plan_upload
from ctadata.transfer.report import Outcome, State
from ctadata.transfer.run import BROKEN_OFF, Run

AGAIN = (*BROKEN_OFF, ServerTrouble)
"""An upload to a temporary name can always be tried anew; the HTTP client repeats no upload that a server refused."""


def send_file(run: Run, local: Path, target: RemotePath, there: Entry | None) -> Outcome:
    """Upload `local` as `target`, where the listing showed `there`, if the plan says so.

    Raises what the store raises, IntegrityError (also where the local file changes while it is read), LocalError.
    """
    began = time.monotonic()
    with _open(local) as (fd, found):
        if there is not None and there.is_directory:
            raise AlreadyExists("it is a collection on the storage", path=str(target))
        step = plan_upload(local, found, there, run.store.features, run.rules)
        if step in STATES:
            state, why = STATES[step]
            return Outcome(state, target, local, found.st_size, why=why)
        run.reporter.planned(1, found.st_size)
        source = FileSource(run, str(target), fd, found)
        upload = _Upload(run, local, target, source)
        step = run.persist(lambda: upload.once(step), after=AGAIN)
    state, why = STATES.get(step, (State.DONE, ""))
    return Outcome(state, target, local, found.st_size, time.monotonic() - began, verified=upload.verified, why=why)


@contextlib.contextmanager
def _open(local: Path) -> Iterator[tuple[int, os.stat_result]]:
    try:
        # a pipe would block for ever in open; it is told apart after it
        fd = os.open(local, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise LocalError(f"local: {error.strerror}", path=printable(str(local))) from error
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise LocalError("local: not a regular file", path=printable(str(local)))
        yield fd, found
    finally:
        os.close(fd)


@dataclass(slots=True)
class FileSource:
    """A local file as the body of an upload; notices when it changes while it is read."""

    run: Run
    name: str
    fd: int
    found: os.stat_result
    offset: int = 0
    hasher: Adler32 = field(default_factory=Adler32)

    @property
    def size(self) -> int:
        """Bytes, as when it was opened."""
        return self.found.st_size

    @property
    def mtime(self) -> float | None:
        """Seconds since 1970, as when it was opened."""
        return self.found.st_mtime

    def read(self, limit: int) -> bytes:
        """The next bytes; IntegrityError instead of the last ones where the file has changed meanwhile."""
        block = os.pread(self.fd, min(limit, self.size - self.offset), self.offset)
        self.offset += len(block)
        if self.offset == self.size or not block:
            self._check_unchanged()
        self.hasher.update(block)
        self.run.reporter.moved(self.name, len(block))
        return block

    def rewind(self) -> None:
        """Start again at the first byte."""
        if self.offset:
            self.run.reporter.moved(self.name, -self.offset)
        self.offset, self.hasher = 0, Adler32()

    def _check_unchanged(self) -> None:
        now = os.fstat(self.fd)
        if (now.st_size, now.st_mtime_ns) != (self.size, self.found.st_mtime_ns):
            raise LocalError("local: the file changed while it was read")


@dataclass(slots=True)
class _Upload:
    run: Run
    local: Path
    target: RemotePath
    source: FileSource
    verified: str = ""

    def once(self, step: Step) -> Step:
        """One try, from the first byte to the final name."""
        self.source.rewind()
        if self.run.store.features.atomic_put:
            return self._in_place(step)
        temporary = self.target.parent / temporaries.new_name()
        try:
            written = self.run.store.write(temporary, self.source)
            self._verify(temporary, written)
            return self._move(temporary, step)
        except BaseException as error:
            self.run.discard(temporary)
            if isinstance(error, CtadataError):
                error.path = str(self.target)  # the temporary name means nothing to the user
            raise

    def _in_place(self, step: Step) -> Step:
        while True:
            try:
                written = self.run.store.write(self.target, self.source, new=step is Step.CREATE)
            except AlreadyExists:
                if (step := self._look_again(step)) in STATES:
                    return step
                self.source.rewind()
            else:
                self._verify(self.target, written)
                return step

    def _verify(self, path: RemotePath, written: Written) -> None:
        digests = written.digests or self.run.store.digests(path)
        if verify.check_digest(self.source.hasher.algorithm, self.source.hasher.hexdigest(), digests):
            self.verified = f"size, {self.source.hasher.algorithm}"
            return
        verify.check_size(self.run.store.info(path).size or 0, self.source.size)
        self.verified = "size"

    def _move(self, temporary: RemotePath, step: Step) -> Step:
        while True:
            try:
                self.run.store.move(temporary, self.target, replace=step is Step.REPLACE)
            except AlreadyExists:
                if (step := self._look_again(step)) in STATES:
                    self.run.store.delete(temporary)
                    return step
            except (TemporaryError, TimedOut):
                if not self._moved_after_all(temporary):
                    raise
                return step
            else:
                return step

    def _look_again(self, step: Step) -> Step:
        """The name was taken since the plan: decide anew on what stands there now."""
        if step is Step.REPLACE:
            raise AlreadyExists("the storage does not replace it", path=str(self.target))
        there = self.run.store.info(self.target)
        if there.is_directory:
            raise AlreadyExists("it is a collection on the storage", path=str(self.target))
        return plan_upload(self.local, self.source.found, there, self.run.store.features, self.run.rules)

    def _moved_after_all(self, temporary: RemotePath) -> bool:
        """Whether the move happened although its answer was lost."""
        with contextlib.suppress(CtadataError):
            try:
                self.run.store.info(temporary)
            except NotFound:
                return self.run.store.info(self.target).size == self.source.size
        return False
