"""The streams that fetch one file into its part, and the check of the whole.

All of them read from one door request. What one of them meets, as a connection that breaks off, ends all: the rest is
asked for at the door again, and what is here stays.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping

from ctadata.checksums import adler32, strongest_digest
from ctadata.entries import Entry
from ctadata.errors import Changed, CtadataError, IntegrityError, Interrupted
from ctadata.stores.base import Delivery, Reader
from ctadata.transfer import integrity, resume_journal, sink
from ctadata.transfer.partial_file import PartialFile
from ctadata.transfer.record_digests import passing
from ctadata.transfer.run import BROKEN_OFF, TRIES, Run
from ctadata.transfer.segments import Piece, Segment, Segments
from ctadata.versions import can_prove_version, is_other_version, is_strong, tags_differ, tags_match

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
    """One file on its way into its part: any number of streams, then the check of the whole."""

    def __init__(self, run: Run, entry: Entry, part: PartialFile) -> None:
        """Nothing is asked for yet; `part` may hold what an earlier run has fetched."""
        self.run = run
        self.entry = entry
        self.part = part
        self.verified = ""
        self.pieces = Segments(entry.size, streams=run.rules.jobs)
        self.digests: Mapping[str, str] = entry.checksums
        self.hashing = bool(run.store.features.digests or entry.checksums)
        self.passing = passing(entry.size, entry.checksums)
        self._is_provable = can_prove_version(entry)  # before the first byte is read
        self.alone = run.rules.jobs == 1 or (entry.size or 0) < DIVIDED_FROM or not run.store.features.parallel_reads
        self.alone = self.alone or not self._is_provable
        self.tries = 0
        self._has_ranges = True
        self._doubted = False  # the last try broke off
        self._has_looked = False  # for what a listing and a read said differently
        self._broken_help = 0
        self._begun = False  # the door has answered: others need not ask it
        self._etag: str | None = None
        self._kept_mtime = entry.kept_mtime
        self._reading: Reader | None = None
        self._lock = threading.Lock()

    def fetch(self) -> None:
        """Fetch and check all of it; raises what the store raises, IntegrityError and Changed."""
        if self.part.here:
            self._read_back()
        try:
            if self.alone:
                self._persist()
            else:
                with self.run.workers.divisible(self):
                    self._persist()
        except BaseException:
            self._end_streams()  # whoever helps is not to write any more into what is let go of
            raise
        finally:
            self._close()

    def _read_back(self) -> None:
        """Go on from what an earlier run has left, as far as it still is what that run has written."""
        here: list[Piece] = []
        for block in self.part.here:
            self.run.check_stop()
            content = self.part.read_back(block)
            if content is not None:
                self.passing.add(block.start, content)
            if content is None:
                log.info("%s: bytes %d-%d are not what was fetched", self.entry.path, block.start, block.stop - 1)
            elif here and here[-1].stop == block.start:
                here[-1] = Piece(here[-1].start, block.stop, adler32(content, here[-1].adler32))
            else:
                here.append(Piece(block.start, block.stop, adler32(content)))
        self.pieces = Segments(self.entry.size, here, streams=self.run.rules.jobs)
        self.run.reporter.planned(0, -self.pieces.resumed)

    def _persist(self) -> None:
        try:
            self.run.retry(self._once, progress=self._progress)
        except _Final as final:
            final.error.retries = self.tries - 1
            raise final.error from final
        except (IntegrityError, Interrupted) as error:
            if not self._has_changed():
                raise
            changed = Changed()
            changed.retries = error.retries
            raise changed from error

    def _progress(self) -> int:
        """Bytes that the next try goes on from."""
        return self.pieces.received if self._goes_on() else 0

    @property
    def digest(self) -> str:
        """The digest of the whole file, if it was computed on the way, as `adler32:5ae07809`."""
        return f"adler32:{self.pieces.adler32:08x}" if self.hashing else ""

    def mtime(self) -> float | None:
        """The mtime of the file that was uploaded, where the store tells it; else that of the listing."""
        if self._kept_mtime is None and self.run.store.features.mtime_in_metadata and not self._etag:
            self._kept_mtime = self.run.store.info(self.entry.path).kept_mtime
        return self.entry.mtime if self._kept_mtime is None else self._kept_mtime

    def _once(self) -> None:
        self.tries += 1
        if self._doubted:
            self._look_again()
        if self.pieces.received and not self._goes_on():
            self._void()
        try:
            try:
                self._fetch_rest()
            except _NoRanges:
                self._has_ranges, self.alone = False, True
                self._void()
                self._fetch_rest()
            self._check()
        except BROKEN_OFF as error:
            self._doubted = True
            if isinstance(error, IntegrityError | Changed):
                self._void()
            if isinstance(error, integrity.Disagreement):
                if self._has_looked:
                    raise _Final(IntegrityError(error.about, hint="ask who runs the storage")) from error
                self._has_looked = True
            raise

    def _fetch_rest(self) -> None:
        while not self.pieces.is_complete:
            self.run.check_stop()
            if not self._stream():
                self.pieces.wait(0.2)

    def _look_again(self) -> None:
        """Start anew with the file as it is now, where it is another version than the one that was listed."""
        now = self._newer()
        self._doubted = False
        if now is not None:
            self._has_looked = False
            self.run.reporter.planned(0, (now.size or 0) - (self.entry.size or 0))
            self._void(now)

    def _has_changed(self) -> bool:
        try:
            return self._newer() is not None
        except CtadataError:
            return False

    def _newer(self) -> Entry | None:
        """The file as it is now, where it is another version; raises what the store raises."""
        now = self.run.store.info(self.entry.path)
        return now if is_other_version(now, self.entry) else None

    def help(self) -> bool:
        """Be one more stream; whatever breaks is left to the worker whose file it is."""
        if self.alone or not self._begun or self._broken_help >= TRIES:
            return False
        try:
            helped = self._stream()
        except Exception as error:  # noqa: BLE001  (the owner meets it too, and raises it)
            log.info("%s: a stream that helped broke off: %s", self.entry.path, error)
            self._broken_help += 1
            return False
        if helped:
            self._broken_help = 0
        return helped

    def _stream(self) -> bool:
        """Fetch one range; False where there is none to be had."""
        pieces = self.pieces
        lease = pieces.take(alone=self.alone)
        if lease is None:
            return False
        room = min(self.run.rules.block_size(sink.GATHERED), self.entry.size or sink.GATHERED)
        taking = sink.Sink(self, pieces, lease, self.part.notes(lease.at), room)
        whole = self.alone and (lease.start, lease.stop) == (0, self.entry.size)
        ended = False
        try:
            reading = self._open(pieces)
            try:
                reading.send(taking, lease.start, None if whole else lease.stop)
            finally:
                taking.flush()
            if lease.stop is None:
                pieces.end_at(lease)
            if not lease.is_done and not pieces.is_void:
                raise Interrupted(f"the body ended at byte {lease.at} instead of {lease.stop}")
            ended = True
        finally:
            taking.end_notes()
            pieces.give_back(lease, ended=ended)  # at last: once all are given back, the part may be let go of
        return True

    def _open(self, pieces: Segments) -> Reader:
        with self._lock:
            if pieces.is_void:
                raise Interrupted("the file is begun anew")
            if self._reading is None:
                self._reading = self.run.store.open(self.entry.path)
            return self._reading

    def _close(self) -> None:
        with self._lock:
            reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()

    def _end_streams(self) -> int:
        """End all streams, also those to which nothing comes; gives how many bytes no longer count."""
        self.pieces.condemn()
        self._close()
        return self.pieces.void()

    def _goes_on(self) -> bool:
        """Whether a further read can go on where the last one broke off, and both can be proved to be of one version.

        By a digest, by their strong tags, or by a last look at the entry.
        """
        return self._has_ranges and (self._is_provable or bool(self.digests) or is_strong(self._etag))

    def _void(self, now: Entry | None = None) -> None:
        """Start anew, with the file as it is `now`, once the streams that are under way have noticed."""
        self.run.reporter.moved(str(self.entry.path), -self._end_streams())
        if now is not None:
            self.entry, self.digests = now, now.checksums
        self._is_provable = can_prove_version(self.entry)
        self.part.void(resume_journal.version_of(self.entry) if self._is_provable else None)
        self._etag, self._kept_mtime, self._begun = None, self.entry.kept_mtime, False
        self.passing = passing(self.entry.size, self.digests)
        self.alone = self.alone or not self._is_provable
        self.pieces = Segments(self.entry.size, streams=self.run.rules.jobs)

    def begin(self, delivery: Delivery, lease: Segment) -> None:
        """What a stream is told before its first byte; IntegrityError, Changed: it is not the file we are fetching."""
        integrity.check_delivery(delivery, self.entry.size)
        if delivery.total is not None:
            integrity.check_size(delivery.total, self.entry.size)
        self._check_agreement(delivery)
        beyond = lease.stop is not None and (delivery.stop or 0) > lease.stop
        if delivery.start != lease.at or beyond:
            raise _NoRanges
        if not self.alone and not self._begun:
            self._begun = True
            self.run.workers.wake_workers()
        if tags_differ(delivery.etag, self._etag):
            raise Changed()
        if delivery.digests:
            self.digests = {**self.entry.checksums, **delivery.digests}
        goes_on = self.pieces.received and not self._is_provable and not self.digests
        if goes_on and not tags_match(delivery.etag, self._etag):
            raise Changed("nothing proves that it is the version whose first bytes have come")
        self._etag = delivery.etag or self._etag
        self._kept_mtime = delivery.kept_mtime if delivery.kept_mtime is not None else self._kept_mtime

    def take(self, pieces: Segments, lease: Segment, block: memoryview) -> None:
        """The next bytes of a stream, which go into the part."""
        at = lease.at
        pieces.add(lease, block, self.part.write, hashing=self.hashing)
        if self.alone:
            self.passing.add(at, block)
        self.run.reporter.moved(str(self.entry.path), len(block))

    def _check_agreement(self, delivery: Delivery) -> None:
        """Disagreement where the listing says something else; of a server with two kinds of tags that is learnt."""
        try:
            integrity.check_agreement(self.entry, delivery, tags=not self.run.has_odd_tags)
        except integrity.Disagreement:
            if not self._has_looked or self.run.store.features.etag_may_be_md5:
                raise
            integrity.check_agreement(self.entry, delivery, tags=False)
            self.run.has_odd_tags = True

    def _check(self) -> None:
        integrity.check_size(os.fstat(self.part.fd).st_size, self.pieces.size)
        self.verified = "size" if self.entry.size is not None else ""
        known = self.digests or self.run.store.digests(self.entry.path)
        proofs = {"adler32": f"{self.pieces.adler32:08x}"} if self.hashing and "adler32" in known else {}
        # where the listing has other checksums than the pool, the bytes have to agree with both
        best = strongest_digest(self.entry.checksums if proofs else known)
        if best is not None and not ("adler32" in self.entry.checksums and proofs):
            passed = self.passing.digests(self.pieces.size).get(best[0])
            proofs[best[0]] = passed or integrity.digest_of(self.part.fd, best[0])
        for algorithm, computed in proofs.items():
            integrity.check_digest(algorithm, computed, known)
            self.verified += f", {algorithm}"
        if not proofs and (self.tries > 1 or self.pieces.resumed) and self._newer() is not None:
            raise Changed()
