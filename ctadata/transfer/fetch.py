"""One file down: into a part, checked while it streams, published when it is whole and right."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from ctadata.checksums import Hasher
from ctadata.entries import Entry
from ctadata.errors import AlreadyExists, IntegrityError
from ctadata.stores.base import Delivery
from ctadata.transfer import verify
from ctadata.transfer.landing import Folder, Part
from ctadata.transfer.plan import Step, plan_download
from ctadata.transfer.report import Outcome, State
from ctadata.transfer.run import Run

STATES = {Step.SKIP: (State.SKIPPED, "equal"), Step.KEEP: (State.KEPT, "it differs, and is kept")}


def fetch_file(run: Run, entry: Entry, folder: Folder, name: str) -> Outcome:
    """Download `entry` as `name` into `folder`, if the plan says so.

    Raises what the store raises, IntegrityError, LocalError, StorageFull; then the old file, if any, is untouched.
    """
    began = time.monotonic()
    local = folder.path / name
    found = folder.look(name)
    step = plan_download(entry, local, found, run.rules)
    if step in STATES:
        state, why = STATES[step]
        return Outcome(state, entry.path, local, entry.size or 0, why=why)
    run.reporter.planned(1, entry.size or 0)
    part = folder.part()
    try:
        sink = _PartSink(run, part, entry)
        run.persist(sink.fill, progress=lambda: sink.offset)
        step = _publish(run, part, sink.entry, local, found)
    except BaseException:
        part.drop()
        raise
    state, why = STATES.get(step, (State.DONE, ""))
    seconds = time.monotonic() - began
    return Outcome(state, entry.path, local, sink.offset, seconds, verified=sink.verified, why=why)


def _publish(run: Run, part: Part, entry: Entry, local: Path, found: os.stat_result | None) -> Step:
    """Publish; where the name was taken since the plan, look at it again and decide anew."""
    while True:
        try:
            part.publish(local.name, mtime=entry.mtime, replace=found)
        except AlreadyExists:
            found = part.folder.look(local.name)
            step = Step.CREATE if found is None else plan_download(entry, local, found, run.rules)
            if step in STATES:
                part.drop()
                return step
        else:
            return Step.CREATE


@dataclass(slots=True)
class _PartSink:
    """Takes the bytes of a read into the part; keeps count and digest, also over a read that broke off."""

    run: Run
    part: Part
    entry: Entry
    offset: int = 0
    verified: str = ""
    delivery: Delivery | None = None
    hasher: Hasher | None = None
    digests: dict[str, str] = field(default_factory=dict)

    def fill(self) -> None:
        """Ask for what is missing, then check the whole; IntegrityError where it is not right."""
        start = self._continue_at()
        try:
            with self.run.store.open(self.entry.path) as reading:
                reading.send(self, start, self.entry.size if start else None)
            self._check()
        except IntegrityError:
            self._void()
            raise

    def _continue_at(self) -> int:
        """Where a read that broke off can go on: only if it can be proved that it is the same version."""
        known = self.hasher is not None or (self.delivery is not None and _strong(self.delivery.etag))
        return self.offset if known and self.entry.size is not None and self.offset < self.entry.size else 0

    def begin(self, delivery: Delivery) -> None:
        """Go on where the last read ended, if the bytes continue it; otherwise start anew."""
        if delivery.start == 0:
            self._start(delivery)
        elif delivery.start != self.offset or not self._same_version(delivery):
            raise IntegrityError("the file changed while it was read")

    def _start(self, delivery: Delivery) -> None:
        self._void()
        self.delivery = delivery
        self.digests = {**self.entry.checksums, **delivery.digests}
        self.hasher = verify.choose(delivery.digests, self.entry.checksums)
        verify.check_size(delivery.total if delivery.total is not None else self.entry.size or 0, self.entry.size)

    def _same_version(self, delivery: Delivery) -> bool:
        first = self.delivery
        if first is None or delivery.total not in (None, first.total):
            return False
        return self.hasher is not None or (_strong(delivery.etag) and delivery.etag == first.etag)

    def write(self, block: bytes) -> None:
        """The next bytes; IntegrityError at the first one too many."""
        if self.entry.size is not None and self.offset + len(block) > self.entry.size:
            raise IntegrityError(f"more bytes arrive than the {self.entry.size} of the file")
        self.part.write(block, self.offset)
        if self.hasher:
            self.hasher.update(block)
        self.offset += len(block)
        self.run.reporter.moved(str(self.entry.path), len(block))

    def _check(self) -> None:
        verify.check_size(self.offset, self.entry.size)
        self.verified = "size" if self.entry.size is not None else ""
        if self.hasher and verify.check_digest(self.hasher, self.digests):
            self.verified += f", {self.hasher.algorithm}"

    def _void(self) -> None:
        if self.offset:
            self.run.reporter.moved(str(self.entry.path), -self.offset)
            self.part.truncate()
        self.offset, self.delivery, self.hasher = 0, None, None


def _strong(etag: str | None) -> bool:
    return bool(etag) and not str(etag).startswith("W/")
