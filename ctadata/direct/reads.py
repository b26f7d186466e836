"""The functions of `ctadata.direct` that read a file: into memory, in parts, or into a copy that is kept."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from ctadata.config.builtin import DEVELOPMENT_PROFILE
from ctadata.direct.client import APIClient, PathText
from ctadata.errors import ConfigError
from ctadata.progress.reporters import Progress, reporter_for


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
        IntegrityError: The bytes do not match the checksum.
        CtadataError: Any error that `list_dir` raises.

    Example:
        >>> direct.cat("cta/DL1/run1.fits", stop=2880)[:6]
        b'SIMPLE'
    """
    from ctadata.transfer.streams import stream_range_to

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
        options: What `CtaFileSystem.open` takes besides: `block_size`, `compression`, `encoding`, `newline`.

    Returns:
        A file object. Close it, or use it in a `with` block: while it is open, a pool of the storage keeps a mover.

    Raises:
        NotFound: No such file exists. It is a `FileNotFoundError` too.
        NeedsStaging: The file is on tape.
        ConfigError: fsspec is not installed (`pip install 'ctadata[fsspec]'`).
        CtadataError: Any error that `list_dir` raises; each is an `OSError` too.

    Example:
        >>> with direct.open("lst/run1/events.h5") as file, h5py.File(file) as events:
        ...     energies = events["energy"][:]
    """
    try:
        from ctadata.filesystem import CtaFileSystem
    except ModuleNotFoundError:
        raise ConfigError("opening remote files needs fsspec", hint="pip install 'ctadata[fsspec]'") from None
    text = os.fspath(path)
    where = "~/" + text.removeprefix("home:") if text.startswith("home:") else text
    files = CtaFileSystem(profile=DEVELOPMENT_PROFILE if dev_instance else None)
    return files.open(where, mode, **({"stage": True} if stage else {}), **options)


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

    Example:
        >>> from gammapy.data import EventList
        >>> events = EventList.read(direct.local("lst/run1/events.fits.gz"))
    """
    from ctadata.local_copies import local_copy, read_room

    with APIClient(dev_instance).session() as session, reporter_for(progress) as reporter:
        return local_copy(session, os.fspath(path), room=read_room(), stage=stage, reporter=reporter)
