"""Errors of the package as errors of the operating system, which is what libraries catch.

Each error keeps its class, its words and its attributes, and becomes an instance of an `OSError` besides: `NotFound` is
a `FileNotFoundError` too.
"""

from __future__ import annotations

import contextlib
import errno
from types import TracebackType
from typing import Any

from ctadata.errors import (
    AccessError,
    AlreadyExists,
    CtadataError,
    Interrupted,
    NotFound,
    NothingMatched,
    StorageFull,
    TimedOut,
    Unreachable,
    UsageError,
)

_COUNTERPARTS: tuple[tuple[type[CtadataError], type[OSError], int], ...] = (
    (NotFound, FileNotFoundError, errno.ENOENT),
    (NothingMatched, FileNotFoundError, errno.ENOENT),
    (AlreadyExists, FileExistsError, errno.EEXIST),
    (AccessError, PermissionError, errno.EACCES),
    (TimedOut, TimeoutError, errno.ETIMEDOUT),
    (Unreachable, ConnectionError, errno.ECONNREFUSED),
    (Interrupted, ConnectionError, errno.ECONNRESET),
    (StorageFull, OSError, errno.ENOSPC),
    (CtadataError, OSError, errno.EIO),
)
_NUMBERS = {IsADirectoryError: errno.EISDIR, NotADirectoryError: errno.ENOTDIR, OSError: errno.EINVAL}


def as_os_error(error: CtadataError, usage: type[OSError] = OSError) -> CtadataError:
    """Return the same error as an instance of its `OSError` too.

    Args:
        error: Any error of the package.
        usage: What a `UsageError` becomes: the call that fails knows what it was about.
    """
    if isinstance(error, OSError):
        return error
    if isinstance(error, UsageError):
        kind, number = usage, _NUMBERS.get(usage, errno.EINVAL)
    else:
        kind, number = next((k, n) for ours, k, n in _COUNTERPARTS if isinstance(error, ours))
    return _restore(type(error), kind, error.args, number, error.__dict__)


_joined_kinds: dict[tuple[type[CtadataError], type[OSError]], type[CtadataError]] = {}


def _joined(ours: type[CtadataError], kind: type[OSError]) -> type[CtadataError]:
    if (ours, kind) not in _joined_kinds:
        members = {"__module__": ours.__module__, "__reduce__": _reduce}
        _joined_kinds[ours, kind] = type(ours.__name__, (ours, kind), members)
    return _joined_kinds[ours, kind]


def _reduce(error: Any) -> tuple[Any, ...]:
    ours, kind = type(error).__bases__
    return _restore, (ours, kind, error.args, error.errno, error.__dict__)


def _restore(
    ours: type[CtadataError], kind: type[OSError], args: tuple[Any, ...], number: int, attributes: dict[str, Any]
) -> CtadataError:
    joined: Any = _joined(ours, kind)
    error = joined.__new__(joined)
    error.args = args
    error.__dict__.update(attributes)
    error.errno = number
    error.strerror = error.what
    error.filename = error.path or None
    result: CtadataError = error
    return result


class raise_os_errors(contextlib.ContextDecorator):  # noqa: N801  (reads as a statement)
    """Raise the errors of a block, or of a function, as `as_os_error` makes them."""

    def __init__(self, usage: type[OSError] = OSError) -> None:
        """Args: usage: What a `UsageError` becomes."""
        self._usage = usage

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise the error as one of the operating system."""
        if isinstance(error, CtadataError) and not isinstance(error, OSError):
            raise as_os_error(error, self._usage).with_traceback(trace) from error.__cause__
