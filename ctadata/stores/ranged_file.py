"""A remote file that is open for reads of ranges into memory of the caller.

The calling thread does all the work; several requests at the same time run in fibers of that thread. No other Python
thread takes part: h5py holds its lock while it reads. If another thread collected an h5py object, it would wait for
that lock, and this thread would wait for the other one.

Each response is checked before its bytes count: it has to hold the requested range of a file with the same size, digest
and ETag as before, without an encoding. A file that has changed stays an error as long as it is open.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from ctadata import fibers
from ctadata.entries import NO_CHECKSUMS
from ctadata.errors import Changed, CtadataError, IntegrityError, Interrupted, NeedsStaging, TimedOut, Unsupported
from ctadata.paths import RemotePath
from ctadata.retry import Retries, retry
from ctadata.stores.after_fork import abandon, generation
from ctadata.stores.base import Delivery, Reader, Sink, Store
from ctadata.stores.http_reader import NoAnswerYet
from ctadata.stores.idle_movers import OPEN_FILES
from ctadata.stores.range_sinks import BufferSink, GatheringSink
from ctadata.stores.side_by_side import read_side_by_side
from ctadata.versions import tags_differ

STREAMS = 8
"""The largest number of ranges that one long read is divided into."""

DIVIDED = 2 << 20
"""The smallest size of such a range, in bytes."""

PATIENCE = 3.0
"""The seconds without a response after which the client asks whether the file is on tape."""

AGAIN = Retries(attempts=4)
"""How often a range that breaks off is requested again."""


@runtime_checkable
class KeepsPool(Protocol):
    """A reader that keeps the address of a pool between two reads, and can read the end of a file without its size.

    Attributes:
        patience: The seconds after which it raises NoAnswerYet if the server has not begun to answer; None: no limit.
    """

    patience: float | None

    def close_movers(self) -> None:
        """Give the pool's mover back until the next read."""

    def send_suffix(self, sink: Sink, length: int) -> Delivery:
        """Send the last `length` bytes of the file into the sink."""


class RangedFile:
    """One version of one remote file. Any number of threads may read from it.

    Attributes:
        size: The size in bytes; None before the first response.
        digests: The digests of the whole file that came with the first response.
        etag: The entity tag that came with it, with its quotes; None if there was none.
    """

    def __init__(self, store: Callable[[], Store], path: RemotePath, size: int | None = None) -> None:
        """Open the file; no request is sent.

        Args:
            store: Returns the store. A forked child calls it again.
            path: The path of the file.
            size: The size in bytes that the file has to have; None: the first response decides.
        """
        self.path = path
        self.size = size
        self.digests: Mapping[str, str] = NO_CHECKSUMS
        self.last_read = OPEN_FILES.clock()
        self.is_closed = False
        self.etag: str | None = None
        self._changed: str | None = None
        self._store = store
        self._reader: Reader | None = None
        self._generation = generation()
        self._under_way = set[object]()
        self._keeps_mover = False

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` with the bytes from `offset` on.

        Returns:
            The number of bytes; fewer than the buffer holds only at the end of the file.

        Raises:
            NotFound: The file does not exist.
            Forbidden: The user may not read it.
            LoginNeeded: There is no valid token.
            Changed: The file is another version than at the first read.
            IntegrityError: The server sent other bytes than the requested ones.
            Unsupported: The server sends whole files only.
            UsageError: The path is a directory.
        """
        if self.size is not None:
            buffer = buffer[: max(0, self.size - offset)]
            if not buffer:
                return 0
        count = min(STREAMS, len(buffer) // DIVIDED) if self.size is not None else 1
        if count < 2:
            return self._fill(offset, buffer)
        step = -(-len(buffer) // count)
        starts = range(0, len(buffer), step)
        read_side_by_side([lambda at=at: self._fill(offset + at, buffer[at : at + step]) for at in starts])  # type: ignore[misc]
        return len(buffer)

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop` (exclusive), fewer at the end of the file; see `read_into`."""
        if self.size is not None:
            stop = min(stop, self.size)
        buffer = bytearray(max(0, stop - start))
        return bytes(buffer[: self.read_into(start, memoryview(buffer))]) if buffer else b""

    def read_suffix(self, length: int) -> bytes:
        """Return the last `length` bytes without a request for the size; see `read_into` for errors."""
        if self.size is None and length > 0:
            gathered = GatheringSink(self, length)
            self._keep_mover()
            try:
                self._persist(lambda reader: _send_suffix(reader, gathered, length))
            except (IntegrityError, Unsupported):
                if self._changed is not None:
                    raise
                self.look_up_size()  # the server reads such ranges in another way
            else:
                return gathered.content
        size = self.look_up_size()
        return self.read(max(0, size - length), size)

    def read_whole(self) -> bytes:
        """Return the whole file after a comparison with the digest that the server sent; see `read_into` for errors.

        The mover of the pool ends with this read, so nothing has to be closed.
        """
        gathered = GatheringSink(self, None)
        self._persist(lambda reader: reader.send(gathered))
        gathered.verify()
        return gathered.content

    def look_up_size(self) -> int:
        """Return the size; send a request for it if no response has held it yet."""
        if self.size is None:
            entry = self._store().info(self.path)
            if entry.size is None:
                raise Unsupported("the server does not tell the size of this file", path=str(self.path))
            self.size = entry.size
        return self.size

    def check(self, delivery: Delivery) -> None:
        """Compare a response with those before it.

        Raises:
            Changed: It belongs to another version. Every later read raises this too.
            IntegrityError: The bytes have an encoding that the client did not request.
        """
        if delivery.coding:
            raise IntegrityError(f"the server sends the file encoded as {delivery.coding}, which nobody has asked for")
        self.check_version(delivery.total, delivery.etag, delivery.digests)
        self.size = delivery.total if self.size is None else self.size
        self.etag = self.etag or delivery.etag
        self.digests = self.digests or delivery.digests

    def check_version(self, size: int | None, etag: str | None, digests: Mapping[str, str]) -> None:
        """Compare what is known of this version with what is known of the version that is there now.

        Args:
            size: The size in bytes, as it is now; None if it is not known.
            etag: The entity tag, as it is now.
            digests: The digests, as they are now.

        Raises:
            Changed: They differ.
        """
        if None not in (self.size, size) and self.size != size:
            raise Changed(f"{self.size} bytes, now {size}")
        if tags_differ(self.etag, etag):
            raise Changed("it has another version tag")
        if any(digests.get(name, digest) != digest for name, digest in self.digests.items()):
            raise Changed("it has another checksum")

    def _fill(self, start: int, view: memoryview) -> int:
        sink = BufferSink(self, start, view)
        self._keep_mover()
        self._persist(lambda reader: reader.send(sink, start + sink.done, start + len(view)))
        return sink.done

    def _persist(self, send: Callable[[Reader], object]) -> None:
        """Call `send`, and again after a failure that breaks it off."""
        token = object()
        OPEN_FILES.end_idle(self)
        self._under_way.add(token)
        try:
            retry(
                lambda: self._send(send),
                AGAIN,
                may_retry=lambda error: isinstance(error, Interrupted | TimedOut) and not self.is_closed,
                wait=lambda _error, seconds: fibers.sleep(seconds),
            )
        except Changed as error:
            self._changed = error.about  # the error itself would hold this file, by its traceback
            self.close_movers()
            raise
        except CtadataError:
            self.close_movers()
            raise
        finally:
            self._under_way.discard(token)
            self.last_read = OPEN_FILES.clock()

    def _open(self) -> Reader:
        if self.is_closed:
            raise Interrupted("the file was closed while it was read", path=str(self.path))
        if self._changed is not None:
            raise Changed(self._changed, path=str(self.path))
        if self._generation != generation():
            self._let_go()
            self._generation = generation()
        if self._reader is None:
            self._reader = self._store().open(self.path)
            if isinstance(self._reader, KeepsPool):
                self._reader.patience = PATIENCE
        return self._reader

    def _send(self, send: Callable[[Reader], object]) -> None:
        """Send; if the server does not begin to answer, find out whether the file is on tape, and wait on if not."""
        reader = self._open()
        try:
            send(reader)
        except NoAnswerYet:
            if self._store().info(self.path).locality == "NEARLINE":
                hint = "cta-data-direct stage brings it to disk; direct.open(..., stage=True) waits for it"
                raise NeedsStaging("the file is on tape only", hint=hint, path=str(self.path)) from None
            if isinstance(reader, KeepsPool):
                reader.patience = None
            send(reader)
        except IntegrityError as error:
            if (now := self._other_size()) is not None:  # the new version ends before the range
                raise Changed(f"{self.size} bytes, now {now}", path=str(self.path)) from error
            raise

    def _other_size(self) -> int | None:
        """Return the size that the store states now, if it is another one than that of the first response."""
        with contextlib.suppress(CtadataError):
            now = self._store().info(self.path).size
            return now if None not in (self.size, now) and now != self.size else None
        return None

    @property
    def is_idle(self) -> bool:
        """Whether the file may keep a mover, and no read is under way."""
        return self._keeps_mover and not self._under_way

    def _keep_mover(self) -> None:
        """Take note that reads of ranges keep a mover; a read of the whole file keeps none, and needs no watch."""
        if not self._keeps_mover:
            self._keeps_mover = True
            OPEN_FILES.add(self)

    def close_movers(self) -> None:
        """Give the mover back. The next read asks the door for another one."""
        self._keeps_mover = False
        OPEN_FILES.remove(self)
        if self._generation == generation() and isinstance(self._reader, KeepsPool):
            self._reader.close_movers()

    def close(self) -> None:
        """Close the connections, which ends the mover. No request is sent."""
        self.is_closed = True
        OPEN_FILES.remove(self)
        self._let_go()

    def _let_go(self) -> None:
        reader, self._reader = self._reader, None
        if reader is None:
            return
        if self._generation == generation():
            reader.close()
        else:
            abandon(reader)

    def __del__(self) -> None:
        """Close the file."""
        if not getattr(self, "is_closed", True):
            self.close()


def _send_suffix(reader: Reader, sink: Sink, length: int) -> None:
    if not isinstance(reader, KeepsPool):
        raise Unsupported("this store reads no suffixes")
    reader.send_suffix(sink, length)
