"""The block cache of one open file: which bytes are asked for when a few are wanted, and which are kept.

Readers of HDF5, FITS and ROOT read headers of some hundred bytes, then chunks. A block has 256 KiB: small enough for
headers that lie far apart, large enough that a run of them is one request. A reader that goes forward gets twice as
much with each request, up to 8 MiB; a jump starts with one block again. A reader that goes forward and skips most
bytes, as for a section of an image, gets two blocks with each request.

A reader of Parquet begins at the end: the footer there says where everything is. So the first request is for the end.
It also tells the size.
"""

from __future__ import annotations

from collections import OrderedDict

from ctadata.stores.ranged_file import RangedFile

BLOCK = 256 << 10
"""Bytes of a block, unless the caller wants others."""

SMALLEST, LARGEST = 64 << 10, 1 << 20
"""Bytes of a block that a caller can ask for. Libraries ask for 4 or 5 MiB by default, which counts as no request."""

WINDOW = 8 << 20
"""Bytes of one request ahead of the reader, at most; a read of as many goes past the cache."""

SMALL = 2 << 20
"""Bytes of a file that comes whole with the second request at the latest."""

SKIPPED = 8
"""A reader that used less than this part (an eighth) of the bytes that came last skips most of them."""

BUDGET = 64 << 20
"""Bytes that are kept of one file."""

FOOTER_BLOCKS = 2
"""Blocks of the first request for a file that is read from its end: at least one of them is whole."""


class BlockCache:
    """The blocks of one file; a few megabytes are kept, the ones that were used last."""

    def __init__(
        self, file: RangedFile, block_size: int | None = None, kind: str = "", *, from_end: bool = False
    ) -> None:
        """Ask for the first block, or for the last ones; the answer shows the size of the file.

        Args:
            file: The file to read from.
            block_size: Bytes of a block; outside of `SMALLEST` to `LARGEST` it does not count.
            kind: A name of fsspec's caches. `none` keeps nothing, `all` reads the whole file at once; others are hints.
            from_end: Ask for the last blocks.

        Raises:
            NotFound, Forbidden, LoginNeeded, UsageError: As `RangedFile.read_into`.
        """
        self.block_size = block_size if block_size and SMALLEST <= block_size <= LARGEST else BLOCK
        self._file = file
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._keeps = kind != "none"
        self._window = 1
        self._next = 1
        self._came = self._used = 0
        if from_end and kind != "all":
            self._ask_for_end()
        else:
            self._put(0, file.read_whole() if kind == "all" else file.read(0, self.block_size))
        self.size = file.look_up_size()
        if self.size <= SMALL:
            self._window = -(-SMALL // self.block_size)

    def _ask_for_end(self) -> None:
        content = self._file.read_suffix(FOOTER_BLOCKS * self.block_size)
        start = self._file.look_up_size() - len(content)
        first = -(-start // self.block_size)  # a block whose beginning lacks is not kept
        self._put(first, content[first * self.block_size - start :])
        self._next = 0

    def read_into(self, offset: int, view: memoryview) -> int:
        """Fill `view` with the bytes from `offset` on, and return their number; errors as `RangedFile.read_into`."""
        view = view[: max(0, self.size - offset)]
        if not view:
            return 0
        if len(view) >= WINDOW or not (self._keeps or self._has(offset, len(view))):
            return self._file.read_into(offset, view)
        first, last = offset // self.block_size, (offset + len(view) - 1) // self.block_size
        self._load(first, last)
        self._used += len(view)
        for number in range(first, last + 1):
            start = number * self.block_size
            block = self._blocks[number]
            self._blocks.move_to_end(number)
            begin = max(0, offset - start)
            piece = memoryview(block)[begin : offset + len(view) - start]
            at = start + begin - offset
            view[at : at + len(piece)] = piece
        return len(view)

    def _has(self, offset: int, length: int) -> bool:
        return all(
            number in self._blocks
            for number in range(offset // self.block_size, (offset + length - 1) // self.block_size + 1)
        )

    def _load(self, first: int, last: int) -> None:
        """Have these blocks; what lacks is asked for at once, with what the reader will want next."""
        missing = []
        for number in range(first, last + 1):
            if number in self._blocks:
                self._blocks.move_to_end(number)  # it must not make room for those that come now
            else:
                missing.append(number)
        if not missing:
            return
        start, stop = missing[0], missing[-1] + 1
        if self.size > SMALL:
            self._window = self._widen() if self._next <= start <= self._next + 1 else 1
        end = -(-self.size // self.block_size)
        while stop < min(start + self._window, end) and stop not in self._blocks:
            stop += 1
        self._next = stop
        content = self._file.read(start * self.block_size, min(stop * self.block_size, self.size))
        self._put(start, content)
        self._came, self._used = len(content), 0

    def _widen(self) -> int:
        """Return the blocks of the next request of a reader that goes forward."""
        if self._used * SKIPPED < self._came:
            return 2
        return min(2 * self._window, WINDOW // self.block_size)

    def _put(self, start: int, content: bytes) -> None:
        """Keep the blocks of a run, and as many others as there is room for."""
        view = memoryview(content)
        count = max(1, -(-len(content) // self.block_size))
        for number in range(count):
            self._blocks[start + number] = bytes(view[number * self.block_size : (number + 1) * self.block_size])
            self._blocks.move_to_end(start + number)
        while len(self._blocks) > max(count, BUDGET // self.block_size):
            self._blocks.popitem(last=False)
