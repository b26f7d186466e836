"""Send requests before it is certain that their answers are needed, so that the user waits for fewer round trips.

An early read waits at the headers of its answer until the plan is made. Then the download takes it over, or it ends
without a byte. At S3 these headers are all that the plan needs, so no other request is sent. The digests of the file
are requested at the same time, if the store is not known to send them with the bytes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

from ctadata.entries import Entry
from ctadata.errors import Forbidden, NeedsStaging, NotFound, Unsupported, UsageError
from ctadata.fibers import Beside, Condition
from ctadata.paths import RemotePath
from ctadata.stores.base import Delivery, Reader, Sink, StopReading, Store
from ctadata.stores.channel import Channel, for_each
from ctadata.stores.optional import TellsDigests

PATIENCE = 10.0
"""Seconds that the answer to an early read waits for the plan. Then its connection is given back to other requests."""

LINGERING = 1.0
"""Seconds that `close` waits for the read to end."""


class EarlyListing:
    """A listing that has begun before it is certain that its directory is the right one.

    Attributes:
        path: The directory.
    """

    def __init__(self, store: Store, path: RemotePath) -> None:
        """Send the request, in a thread of its own."""
        self.path = path
        self._store = store
        self._entries: Channel[Entry] = Channel()
        threading.Thread(target=self._list, name="early-listing", daemon=True).start()

    def _list(self) -> None:
        error: BaseException | None = None
        try:
            for_each(self._store.list(self.path), self._put)
        except StopReading:
            pass
        except BaseException as raised:  # noqa: BLE001  (raised again where the entries are taken)
            error = raised
        self._entries.finish(error)

    def _put(self, entry: Entry) -> None:
        if not self._entries.put((entry,)):
            raise StopReading

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries; see `Store.list`."""
        return iter(self._entries)

    def close(self) -> None:
        """Take no further entries."""
        self._entries.stop()


class EarlyRead:
    """A read of one whole file that has begun; a `Reader` for the download, and the `Sink` of the read itself.

    Attributes:
        path: The file.
    """

    def __init__(self, store: Store, path: RemotePath) -> None:
        """Send the requests, in threads of their own."""
        self.path = path
        self._store = store
        ask = store.digests_now if isinstance(store, TellsDigests) else store.digests
        self._early: Reader = store.open(path)
        self._late: Reader | None = None
        self._sink: Sink | None = None
        self._delivery: Delivery | None = None  # what the headers of the early read said
        self._is_over = False  # no download will take the early read over
        self._digests = None if store.features.digests else Beside(lambda: ask(path))
        self._change = Condition()
        self._whole = Beside(self._read)

    def _read(self) -> Delivery:
        try:
            return self._early.send(self)
        finally:
            with self._change:
                self._give_up()

    def entry(self) -> Entry | None:
        """Wait for the headers of the answer, and return the entry that they tell; None: ask the store.

        Raises:
            CtadataError: The server answers nobody now, or not with this login.
        """
        if not self._store.features.reads_tell_entries:
            return None
        with self._change:
            self._change.wait_for(lambda: self._delivery is not None or self._is_over)
        if self._delivery is not None:
            return self._delivery.entry
        with contextlib.suppress(NotFound, Forbidden, NeedsStaging, Unsupported, UsageError):
            self._whole.result()
        return None

    def begin(self, delivery: Delivery) -> None:
        """Wait until a download takes the answer over; end the read if none does."""
        with self._change:
            self._delivery = delivery
            self._change.notify_all()
            self._change.wait_for(lambda: self._sink is not None or self._is_over, PATIENCE)
            self._is_over = self._sink is None
        if self._sink is None:
            raise StopReading
        self._sink.begin(delivery)

    def write(self, block: bytes | memoryview) -> None:
        """Pass the next bytes on to the download."""
        assert self._sink is not None
        self._sink.write(block)

    def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> Delivery:
        """Send the bytes into the sink; the first read of the whole file is the early one. See `Reader.send`."""
        with self._change:
            takes_over = start == 0 and stop is None and self._sink is None and not self._is_over
            if takes_over:
                self._sink = sink
                self._change.notify_all()
        if takes_over:
            return self._whole.result()
        with self._change:
            self._give_up()
            if self._late is None:
                self._late = self._store.open(self.path)
        return self._late.send(sink, start, stop)

    def digests(self) -> Mapping[str, str]:
        """Return the digests that the store keeps of the file; see `Store.digests`."""
        return self._store.digests(self.path) if self._digests is None else self._digests.result()

    def _give_up(self) -> None:
        self._is_over = True
        self._change.notify_all()

    def close(self) -> None:
        """End all reads."""
        with self._change:
            self._give_up()
            late, self._late = self._late, None
        self._early.close()
        if late is not None:
            late.close()

    def __enter__(self) -> Self:
        """Return the read."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all reads, and wait a moment for the thread."""
        self.close()
        self._whole.join(LINGERING)
