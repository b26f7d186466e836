"""A file that is open for writing: a local temporary, and one verified upload when it is closed.

Nothing is published when the block that wrote raised, nor for a file that was never closed: half a file under the name
of a good one is worse than none. Only the process that opened the file publishes it, and not a fork of that process.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from opcode import opmap
from types import FrameType, TracebackType
from typing import IO, TYPE_CHECKING, Any, Self, cast

if TYPE_CHECKING:
    from ctadata.filesystem.listings import ListingFileSystem

log = logging.getLogger(__name__)

_DEPTH = 12
"""Frames between `close` and the `__exit__` that calls it."""

_LEAVES_BLOCK = opmap["WITH_EXCEPT_START"]
"""The instruction by which Python calls the `__exit__` of a block that an error leaves (module `dis`)."""


class _PublishedAtTheEnd(io.IOBase):
    """A file whose block publishes it, unless the block raised."""

    def discard(self) -> None:
        """Throw the file away."""
        raise io.UnsupportedOperation("discard")

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Publish the file, or throw it away after an error."""
        if kind is not None:
            self.discard()
        else:
            self.close()


class CtaWriter(_PublishedAtTheEnd):
    """A file to write; it can be read and moved about in, as h5py, uproot and zip do.

    Where the upload fails, `close` raises, and can be called again.
    """

    def __init__(
        self, fs: ListingFileSystem, path: str, mode: str, publish: Callable[[IO[bytes]], None], *, autocommit: bool
    ) -> None:
        """Start an empty file.

        Args:
            publish: Uploads the temporary under the final name.
            autocommit: Whether `close` publishes; if not, `commit` does (a transaction).
        """
        self.fs = fs
        self.path = self.name = path
        self.mode = mode
        self.autocommit = autocommit
        self._publish = publish
        self._is_open = True
        self._has_failed = False
        self._blocks_at_opening = {id(frame) for frame in _exits(sys._getframe(1))}
        self._process = os.getpid()
        self._raw = cast("io.RawIOBase", tempfile.TemporaryFile(buffering=0))  # noqa: SIM115
        self._spool: IO[bytes] | None = io.BufferedRandom(self._raw)

    @property
    def _file(self) -> IO[bytes]:
        if self._spool is None or not self._is_open:
            raise ValueError("I/O operation on closed file.")
        if self._is_fork:
            raise ValueError("the file was opened for writing in another process")
        return self._spool

    @property
    def _is_fork(self) -> bool:
        """Whether this process is a fork of the one that opened the file. Both share the temporary."""
        return self._process != os.getpid()

    def write(self, data: Any) -> int:
        """Write bytes at the place that the file stands at."""
        return self._file.write(data)

    def read(self, size: int | None = -1) -> bytes:
        """Return bytes that were written."""
        return self._file.read(-1 if size is None else size)

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with bytes that were written."""
        return int(self._file.readinto(buffer))  # type: ignore[attr-defined]

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to another place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place that the file stands at."""
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Cut the file off, or lengthen it with zeros."""
        return self._file.truncate(size)

    def flush(self) -> None:
        """Send nothing: a file appears whole or not at all."""
        if self._spool is not None and not self._is_fork:
            self._spool.flush()

    def readable(self) -> bool:
        """Return True: what was written can be read back."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return not getattr(self, "_is_open", False)

    def commit(self) -> None:
        """Upload and verify the file under its name; what is raised leaves the temporary as it is."""
        if self._spool is not None:
            self._has_failed = True
            self._spool.flush()
            self._publish(self._spool)
            self.discard()

    def discard(self) -> None:
        """Throw the file away."""
        self._is_open = False
        if self._spool is None:
            return
        if self._is_fork:
            self._raw.close()  # so that what is buffered does not come into the temporary a second time
        with contextlib.suppress(ValueError):  # the lower one is closed
            self._spool.close()
        self._spool = None

    def close(self) -> None:
        """Publish the file; throw it away if the block that it was opened in is being left by an error."""
        if self.closed:
            return
        if self._is_fork or self._is_left_by_error():
            self.discard()
        elif self.autocommit:
            self.commit()
        else:
            self._is_open = False

    def _is_left_by_error(self) -> bool:
        """Return whether somebody's `__exit__`, entered since the file was opened, was given an error.

        `fsspec.open` closes its files so, and tells them nothing of the error. An `__exit__` that is written in C, as
        that of `io.TextIOWrapper`, has no frame: then the block's own frame stands at the call.
        """
        block: FrameType | None = sys._getframe(2)
        while block is not None and block.f_globals is globals():
            block = block.f_back
        if block is not None and block.f_code.co_code[block.f_lasti] == _LEAVES_BLOCK:
            return True
        for frame in _exits(sys._getframe(2), _DEPTH):
            if id(frame) not in self._blocks_at_opening:
                return _has_error(frame)
        return False

    def abandon(self) -> None:
        """Throw away what was never closed, or could not be published."""
        if getattr(self, "_spool", None) is not None and self._is_open:
            if not (self._has_failed or self._is_fork):  # the error of a failed upload was raised by `close`
                log.warning("%s was opened for writing and never closed: nothing is published", self.path)
            self.discard()

    __del__ = abandon

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse: what was written lies on this machine."""
        raise TypeError("a file that is open for writing cannot be pickled")

    def __repr__(self) -> str:
        """The URL."""
        return f"<{type(self).__name__} {self.fs.unstrip_protocol(self.path)}>"


def _exits(frame: FrameType | None, depth: int = 1000) -> list[FrameType]:
    """Return the frames of Python's `__exit__` methods above this one, the nearest first."""
    found = []
    while frame is not None and depth:
        if frame.f_code.co_name == "__exit__":
            found.append(frame)
        frame, depth = frame.f_back, depth - 1
    return found


def _has_error(frame: FrameType) -> bool:
    values = inspect.getargvalues(frame)
    given = [values.locals.get(name) for name in values.args[1:]]
    if values.varargs:
        given += values.locals.get(values.varargs, ())
    return any(isinstance(value, BaseException) for value in given)


class Layered(_PublishedAtTheEnd):
    """A text or compressed file on top of one that is written; both are closed together, or thrown away."""

    def __init__(self, top: Any, below: Any) -> None:
        """Args: top: What the caller writes to. below: What it writes to."""
        self._top = top
        self._below = below

    def __getattr__(self, name: str) -> Any:
        """What the upper file has."""
        if name in ("_top", "_below"):
            raise AttributeError(name)
        return getattr(self._top, name)

    def write(self, data: Any) -> Any:
        """Write text or bytes."""
        return self._top.write(data)

    def writable(self) -> bool:
        """Return True."""
        return True

    def flush(self) -> None:
        """Hand on what is buffered."""
        if not self.closed:
            self._top.flush()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        below = self.__dict__.get("_below")
        return below is None or bool(below.closed)

    def discard(self) -> None:
        """Throw both away."""
        self._end_top()
        self._below.discard()

    def abandon(self) -> None:
        """Throw away what was never closed."""
        if not self.closed:
            self._end_top()
            self._below.abandon()

    def _end_top(self) -> None:
        with contextlib.suppress(Exception):  # it hands on what it still has, which is thrown away too
            self._top.detach() if isinstance(self._top, io.TextIOWrapper) else self._top.close()

    def commit(self) -> None:
        """Publish the file."""
        self._below.commit()

    def close(self) -> None:
        """Finish the upper file, and publish."""
        if self.closed:
            return
        if not isinstance(self._top, io.TextIOWrapper):
            self._top.close()  # it writes its end, and leaves the lower one open
            self._below.close()
        else:
            self._top.flush()
            self._top.detach().close()

    __del__ = abandon


def open_layers(open_below: Callable[..., CtaWriter], path: str, mode: str, options: dict[str, Any]) -> Layered:
    """Open a file to write text, or compressed, so that an error in its block publishes nothing.

    Args:
        open_below: Opens the file itself; it is given what remains of the options.
        options: `compression`, `encoding`, `errors`, `newline`, and what the filesystem takes.
    """
    from fsspec.compression import compr
    from fsspec.core import get_compression

    compression = get_compression(path, options.pop("compression", None))
    text = {name: options.pop(name) for name in ("encoding", "errors", "newline") if name in options}
    file: Any = open_below(**options)
    try:
        if compression is not None:
            file = Layered(compr[compression](file, mode="w"), file)
        if "b" not in mode:
            file = Layered(io.TextIOWrapper(file, **text), file)
    except BaseException:  # there is no such encoding
        file.discard()
        raise
    return file  # type: ignore[no-any-return]
