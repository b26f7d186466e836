"""Write the lines of a receipt, each when its file ends. An error of the disk shows at the end of the run."""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import Iterator
from pathlib import Path

from ctadata.errors import LocalError, StorageFull
from ctadata.transfer.receipt import ReceiptWriter, open_receipt
from ctadata.transfer.report import Outcome, Reporter, TeeReporter


class ReceiptFile:
    """An open receipt. After an error it takes no more lines, and it keeps the error."""

    def __init__(self, path: Path, writer: ReceiptWriter) -> None:
        """Open the receipt to add lines.

        Args:
            path: The file.
            writer: Makes the lines.

        Raises:
            LocalError: The file system refuses; StorageFull if it is full.
        """
        self._path = path
        self._writer = writer
        self._stream = open_receipt(path)
        self._error: OSError | None = None

    def add(self, outcome: Outcome) -> None:
        """Write the line of one outcome."""
        if self._error is None:
            try:
                self._stream.write(json.dumps(self._writer.as_json(outcome)) + "\n")
            except OSError as error:
                self._error = error

    def close(self) -> None:
        """Close the receipt."""
        try:
            self._stream.close()
        except OSError as error:
            self._error = self._error or error

    def raise_error(self) -> None:
        """Raise the error of a write: StorageFull or LocalError. Return if all lines are written."""
        if self._error is not None:
            kind = StorageFull if self._error.errno in (errno.ENOSPC, errno.EDQUOT) else LocalError
            raise kind(f"the receipt is not complete: {self._error.strerror}", path=str(self._path)) from self._error


@contextlib.contextmanager
def recording(reporter: Reporter, path: Path | None, writer: ReceiptWriter) -> Iterator[Reporter]:
    """Yield a reporter that also writes a receipt.

    Args:
        reporter: Receives everything.
        path: The receipt; None: there is none.
        writer: Makes its lines.

    Raises:
        LocalError: The receipt is not complete; raised when the block ends. StorageFull if its disk is full.
    """
    if path is None:
        yield reporter
        return
    receipt = ReceiptFile(path, writer)
    try:
        yield TeeReporter(reporter, receipt.add)
    finally:
        receipt.close()
    receipt.raise_error()
