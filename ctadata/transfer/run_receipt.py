"""Recognize the receipt of a run among the files of the run: it is neither replaced nor sent."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ctadata.errors import UsageError
from ctadata.printable import escape_unprintable

RECEIPT = "it is the receipt of this run"
"""Why the file is not transferred."""


def is_receipt(receipt: Path | None, folder: Path, name: str) -> bool:
    """Return whether a name of a directory is the receipt, which need not exist yet.

    Args:
        receipt: The receipt of the run; None: there is none.
        folder: The directory.
        name: The name. Another name of the same file (a link) is not the receipt: to replace it does not harm the file.
    """
    if receipt is None or name.casefold() != receipt.name.casefold():  # some file systems ignore case
        return False
    with contextlib.suppress(OSError):
        return (folder / name).samefile(receipt)
    return os.path.realpath(folder / name) == os.path.realpath(receipt)


def receipt_identity(receipt: Path | None) -> tuple[int, int] | None:
    """Return device and inode of the receipt; None if there is none."""
    if receipt is not None:
        with contextlib.suppress(OSError):
            status = receipt.stat()
            return status.st_dev, status.st_ino
    return None


def receipt_error(local: Path) -> UsageError:
    """Return the error of a file that is the receipt."""
    return UsageError(RECEIPT, hint="give --receipt another file", path=escape_unprintable(str(local)))


def refuse_receipt(receipt: Path | None, *files: Path) -> None:
    """Raise UsageError if one of the files is the receipt."""
    for file in files:
        if is_receipt(receipt, file.parent, file.name):
            raise receipt_error(file)
