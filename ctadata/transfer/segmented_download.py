"""Fetch one file into its part with one or more streams, and verify the whole.

All streams read from one request to the door. When one stream meets an error, for example a connection that breaks off,
all streams end. The bytes that are here stay, and the rest is asked for at the door again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from ctadata.checksums import adler32
from ctadata.entries import Entry
from ctadata.errors import Changed, CtadataError, IntegrityError, Interrupted
from ctadata.stores.base import Delivery, Reader
from ctadata.transfer import integrity, resume_journal, sink
from ctadata.transfer.partial_file import PartialFile
from ctadata.transfer.record_digests import stream_digest
from ctadata.transfer.run import BROKEN_OFF, TRIES, Run
from ctadata.transfer.segments import ReceivedRange, Segment, Segments
from ctadata.transfer.stream_limit import StreamLimit
from ctadata.versions import can_prove_version, is_from_server, is_other_version, is_strong, tags_differ, tags_match

log = logging.getLogger(__name__)

DIVIDED_FROM = 64 << 20
"""Bytes from which a file is divided among idle workers."""


class _NoRanges(Exception):
    """The server answers a range with the whole file."""


class _Final(Exception):
    """An error that a further try would meet again."""

    def __init__(self, error: CtadataError) -> None:
        super().__init__(str(error))
        self.error = error


class SegmentedDownload:
    """The download of one file into its part.

    One worker owns the file and calls `fetch`. Idle workers call `help` at the same time (`worker_pool.Divisible`).

    Attributes:
        entry: The file; if it was replaced while it was read, the new version.
        segments: The byte ranges.
        verified: What was compared, as `size, adler32`; empty before the end.
        digest: The adler32 of the whole file, as `adler32:5ae07809`; empty before the end, and if it was not computed.
        tries: Attempts, the first included.
        alone: Whether one stream fetches the file.
    """

    def __init__(self, run: Run, entry: Entry, part: PartialFile) -> None:
        """Send no request yet. The part may hold bytes of an earlier run."""
        self.run = run
        self.entry = entry
        self.part = part
        self.verified = self.digest = ""
        self.segments = Segments(entry.size)
        self.digests: Mapping[str, str] = entry.checksums
        self.hashing = bool(run.store.features.digests or entry.checksums)
        self.stream_digest = stream_digest(entry.size, entry.checksums)
        self._is_provable = can_prove_version(entry)  # before the first byte is read
        self.alone = run.rules.jobs == 1 or (entry.size or 0) < DIVIDED_FROM or not run.store.features.parallel_reads
        self.alone = self.alone or not (self._is_provable and run.has_ranges)
        self.tries = 0
        streams, jobs = run.rules.streams, run.rules.jobs
        self._limit = StreamLimit(streams) if streams else StreamLimit(jobs, first=jobs)
        self._has_ranges = run.has_ranges
        self._broke_off = False  # the last try
        self._has_compared = False  # the listing and the read disagreed, and the entry was asked for again
        self._failed_helps = 0
        self._begun = False  # the door has answered: helpers need not ask it
        self._etag: str | None = None
        self._kept_mtime = entry.kept_mtime
        self._reader: Reader | None = None
        self._lock = threading.Lock()

    def fetch(self) -> None:
        """Fetch all bytes and verify them, with as many attempts as `Run.retry` allows.

        Raises:
            IntegrityError: Size or digest differ, or the listing and the read disagree about the file.
            Changed: The file was replaced while it was read, and again in the next attempts.
            CtadataError: What the store raises.
        """
        if self.part.blocks:
            self._read_blocks()
        try:
            if self.alone:
                self._fetch_with_retries()
            else:
                with self.run.workers.divisible(self):
                    self._fetch_with_retries()
        except BaseException:
            self._end_streams()  # no helper may write into a part that is closed
            raise
        finally:
            self._close()

    def _read_blocks(self) -> None:
        """Read the blocks that an earlier run has left, and keep those that still are what that run wrote."""
        ranges: list[ReceivedRange] = []
        for block in self.part.blocks:
            self.run.check_stop()
            content = self.part.read_block(block)
            if content is not None:
                self.stream_digest.add(block.start, content)
            if content is None:
                log.info("%s: bytes %d-%d are not what was fetched", self.entry.path, block.start, block.stop - 1)
            elif ranges and ranges[-1].stop == block.start:
                ranges[-1] = ReceivedRange(ranges[-1].start, block.stop, adler32(content, ranges[-1].adler32))
            else:
                ranges.append(ReceivedRange(block.start, block.stop, adler32(content)))
        self.segments = Segments(self.entry.size, ranges)
        self.run.reporter.planned(0, -self.segments.resumed)

    def _fetch_with_retries(self) -> None:
        try:
            self.run.retry(self._try, progress=self._kept_bytes)
        except _Final as final:
            final.error.retries = self.tries - 1
            raise final.error from final
        except (IntegrityError, Interrupted) as error:
            if not self._has_changed():
                raise
            changed = Changed()
            changed.retries = error.retries
            raise changed from error

    def _kept_bytes(self) -> int:
        """Return the bytes that the next try need not fetch again."""
        return self.segments.received if self._can_continue() else 0

    def mtime(self) -> float | None:
        """Return the mtime of the file that was uploaded, if the store knows it; else that of the listing."""
        if self._kept_mtime is None and self.run.store.features.mtime_in_metadata and not self._etag:
            self._kept_mtime = self.run.store.info(self.entry.path).kept_mtime
        return self.entry.mtime if self._kept_mtime is None else self._kept_mtime

    def _try(self) -> None:
        """Fetch what is missing, and verify the whole."""
        self.tries += 1
        if self._broke_off:
            self._restart_if_replaced()
        if self.segments.received and not self._can_continue():
            self._restart()
        try:
            try:
                self._fetch_rest()
            except _NoRanges:
                self._has_ranges, self.run.has_ranges, self.alone = False, False, True
                self._restart()
                self._fetch_rest()
            self._verify()
        except BROKEN_OFF as error:
            self._broke_off = True
            if isinstance(error, IntegrityError | Changed):
                self._restart()
            if isinstance(error, integrity.Disagreement):
                if self._has_compared:
                    raise _Final(IntegrityError(error.about, hint="ask the administrators of the storage")) from error
                self._has_compared = True
            raise

    def _fetch_rest(self) -> None:
        while not self.segments.is_complete:
            if not self._stream():
                self.segments.wait(0.2)
                self.run.check_stop()

    def _restart_if_replaced(self) -> None:
        """Ask for the entry; if the file is another version by now, start again with that one."""
        newer = self._newer_entry()
        self._broke_off = False
        if newer is not None and self.entry.is_catalogued:
            raise _Final(integrity.catalogue_error(self.entry, newer))
        if newer is not None:
            self._has_compared = False
            self.run.reporter.planned(0, (newer.size or 0) - (self.entry.size or 0))
            self._restart(newer)

    def _has_changed(self) -> bool:
        try:
            return self._newer_entry() is not None and not self.entry.is_catalogued
        except CtadataError:
            return False

    def _newer_entry(self) -> Entry | None:
        """Return the file's entry if it is another version by now; raise what the store raises."""
        now = self.run.store.info(self.entry.path)
        return now if is_other_version(now, self.entry) else None

    def help(self) -> bool:
        """Fetch one range as a further stream; see `worker_pool.Divisible`.

        An error is left to the worker that owns the file: that worker meets it too.
        """
        if self.alone or not self._begun or self._failed_helps >= TRIES:
            return False
        try:
            self._limit.update(self.segments.received, time.monotonic())
            helped = self._stream(helps=True)
        except Exception as error:  # noqa: BLE001  (the owner meets it too, and raises it)
            log.info("%s: a stream that helped broke off: %s", self.entry.path, error)
            self._failed_helps += 1
            return False
        if helped:
            self._failed_helps = 0
        return helped

    def _stream(self, *, helps: bool = False) -> bool:
        """Fetch one range; return False if none is free, or if enough streams are at work for one that `helps`."""
        segments = self.segments
        segment = segments.take(1 if self.alone else self._limit.allowed, helps=helps)
        if segment is None:
            return False
        piece = self.run.rules.block_size(sink.PIECE)
        journal = self.part.block_writer(segment.at) if self.part.journal else None
        stream = sink.Sink(self, segments, segment, journal, piece)
        whole = self.alone and (segment.start, segment.stop) == (0, self.entry.size)
        ended = False
        try:
            reader = self._open(segments)
            reader.send(stream, segment.start, None if whole else segment.stop)
            if segment.stop is None:
                segments.end_at(segment)
            if segment.at != segment.stop and not segments.is_invalid:
                raise Interrupted(f"the body ended at byte {segment.at} instead of {segment.stop}")
            ended = True
        finally:
            if journal:
                stream.end_journal()
            segments.give_back(segment, ended=ended)  # last: once all are given back, the part may be closed
        return True

    def _open(self, segments: Segments) -> Reader:
        with self._lock:
            if segments.is_invalid:
                raise Interrupted("the download of the file starts again")
            if self._reader is None:
                self._reader = self.run.open(self.entry.path)
            return self._reader

    def _close(self) -> None:
        with self._lock:
            reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _end_streams(self) -> int:
        """End all streams, also those that receive nothing, and return how many bytes no longer count."""
        self.segments.mark_invalid()
        self._close()
        return self.segments.invalidate()

    def _can_continue(self) -> bool:
        """Return whether a further read can continue, and prove that it reads the same version."""
        return self._has_ranges and self._proves_version(self._etag)

    def _proves_version(self, etag: str | None) -> bool:
        """Return whether a digest, the tag of a further read, or without tags the entry proves that it is one version.

        Beside a weak tag the entry's mtime proves nothing (RFC 9110 section 13.1.5).
        """
        if self.digests or is_from_server(self._etag):
            return bool(self.digests) or tags_match(etag, self._etag)
        return self._is_provable and (is_strong(etag) or not is_from_server(etag))

    def _restart(self, newer: Entry | None = None) -> None:
        """End all streams and start at the first byte; with `newer`, if another version is to be fetched."""
        self.run.reporter.moved(str(self.entry.path), -self._end_streams())
        if newer is not None:
            self.entry, self.digests = newer, newer.checksums
        self._is_provable = can_prove_version(self.entry)
        self.part.restart(resume_journal.version_of(self.entry) if self._is_provable else None)
        self._etag, self._kept_mtime, self._begun = None, self.entry.kept_mtime, False
        self.stream_digest = stream_digest(self.entry.size, self.digests)
        self.alone = self.alone or not self._is_provable
        self.segments = Segments(self.entry.size)

    def begin(self, delivery: Delivery, segment: Segment) -> None:
        """Check that the answer continues the file that is being fetched; see `sink.Receiver`.

        Raises:
            IntegrityError: The answer does not fit the listing.
            Changed: The answer is of another version.
        """
        integrity.check_delivery(delivery, self.entry.size)
        if delivery.total not in (None, self.entry.size):
            integrity.check_size(delivery.total, self.entry.size)
        self._check_agreement(delivery)
        is_longer = segment.stop is not None and (delivery.stop or 0) > segment.stop
        if delivery.start != segment.at or is_longer:
            raise _NoRanges
        if not self.alone and not self._begun:
            self._begun = True
            self.run.workers.wake_workers()
        if self._etag and tags_differ(delivery.etag, self._etag):
            raise Changed()
        if delivery.digests:
            self.digests = {**self.entry.checksums, **delivery.digests}
        if self.segments.received and not self._proves_version(delivery.etag):
            self.alone = True
            raise Changed("nothing proves that this is the version of the first bytes")
        self._etag = delivery.etag or self._etag
        if delivery.entry is not None and delivery.entry.kept_mtime is not None:
            self._kept_mtime = delivery.entry.kept_mtime

    def take(self, segments: Segments, segment: Segment, block: memoryview) -> None:
        """Write the next bytes of a stream into the part; see `sink.Receiver`. Raises Stopped."""
        self.run.check_stop()
        at = segment.at
        segments.add(segment, block, self.part.write, hashing=self.hashing)
        if self.alone:
            self.stream_digest.add(at, block)
        self.run.reporter.moved(str(self.entry.path), len(block))

    def _check_agreement(self, delivery: Delivery) -> None:
        """Raise Disagreement if the listing differs; learn of a server whose listings and reads have different tags."""
        try:
            integrity.check_agreement(self.entry, delivery, tags=not self.run.has_odd_tags)
        except integrity.Disagreement:
            if not self._has_compared or self.run.store.features.etag_may_be_md5:
                raise
            integrity.check_agreement(self.entry, delivery, tags=False)
            self.run.has_odd_tags = True

    def _verify(self) -> None:
        """Compare size and digests with what the server says."""
        integrity.check_size(self.part.size, self.segments.size)
        self.verified = "size" if self.entry.size is not None else ""
        known, computed = self.digests or self.run.digests(self.entry.path), dict[str, str]()
        if self.hashing:
            computed["adler32"] = f"{self.segments.adler32:08x}"
            self.digest = f"adler32:{computed['adler32']}"
        names = integrity.algorithms_to_compare(known, self.entry.checksums, hashed=self.hashing)
        computed |= self.stream_digest.digests(self.segments.size)
        for name in names:
            digest = computed.get(name) or integrity.digest_of(self.part.fd, name, self.run.check_stop)
            integrity.check_digest(name, digest, known)
            self.verified += f", {name}"
        if not names and (self.tries > 1 or self.segments.resumed) and self._newer_entry() is not None:
            raise Changed()
