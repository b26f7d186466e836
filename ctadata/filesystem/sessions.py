"""The sessions of this process, one for each profile, and the files that it has just read parts of.

Instances of the filesystem come and go, one for each thread; what has connections lives here. A token is looked up by
the session at each request, so nothing here can expire.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from ctadata.config.resolve import resolve_profile
from ctadata.paths import RemotePath
from ctadata.session import Session
from ctadata.stores.after_fork import abandon
from ctadata.stores.base import Store
from ctadata.stores.idle_movers import IDLE, OPEN_FILES
from ctadata.stores.ranged_file import RangedFile
from ctadata.system import call_after_fork

KEPT = 16
"""Files that stay open after a read of a part, for the next part, at most."""

_DECIDES = ("CTADATA_", "XDG_", "HOME")
"""The variables that decide which profile is meant begin so."""

_Key = tuple[str | None, tuple[tuple[str, str], ...]]
_Stamp = tuple[int, int] | None


@dataclass(slots=True)
class Place:
    """One storage.

    session: Its profile, tokens and store.
    kept:    Files of which parts were read without opening them, the last one last.
    """

    session: Session
    kept: OrderedDict[RemotePath, RangedFile] = field(default_factory=OrderedDict)
    _home: RemotePath | None = None

    @property
    def store(self) -> Store:
        """The store."""
        return self.session.store

    def home(self) -> RemotePath:
        """Return the user's home; it is looked up once. ConfigError, NotFound: None is known."""
        if self._home is None:
            self._home = self.session.resolve("home:", make=False)
        return self._home

    def keep_open(self, path: RemotePath) -> RangedFile:
        """Return the file that parts of `path` are read from; it was opened a moment ago, or is opened now."""
        file = self.kept.pop(path, None)
        if file is None or file.last_read < OPEN_FILES.clock() - IDLE:
            file = RangedFile(lambda: self.store, path)
        self.kept[path] = file
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        return file

    def forget(self, path: RemotePath) -> None:
        """Forget a file that this process has replaced or removed, and what lay below it."""
        for known in list(self.kept):
            if known.parts[: len(path.parts)] == path.parts:
                self.kept.pop(known, None)


class _Places:
    """All of them; a forked child starts with none."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: dict[_Key, tuple[Path, _Stamp, Place]] = {}


_places = _Places()


def place_of(profile: str | None) -> Place:
    """Return the storage of a profile; it is opened when it is first asked for. No request is sent.

    Args:
        profile: Its name; None for the one that the environment or the settings choose.

    Raises:
        ConfigError: There is no such profile, or it cannot be used.
    """
    key = profile, tuple(sorted((name, os.environ[name]) for name in os.environ if name.startswith(_DECIDES)))
    found = _places.known.get(key)
    if found and found[1] == _stamp(found[0]):
        return found[2]
    with _places.lock:
        resolved = resolve_profile(profile)
        place = found[2] if found and found[2].session.profile == resolved.profile else Place(Session.open(resolved))
        _places.known[key] = resolved.file, _stamp(resolved.file), place
    return place


def _stamp(file: Path) -> _Stamp:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _start_anew() -> None:
    global _places
    abandon(_places)
    _places = _Places()


call_after_fork(_start_anew)
