"""Find out whether the target of one file is its new name or a directory, at a store that has no directories.

A name that ends as the file does is the new name: `a.h5` for `a.h5`, and `b.h5` for `a.h5`. For any other name the
store is asked.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from ctadata.errors import Forbidden
from ctadata.paths import RemotePath
from ctadata.stores.optional import find_or_none
from ctadata.transfer.run import Run

_ENDING = re.compile(r"\.[A-Za-z]\w*")  # .h5, and not the .2 of release-1.2


def is_directory_target(run: Run, target: RemotePath, local: Path) -> bool:
    """Return whether a file goes into a directory `target`; if not, keep in `run.found` what the store has there.

    Args:
        run: The run.
        target: The path that the user named, without a slash at its end.
        local: The local file.
    """
    if ends_alike(target.name, local.name):
        return False
    try:
        entry = find_or_none(run.store, target)
    except Forbidden:  # the upload finds out what it may do
        return False
    if entry is not None and entry.is_directory:
        return True
    run.found[target] = entry
    return False


def ends_alike(name: str, other: str) -> bool:
    """Return whether two names are the same, or have the same ending, as `.h5`."""
    ending = PurePosixPath(other).suffix
    return name == other or (bool(_ENDING.fullmatch(ending)) and PurePosixPath(name).suffix == ending)
