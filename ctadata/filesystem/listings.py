"""The part of the filesystem that looks names up: URLs, listings, and what the storage says of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from glob import has_magic
from typing import Any

from fsspec.spec import AbstractFileSystem
from fsspec.utils import stringify_path

from ctadata.entries import Entry
from ctadata.errors import Unsupported, UsageError
from ctadata.filesystem import names
from ctadata.filesystem.locations import PROTOCOLS, is_below_home, join_url, refuse_option, split_url
from ctadata.filesystem.os_errors import as_os_error, raise_os_errors
from ctadata.filesystem.sessions import Place, place_of
from ctadata.namespace.digests import get_digest
from ctadata.namespace.mkdir import exists as is_there
from ctadata.paths import RemotePath
from ctadata.stores.optional import TellsCreation

_FSSPECS_OWN = frozenset(
    {
        "asynchronous",
        "loop",
        "batch_size",
        "skip_instance_cache",
        "use_listings_cache",
        "listings_expiry_time",
        "max_paths",
    }
)
"""Options that fsspec itself gives to any filesystem."""


class ListingFileSystem(AbstractFileSystem):
    """The names at the storage of a profile; no cache of listings."""

    protocol = PROTOCOLS
    root_marker = "/"

    def __init__(self, profile: str | None = None, **options: Any) -> None:
        """Open nothing yet: the first request reads the settings, and looks a token up.

        Args:
            profile: The name of a profile; None for the one that `CTADATA_PROFILE` or the settings choose.

        Raises:
            UsageError: There is another option, as `token` or `headers`. A login belongs to the agent.
        """
        for name in options:
            if name not in _FSSPECS_OWN:
                raise as_os_error(refuse_option(name))
        super().__init__(**options)
        self.profile = profile

    # Paths

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        with raise_os_errors():
            return split_url(stringify_path(path))[1]

    def unstrip_protocol(self, name: str) -> str:
        """Return the URL of a path, with the profile in it."""
        return join_url(self.profile, self._strip_protocol(name))

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        with raise_os_errors():
            profile = split_url(stringify_path(path))[0]
        return {"profile": profile} if profile else {}

    @property
    def _place(self) -> Place:
        return place_of(self.profile)

    def _path(self, path: Any) -> RemotePath:
        return names.resolve(self._place, self._strip_own(path))

    def _strip_own(self, path: Any) -> Any:
        """Return the path of a URL, or the paths of a list. Raises UsageError if a URL names another profile."""
        if isinstance(path, (list, tuple, set)):
            return [self._strip_own(each) for each in path]
        profile = split_url(stringify_path(path))[0]
        if profile is not None and profile != (own := self._place.session.profile.name):
            raise as_os_error(
                UsageError(
                    f"the URL names the profile {profile}, and this filesystem belongs to {own}",
                    hint=f"use fsspec.filesystem('cta', profile={profile!r}), or fsspec.open(URL)",
                    path=stringify_path(path),
                )
            )
        return self._strip_protocol(path)

    def _entry(self, path: Any) -> Entry:
        place = self._place
        return place.store.info(names.resolve(place, self._strip_protocol(path)))

    def _from_root(self, path: Any) -> Any:
        """Return a path, or a list of paths, without `~`: names that a search finds start from the root."""
        if isinstance(path, (list, tuple, set)):
            return [self._from_root(each) for each in path]
        stripped, text = self._strip_own(path), str(stringify_path(path))
        if not is_below_home(stripped):
            return path
        return str(self._path(stripped)) + "/" * text.endswith("/")

    @raise_os_errors()
    def expand_path(self, path: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any) -> list[str]:
        """Return the paths that patterns and, with `recursive`, directories mean.

        A name that exists is no pattern: `rm` of `run[12].h5` must not delete `run1.h5` in its place.
        """
        asked = self._from_root(list(path) if isinstance(path, (list, tuple, set)) else [path])
        exact = [each for each in asked if has_magic(self._strip_protocol(each)) and self.exists(each)]
        found = {self._strip_protocol(each) for each in exact}
        if recursive:
            for each in exact:
                found.update(self.find(each, maxdepth=maxdepth, withdirs=True))
        others = [each for each in asked if each not in exact]
        if others or not asked:
            found.update(super().expand_path(others, recursive=recursive, maxdepth=maxdepth, **kwargs))
        return sorted(found)

    @raise_os_errors()
    def glob(self, path: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the paths that a pattern matches, with `detail=True` their entries too."""
        return super().glob(self._from_root(path), *args, **kwargs)

    @property
    def fsid(self) -> str:
        """A text that is another one for each storage."""
        with raise_os_errors():
            return f"cta-{self._place.session.profile.address}"

    # Names

    @raise_os_errors()
    def info(self, path: Any, **_: Any) -> names.Info:
        """Return what the storage says of a file or directory, as `names.describe` has it."""
        return names.describe(self._entry(path))

    @raise_os_errors(NotADirectoryError)
    def ls(self, path: Any, detail: bool = True, **_: Any) -> list[Any]:
        """List a directory, anew each time; a file lists as itself."""
        found = names.list_directory(self._place, self._path(path))
        return [names.describe(entry) for entry in found] if detail else [str(entry.path) for entry in found]

    @raise_os_errors()
    def exists(self, path: Any, **_: Any) -> bool:
        """Return False only if nothing is there; a login that is refused raises."""
        return is_there(self._place.store, self._path(path))

    def isfile(self, path: Any) -> bool:
        """Return whether a file is there; errors as `exists`."""
        return self._kind(path) == "file"

    def isdir(self, path: Any) -> bool:
        """Return whether a directory is there; errors as `exists`."""
        return self._kind(path) == "directory"

    def _kind(self, path: Any) -> str:
        try:
            return str(self.info(path)["type"])
        except FileNotFoundError:
            return ""

    @raise_os_errors()
    def walk(
        self, path: Any, maxdepth: int | None = None, topdown: bool = True, on_error: Any = "raise", **kwargs: Any
    ) -> Iterator[tuple[str, Any, Any]]:
        """Yield each directory below `path` with its directories and files.

        Args:
            on_error: `raise`, `omit`, or a function that receives the error of a directory which cannot be listed.
        """
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        return self._walk(self._path(path), maxdepth, topdown, on_error, kwargs.get("detail", False))

    def _walk(
        self, path: RemotePath, depth: int | None, topdown: bool, on_error: Any, detail: bool
    ) -> Iterator[tuple[str, Any, Any]]:
        for above, dirs, files in names.walk(self._place, path, depth, topdown=topdown, on_error=on_error):
            if detail:
                yield str(above), dirs, files
            else:
                listed = list(dirs)
                yield str(above), listed, list(files)
                for name in set(dirs) - set(listed):
                    del dirs[name]

    @raise_os_errors()
    def find(
        self, path: Any, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **_: Any
    ) -> Any:
        """Return the files below a directory, with `withdirs` the directories too; what cannot be listed raises."""
        entries = self._find(path, maxdepth, withdirs=withdirs)
        return {name: names.describe(entry) for name, entry in entries.items()} if detail else list(entries)

    def _find(self, path: Any, maxdepth: int | None, *, withdirs: bool) -> dict[str, Entry]:
        top, below = names.list_below(self._place, self._path(path), maxdepth)
        found = [entry for entry in below if withdirs or not entry.is_directory]
        if top is not None and (withdirs or not top.is_directory):
            found.insert(0, top)
        return {str(entry.path): entry for entry in found}

    def du(
        self, path: Any, total: bool = True, maxdepth: int | None = None, withdirs: bool = False, **_: Any
    ) -> int | dict[str, int]:
        """Return the bytes of the files below `path`, or of each of them."""
        found = self.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True)
        sizes = {name: info["size"] or 0 for name, info in found.items()}
        return sum(sizes.values()) if total else sizes

    def modified(self, path: Any) -> datetime:
        """Return when a file was last modified, in UTC."""
        return _as_datetime(self.info(path).get("mtime"), "modification", path)

    @raise_os_errors()
    def created(self, path: Any) -> datetime:
        """Return when a file was created, in UTC, with a request that asks for it."""
        store = self._place.store
        moment = store.created(self._path(path)) if isinstance(store, TellsCreation) else None
        if moment is None:
            self._entry(path)  # a file that is not there has another error
        return _as_datetime(moment, "creation", path)

    def ukey(self, path: Any) -> str:
        """Return a text that is another one for each version of a file, by its size, checksums, tag and mtime."""
        info = self.info(path)
        return hashlib.sha256(repr(sorted(info.items())).encode()).hexdigest()

    @raise_os_errors()
    def checksum(self, path: Any) -> int:
        """Return the strongest checksum that the storage knows as a number; of `ukey`, if it knows none."""
        try:
            return int(get_digest(self._place.store, self._entry(path))[1], 16)
        except (Unsupported, ValueError):
            return int(self.ukey(path), 16)


def _as_datetime(seconds: float | None, kind: str, path: Any) -> datetime:
    if seconds is None:
        raise as_os_error(Unsupported(f"the storage keeps no time of {kind}", path=str(path)))
    return datetime.fromtimestamp(seconds, UTC)
