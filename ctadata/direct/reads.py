"""The functions of `ctadata.direct` that read a file: into memory, in parts, or into a copy that is kept."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ctadata.config.builtin import DEVELOPMENT_PROFILE
from ctadata.direct.client import APIClient, PathText
from ctadata.errors import ConfigError, UsageError
from ctadata.progress.reporters import Progress, reporter_for

_NEEDS_FSSPEC = "opening remote files needs fsspec"
_INSTALL_FSSPEC = "pip install 'ctadata[fsspec]'"
_OPEN_OPTIONS = ("block_size", "cache_type", "cache_options", "compression")
_TEXT_OPTIONS = ("encoding", "errors", "newline")


def cat(path: PathText, start: int = 0, stop: int | None = None, *, dev_instance: bool = False) -> bytes:
    """Read a file into memory.

    Args:
        path: The file.
        start: The first byte to read, counted from 0.
        stop: The byte before which the reading ends. None reads to the end.
        dev_instance: As in `list_dir`.

    Returns:
        The bytes. A whole file is verified with its checksum; a part of one cannot be.

    Raises:
        NotFound: No such file exists.
        UsageError: `start` or `stop` is negative.
        IntegrityError: The bytes do not match the checksum.
        CtadataError: Any error that `list_dir` raises.

    Examples:
        >>> direct.cat("cta/DL1/run1.fits", stop=2880)[:6]
        b'SIMPLE'
    """
    from ctadata.transfer.streams import stream_range_to

    if start < 0 or (stop is not None and stop < 0):
        raise UsageError("start and stop must not be negative", path=os.fspath(path))
    content = io.BytesIO()
    with APIClient(dev_instance).session() as session:
        if start or stop is not None:
            stream_range_to(session.store, session.info(os.fspath(path)), start, stop, content.write)
        else:
            summary = session.get_to_pipe([os.fspath(path)], content.write)
            if summary.errors:
                raise summary.errors[0]
    return content.getvalue()


def open(path: PathText, mode: str = "rb", *, stage: bool = False, dev_instance: bool = False, **options: Any) -> Any:
    """Open a remote file, as the built-in `open` does a local one. Libraries read the parts that they want.

    Args:
        path: The path of one file.
        mode: `rb` or `r` to read; `wb` or `w` to write it anew, `xb` or `x` if it must not exist. The file that is
            written appears when it is closed, whole and verified, and not at all if its `with` block raised.
        stage: Bring a file on tape to disk first, and wait for it. Without it such a file raises.
        dev_instance: As in `list_dir`.
        options: `block_size` and `cache_type`, which are hints; `compression`; and for text `encoding`, `errors` and
            `newline`.

    Returns:
        A file object. Close it, or use it in a `with` block: while it is open, a pool of the storage keeps a mover.

    Raises:
        NotFound: No such file exists. It is a `FileNotFoundError` too.
        NeedsStaging: The file is on tape.
        UsageError: The path is a directory, or there is an option that is not in this list.
        ConfigError: fsspec is not installed (`pip install 'ctadata[fsspec]'`).
        CtadataError: Any error that `list_dir` raises; each is an `OSError` too.

    Examples:
        >>> with direct.open("lst/run1/events.h5") as file, h5py.File(file) as events:
        ...     energies = events["energy"][:]
    """
    try:
        from ctadata.filesystem import CtaFileSystem
    except ModuleNotFoundError:
        raise ConfigError(_NEEDS_FSSPEC, hint=_INSTALL_FSSPEC) from None
    _refuse_unknown_options(options, mode)
    text = os.fspath(path)
    where = "~/" + text.removeprefix("home:") if text.startswith("home:") else text
    files = CtaFileSystem(profile=DEVELOPMENT_PROFILE if dev_instance else None)
    return files.open(where, mode, **({"stage": True} if stage else {}), **options)


def _refuse_unknown_options(options: Mapping[str, Any], mode: str) -> None:
    """Raise UsageError for an option that nothing would read: a misspelt one must not seem to work."""
    for name, value in options.items():
        if name in _TEXT_OPTIONS and "b" in mode and value is not None:
            raise UsageError(f"{name} is for text, and the mode {mode} is for bytes", hint="use the mode r or w")
        if name not in _OPEN_OPTIONS + _TEXT_OPTIONS:
            known = ", ".join(["stage", "dev_instance", *_OPEN_OPTIONS, *_TEXT_OPTIONS])
            raise UsageError(f"direct.open takes no option {name}", hint=f"it takes {known}")


def local(path: PathText, *, stage: bool = False, progress: Progress | None = None, dev_instance: bool = False) -> Path:
    """Return a local file with the bytes of a remote one, for libraries that take local paths only.

    The copy is verified and kept in the cache directory, one for each version of the file. A second call downloads
    nothing. `CTADATA_CACHE_SIZE` (`20G`) limits all copies together; the ones that were not used for longest go first.

    Args:
        path: The path of one file.
        stage: Bring a file on tape to disk first, and wait for it.
        progress: True shows a bar.
        dev_instance: As in `list_dir`.

    Returns:
        A read-only file that bears the remote name. It stays for at least an hour after this call.

    Raises:
        UsageError: The path is a directory, or `CTADATA_CACHE_SIZE` is no size.
        CtadataError: Everything that `fetch_and_save_file` raises.

    Examples:
        >>> from gammapy.data import EventList
        >>> events = EventList.read(direct.local("lst/run1/events.fits.gz"))
    """
    from ctadata.local_copies import local_copy, read_room

    with APIClient(dev_instance).session() as session, reporter_for(progress) as reporter:
        return local_copy(session, os.fspath(path), room=read_room(), stage=stage, reporter=reporter)


def subset(path: PathText, nodes: Sequence[str], to: PathText | None = None, *, dev_instance: bool = False) -> Path:
    """Return a local HDF5 file with some nodes of a remote one, for libraries that take local paths only.

    Only these nodes are read, with few requests. They are copied as they are, with their attributes, filters and
    chunks, and with the attributes of the groups above them. References to other nodes become empty.

    Args:
        path: The path of one file.
        nodes: The paths of groups and datasets in the file. A group brings all that it holds.
        to: The local file. It appears whole or not at all, and replaces an older one. None: the file is read-only and
            kept in the cache directory as the copies of `local` are, one for each version and choice of nodes.
        dev_instance: As in `list_dir`.

    Returns:
        The local file.

    Raises:
        NotFound: The file does not exist, or it has no such node.
        UsageError: The path is a directory, or no HDF5 file; or no node is given; or `to` is a directory.
        Unsupported: h5py cannot copy a node: a list of variable length with a filter that h5py lacks.
        Changed: The file changed while it was read.
        ConfigError: h5py or fsspec is not installed (`pip install 'ctadata[fsspec]' h5py`).
        CtadataError: Any error that `local` raises.

    Examples:
        >>> table = "/dl2/event/telescope/parameters/LST_LSTCam"
        >>> from ctapipe.io import read_table
        >>> events = read_table(direct.subset("lst/run1/dl2.h5", [table]), table)
    """
    try:
        from ctadata.hdf5_subset import copy_subset
    except ModuleNotFoundError:
        raise ConfigError(_NEEDS_FSSPEC, hint=_INSTALL_FSSPEC) from None
    from ctadata.local_copies import read_room

    target = None if to is None else Path(to)
    with APIClient(dev_instance).session() as session:
        return copy_subset(session, os.fspath(path), nodes, target, room=read_room())
