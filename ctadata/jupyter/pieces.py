"""Uploads that a browser sends in pieces: it sends 1 MiB with each request."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ctadata.errors import UsageError

LAST = -1
"""The number of the last piece; the others are counted from 1."""

UNFINISHED = 16
"""Uploads that can be unfinished at a time; the one that waits longest is given up for another one."""


class UploadsInPieces:
    """The uploads that have begun: each is a local temporary until its last piece has come."""

    def __init__(self, fs: Any) -> None:
        """Args: fs: The filesystem; its file for writing keeps the pieces, and publishes them when it is closed."""
        self._fs = fs
        self._begun: OrderedDict[str, tuple[Any, int]] = OrderedDict()

    def add(self, path: str, number: int, data: bytes) -> int | None:
        """Add a piece, and after the last one upload, verify and publish the file.

        Args:
            path: The path of the file at the storage.
            number: The number of the piece, `LAST` for the last one. The first one begins the upload anew.
            data: Its bytes.

        Returns:
            The bytes that have come so far; None after the last piece.

        Raises:
            UsageError: A piece is missing.
            CtadataError: As the upload of a file; what had the name before stays.
        """
        file, before = self._begun.pop(path, (None, 0))
        if number == 1 and file is not None:
            file.discard()
        if number == 1 or file is None:
            file, before = self._fs.open(path, "wb"), 0
        if number not in (before + 1, LAST) or (number == LAST and not before):
            file.discard()
            raise UsageError(f"piece {before + 1} of the upload is missing", hint="upload the file again", path=path)
        file.write(data)
        if number == LAST:
            try:
                file.close()
            finally:
                file.discard()
            return None
        self._begun[path] = file, number
        while len(self._begun) > UNFINISHED:
            self._begun.popitem(last=False)[1][0].discard()
        return int(file.tell())
