"""Stream a download to a pipe, and upload what comes out of a pipe: transfers without a local file of their own."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import IntegrityError, Interrupted, NotFound, Stopped, TimedOut, UsageError
from ctadata.fibers import Beside
from ctadata.paths import RemotePath
from ctadata.stores.base import Delivery, StopReading, Store
from ctadata.system import wait_for_pipe
from ctadata.transfer import integrity
from ctadata.transfer.integrity import check_delivery
from ctadata.transfer.partial_file import local_errors
from ctadata.transfer.report import Outcome, State, Summary
from ctadata.transfer.run import PROGRESS, Run
from ctadata.transfer.staging import is_on_tape, refuse_tape
from ctadata.transfer.streamed_digests import Digests, StreamedDigests
from ctadata.transfer.unicode_nfc import add_remark, renamed_file
from ctadata.transfer.upload_file import upload_open_file
from ctadata.transfer.upload_rights import Rights
from ctadata.versions import tags_differ, tags_match

DO_NOT_USE = "do not use what was written: it is not the file"

BLOCK = 1 << 20
"""Bytes read at a time from a pipe."""


def stream_files_to(run: Run, entries: Iterable[Entry], write: Callable[[bytes], object]) -> Summary:
    """Stream files, one after the other, until one fails.

    Args:
        run: The run.
        entries: The files.
        write: Takes the bytes.

    Returns:
        The summary.

    Raises:
        OSError: What `write` raises.
    """
    write_errors: list[OSError] = []

    def write_on(block: bytes) -> None:
        try:
            write(block)
        except OSError as error:
            write_errors.append(error)
            raise Stopped("the reader of the output is gone") from error

    for entry in entries:
        work = functools.partial(stream_to, run, entry, write_on)
        task = run.task(entry.path, None, entry.size or 0, work, entry.etag)
        task.on_tape = bool(run.staging) and is_on_tape(entry)
        run.execute([task])
        if write_errors:
            raise write_errors[0]
        if run.summary.failed:
            break
    return run.summary


def stream_to(run: Run, entry: Entry, write: Callable[[bytes], object]) -> Outcome:
    """Stream the bytes of a file to `write`, in order, as they arrive, and verify them at the end.

    Raises:
        IntegrityError: Size or digest differ. The bytes are written already.
        UsageError: It is a collection.
        OSError: What `write` raises.
        CtadataError: What the store raises.
    """
    began = time.monotonic()
    if entry.is_directory:
        raise UsageError("it is a directory", path=str(entry.path))
    if not run.staging:
        refuse_tape(entry)
    streamed = _StreamedFile(run, entry, write)
    if not run.rules.dry_run:
        run.retry(streamed.attempt, progress=lambda: streamed.offset, after=(Interrupted, TimedOut))
    seconds, size = time.monotonic() - began, entry.size or streamed.offset
    return Outcome(
        State.DONE,
        entry.path,
        None,
        size,
        seconds,
        verified=streamed.verified,
        digest=streamed.digest,
        etag=entry.etag,
    )


class _StreamedFile:
    """The sink of reads that follow each other; each starts where the last one broke off."""

    def __init__(self, run: Run, entry: Entry, write: Callable[[bytes], object]) -> None:
        self.run = run
        self.entry = entry
        self.write_on = write
        self.offset = 0
        self.digest = self.verified = ""
        self._skip = 0
        self._first: Delivery | None = None
        self._asked: Beside[Digests] | None = None
        self._digests = StreamedDigests({}, {}, None)

    def attempt(self) -> None:
        """Read what is missing, and verify the whole.

        Raises IntegrityError if the whole is wrong, or if the server contradicts itself.
        """
        try:
            self._read_agreed()
            self._check()
        except IntegrityError as error:
            error.hint = DO_NOT_USE if self.offset else error.hint
            raise

    def _read_agreed(self) -> None:
        """Read what is missing. If the listing and the answer disagree, ask for the entry and read once more."""
        try:
            self._read()
        except integrity.Disagreement:
            self.entry = self.run.store.info(self.entry.path)  # it may have been replaced since it was listed
            try:
                self._read()
            except integrity.Disagreement as error:
                raise IntegrityError(error.about) from error

    def _read(self) -> None:
        if self.offset == 0:
            is_stated = self.entry.checksums or self.run.store.features.digests
            self._asked = None if is_stated else self._ask_digests()
        with self.run.open(self.entry.path) as reader:
            if self.offset == 0 or self.entry.size is None or self.offset < self.entry.size:
                reader.send(self, self.offset, self.entry.size if self.offset else None)

    def _ask_digests(self) -> Beside[Digests]:
        path = self.entry.path
        return Beside(lambda: self.run.digests(path))

    def begin(self, delivery: Delivery) -> None:
        """Check the answer; raise IntegrityError if its bytes do not continue what was written."""
        integrity.check_delivery(delivery, self.entry.size)
        integrity.check_agreement(self.entry, delivery, tags=self.run.store.features.etag_may_be_md5)
        if self.offset == 0:
            self._first = delivery
            listed = self.entry.checksums
            known = {**listed, **delivery.digests}
            if not known and self._asked is None and not self.run.store.features.reads_tell_entries:
                self._asked = self._ask_digests()
            self._digests = StreamedDigests(known, listed, self._asked)
        elif delivery.start > self.offset or not self._is_same_version(delivery):
            raise IntegrityError("the file changed while it was read")
        self._skip = self.offset - delivery.start

    def _is_same_version(self, delivery: Delivery) -> bool:
        first = self._first
        if first is None or delivery.total != first.total or tags_differ(delivery.etag, first.etag):
            return False
        # the digest of the whole proves at the end what a tag proves now
        return bool(first.digests or self.entry.checksums) or tags_match(delivery.etag, first.etag)

    def write(self, block: bytes | memoryview) -> None:
        """Pass the next bytes on; raise IntegrityError if the file has not so many."""
        skipped = min(self._skip, len(block))
        self._skip -= skipped
        content = bytes(block[skipped:])
        integrity.check_end(self.offset + len(content), self.entry.size)
        self._digests.update(content)
        self.write_on(content)
        self.offset += len(content)
        self.run.reporter.moved(str(self.entry.path), len(content))

    def _check(self) -> None:
        integrity.check_size(self.offset, self.entry.size)
        size = ["size"] if self.entry.size is not None else []
        self.verified = ", ".join([*size, *self._digests.compare()])
        algorithm, computed = next(iter(self._digests.computed.items()))
        self.digest = f"{algorithm}:{computed}"


def upload_spooled_file(run: Run, fd: int, status: os.stat_result, target: RemotePath) -> Outcome:
    """Upload an open file that has no local name. Raises what `upload_file` raises.

    Args:
        run: The run.
        fd: The open file.
        status: Its stat(2).
        target: The remote file.
    """
    target, existing = renamed_file(run, target), None
    add_remark(run)
    try:
        existing = run.store.info(target)
    except NotFound:
        run.names.check(target, tries=not run.rules.dry_run)
        if not run.rules.dry_run:
            run.store.mkdir(target.parent)
    outcome = upload_open_file(run, Rights(), fd, status, Path("-"), target, existing, is_spool=True)
    return dataclasses.replace(outcome, local=None)


@contextlib.contextmanager
def spool_pipe(pipe: int, stop: threading.Event) -> Iterator[tuple[int, os.stat_result]]:
    """Write all that comes out of a pipe into a file without a name in TMPDIR.

    An upload needs the file's size before the first byte.

    Yields:
        The file's descriptor and its stat(2).

    Raises:
        StorageFull: TMPDIR is full.
        LocalError: TMPDIR cannot be written.
        Stopped: The run was stopped.
    """
    with contextlib.ExitStack() as stack:
        with local_errors("TMPDIR"):
            file = stack.enter_context(tempfile.TemporaryFile(buffering=0))
        with local_errors(tempfile.gettempdir()):
            while block := _read(pipe, stop):
                view = memoryview(block)
                while view:
                    view = view[os.write(file.fileno(), view) :]
        yield file.fileno(), os.fstat(file.fileno())


def _read(pipe: int, stop: threading.Event) -> bytes:
    while not wait_for_pipe(pipe, 0.2):
        if stop.is_set():
            break
    if stop.is_set():
        raise Stopped("stopped")
    return os.read(pipe, BLOCK)


ATTEMPTS = 4
"""Attempts to read a range that add hardly any bytes."""


def stream_range_to(store: Store, entry: Entry, start: int, stop: int | None, write: Callable[[bytes], object]) -> None:
    """Stream a range of a file to `write`, in order. A read that breaks off continues, with the same version.

    Args:
        store: The store.
        entry: The file.
        start: The first byte.
        stop: The end (exclusive); None: the end of the file.
        write: Takes the bytes.

    Raises:
        UsageError: It is a collection.
        Changed: The file was replaced meanwhile.
        OSError: What `write` raises.
        CtadataError: What the store raises.
    """
    if entry.is_directory:
        raise UsageError("it is a directory", path=str(entry.path))
    sink = _RangeSink(entry, start, stop, write)
    with store.open(entry.path) as reader:
        attempt, reached = 1, start
        while True:
            try:
                reader.send(sink, sink.offset, stop)
            except (Interrupted, TimedOut):
                attempt = 1 if sink.offset >= reached + PROGRESS else attempt + 1
                if attempt > ATTEMPTS:
                    raise
                reached = max(reached, sink.offset)
            except Stopped:
                if sink.write_error is not None:
                    raise sink.write_error from None
                raise
            else:
                return


class _RangeSink:
    """The sink of a range; it drops the bytes before the range if the store begins earlier.

    Attributes:
        write_error: The error of `write`, which ends the read.
    """

    def __init__(self, entry: Entry, start: int, stop: int | None, write: Callable[[bytes], object]) -> None:
        self.entry = entry
        self.offset = start
        self.write_error: OSError | None = None
        self._stop = stop
        self._write = write
        self._skip = 0
        self._ends = False  # whether the answer ends where the range does: then it is read to its end

    def begin(self, delivery: Delivery) -> None:
        """Check the answer; raise IntegrityError if it begins too late, or its bytes are not those that are stored."""
        check_delivery(delivery, self.entry.size)
        self._ends = delivery.stop is not None and self._stop is not None and delivery.stop <= self._stop
        if delivery.start > self.offset:
            raise IntegrityError(f"asked for the bytes from {self.offset} on, and offered those from {delivery.start}")
        self._skip = self.offset - delivery.start

    def write(self, block: bytes | memoryview) -> None:
        """Pass the next bytes on; raise StopReading if the range is complete and the answer goes on."""
        skipped = min(self._skip, len(block))
        self._skip -= skipped
        wanted = bytes(block[skipped : None if self._stop is None else skipped + max(0, self._stop - self.offset)])
        try:
            self._write(wanted)
        except OSError as error:
            self.write_error = error
            raise Stopped("the reader of the output is gone") from error
        self.offset += len(wanted)
        if self._stop is not None and self.offset >= self._stop and not self._ends:
            raise StopReading
