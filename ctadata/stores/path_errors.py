"""The errors of a path: refuse the root, refuse a move into itself, name the path in every error."""

from __future__ import annotations

from types import TracebackType

from ctadata.errors import CtadataError, LoginNeeded, UsageError
from ctadata.paths import RemotePath


def refuse_root(path: RemotePath) -> None:
    """Raise UsageError if the path is the root, which no command deletes or moves."""
    if not path.parts:
        raise UsageError("the root of a store cannot be deleted or moved", path="/")


def refuse_inside(source: RemotePath, target: RemotePath) -> None:
    """Raise UsageError if `source` is the root, or if `target` is `source` or lies inside it."""
    refuse_root(source)
    if target.parts[: len(source.parts)] == source.parts:
        raise UsageError("a directory cannot be moved into itself", path=str(source))


class add_path_to_errors:  # noqa: N801  (used as a function; a generator would cost each request more)
    """Set the path of each error that leaves the `with` block, unless the error has a path already.

    A LoginNeeded without an HTTP status keeps none: the client raised it before any request, so it is about no path.
    """

    __slots__ = ("_path",)

    def __init__(self, path: RemotePath) -> None:
        """Remember the path."""
        self._path = path

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Set the path of the error, if there is one."""
        if isinstance(error, CtadataError):
            add_path(error, self._path)


def add_path(error: CtadataError, path: RemotePath) -> None:
    """Set the path of one error, as `add_path_to_errors` does."""
    if not isinstance(error, LoginNeeded) or error.status:
        error.path = error.path or str(path)
