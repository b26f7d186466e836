"""The functions of `ctadata.direct` that look at names: find, list, count, draw.

They do what the commands of the same name do. A path starts from the root of the storage, as in `list_dir`; `home:x` is
below your home. Functions that take several paths also take patterns (`run_*/*.h5`). Every function raises the errors
of `list_dir`, and `dev_instance` means the same as there.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from ctadata.direct.client import APIClient, PathText, one_path
from ctadata.errors import NoDirectory, NotFound, NothingMatched
from ctadata.listed_paths import Listed, Listing

if TYPE_CHECKING:
    pass

T = TypeVar("T")

Moment = str | datetime
"""An age (`7d`, `12h`), a date (`2026-08-01`), or a datetime. A time without a zone is UTC."""


def stat(path: PathText, *, dev_instance: bool = False) -> Listed:
    """Return one entry with everything that the storage knows about it.

    Args:
        path: A file or directory.
        dev_instance: As in `list_dir`.

    Returns:
        The path, with the attributes `size` (bytes), `mtime`, `checksums`, `etag` and `locality`.

    Raises:
        NotFound: No such file or directory exists.
        CtadataError: Any error that `list_dir` raises.

    Examples:
        >>> direct.stat("cta/DL1/run1.h5").checksums
        {'adler32': '11e60398'}
    """
    from ctadata.namespace.digests import get_digests

    with APIClient(dev_instance).session() as session:
        entry = session.info(one_path(path))
        return Listed.of(dataclasses.replace(entry, checksums=get_digests(session.store, entry)))


def exists(path: PathText, *, dev_instance: bool = False) -> bool:
    """Return whether the path, or a match of the pattern, exists.

    Args:
        path: A file, a directory or a pattern.
        dev_instance: As in `list_dir`.

    Raises:
        CtadataError: Any error that `list_dir` raises, except `NotFound`.

    Examples:
        >>> direct.exists("cta/DL1/run_*.h5")
        True
    """
    with APIClient(dev_instance).session() as session:
        try:
            return bool(session.find(one_path(path)))
        except (NoDirectory, NotFound, NothingMatched):
            return False


def find(
    path: PathText,
    *,
    name: str | Sequence[str] = (),
    size: str | Sequence[str] = (),
    newer: Moment | None = None,
    older: Moment | None = None,
    kind: str | None = None,
    dev_instance: bool = False,
) -> Listing:
    """Find the entries below a directory that meet all conditions.

    Args:
        path: The directory, or a pattern of directories.
        name: A pattern for the name. With several patterns, one of them has to match.
        size: `+10M` (larger), `-4k` (smaller) or `2880` (exactly), in bytes. With several conditions, all have to hold.
        newer: Only entries that changed after this moment.
        older: Only entries that changed before this moment.
        kind: `file` or `directory`. None finds both.
        dev_instance: As in `list_dir`.

    Returns:
        The paths, as `list_dir` returns them.

    Raises:
        UsageError: A condition cannot be understood.
        NotFound: The directory does not exist.
        CtadataError: Any error that `list_dir` raises.

    Examples:
        >>> direct.find("home:", name=["*.tmp", "*.bak"], size="+10M", older="7d")
    """
    from ctadata.namespace.find import Criteria
    from ctadata.namespace.find import find as search

    criteria = Criteria.read(
        names=_several(name), sizes=_several(size), newer=_text(newer), older=_text(older), kind=kind, now=time.time()
    )
    with APIClient(dev_instance).session() as session:
        tops = session.find(one_path(path))
        return Listing(Listed.of(entry) for top in tops for entry in search(session.store, top, criteria))


def _several(text: str | Sequence[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def _text(moment: Moment | None) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment


def tree(path: PathText, depth: int | None = None, *, dev_instance: bool = False) -> str:
    """Draw a directory as a tree of text lines.

    Args:
        path: The directory.
        depth: How many levels are drawn. None draws all.
        dev_instance: As in `list_dir`.

    Raises:
        NotFound: The directory does not exist.
        CtadataError: Any error that `list_dir` raises.

    Examples:
        >>> print(direct.tree("cta/DL1", depth=2))
    """
    from ctadata.namespace.tree import draw_tree

    with APIClient(dev_instance).session() as session:
        entry = session.info(one_path(path))
        return "\n".join(draw_tree(session.store, entry, depth=depth))


def du(path: PathText, depth: int | None = 0, *, dev_instance: bool = False) -> dict[str, int]:
    """Add up the bytes below a directory.

    Args:
        path: The directory.
        depth: For how many levels of subdirectories the sum is also given. None gives it for all of them.
        dev_instance: As in `list_dir`.

    Returns:
        Bytes by directory. The directory `path` itself is the last one.

    Raises:
        NotFound: The directory does not exist.
        CtadataError: Any error that `list_dir` raises.

    Examples:
        >>> direct.du("cta/DL1")
        {'cta/DL1/': 104857600}
    """
    from ctadata.namespace.du import measure_usage

    with APIClient(dev_instance).session() as session:
        entry = session.info(one_path(path))
        counted = measure_usage(session.store, entry, depth=depth)
        return {"/".join(part.path.parts) + "/" * entry.is_directory: part.size for part in counted}


def checksum(path: PathText, algorithm: str | None = None, *, dev_instance: bool = False) -> tuple[str, str]:
    """Return a checksum of a file that the storage knows. Nothing is downloaded.

    Args:
        path: The file.
        algorithm: For example `adler32` or `md5`. None returns the strongest one.
        dev_instance: As in `list_dir`.

    Returns:
        The algorithm and the digest in lower-case hexadecimal digits.

    Raises:
        Unsupported: The storage does not know this checksum.
        NotFound: No such file exists.
        CtadataError: Any error that `list_dir` raises.

    Examples:
        >>> direct.checksum("cta/DL1/run1.h5")
        ('adler32', '11e60398')
    """
    from ctadata.namespace.digests import get_digest

    with APIClient(dev_instance).session() as session:
        return get_digest(session.store, session.info(one_path(path)), algorithm)


def get_home(*, dev_instance: bool = False) -> str:
    """Return the path of your home, from the root of the storage. It ends with a slash.

    Args:
        dev_instance: As in `list_dir`.

    Raises:
        ConfigError: The profile leads to no home.
        CtadataError: Any error that `list_dir` raises.

    Examples:
        >>> direct.get_home()
        'lst/users/ada/'
    """
    with APIClient(dev_instance).session() as session:
        return "/".join(session.resolve("home:", make=False).parts) + "/"
