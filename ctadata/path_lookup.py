"""Find what a path typed by the user names: the remote path, its entry, its matches, its listing.

`/a` starts from the root, `~/a` and `home:a` from the user's home, `a` from the root; only a target of `put` starts
from home when it is relative.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ctadata.config.profile import Profile
from ctadata.config.resolve import profile_names
from ctadata.entries import Entry
from ctadata.errors import CtadataError, Forbidden, NoDirectory, NotFound, NothingMatched, Unsupported, UsageError
from ctadata.namespace.filters import Filters, is_pattern
from ctadata.namespace.globs import catch_incomplete, find_matches
from ctadata.namespace.listing import list_children, list_tree
from ctadata.namespace.walk import WALKERS
from ctadata.paths import Anchor, RemotePath, TypedPath
from ctadata.printable import escape_unprintable
from ctadata.stores.home import find_home
from ctadata.stores.typed_path import resolve_typed_path
from ctadata.tracebacks import shorten_interrupt

if TYPE_CHECKING:  # a look-up loads no module of `transfer`
    from ctadata.stores.base import Store
    from ctadata.stores.s3.raw_keys import RawKeys
    from ctadata.tokens.access_keys import AccessKeys
    from ctadata.tokens.jupyterhub import HubToken
    from ctadata.tokens.provider_chain import TokenProvider
    from ctadata.transfer.download_target import NamedEntry, Target
    from ctadata.transfer.early_requests import EarlyRead
    from ctadata.transfer.run import Run


class PathLookup:
    """Paths of one user at one site, looked up in the store. As a context manager it closes its connections at the end.

    Attributes:
        profile: The site.
        store: The place with the files.
        tokens: The source of the credentials.
        stop: When set, requests that wait end within a second with `Stopped`.
        raw_keys: The store itself while paths are raw S3 keys; else None.
        is_literal: Whether paths are names also if they look like patterns.
    """

    def __init__(
        self,
        profile: Profile,
        store: Store,
        tokens: TokenProvider | HubToken | AccessKeys,
        stop: threading.Event,
        home: Callable[[], RemotePath] | None = None,
    ) -> None:
        """Use these parts.

        Args:
            profile: The site.
            store: The place with the files.
            tokens: The source of the credentials.
            stop: When set, requests that wait end within a second with `Stopped`.
            home: Returns the user's home. None finds it as the profile says.
        """
        self.profile = profile
        self.store = store
        self.tokens = tokens
        self.stop = stop
        self._find_home = home
        self._profiles = functools.cache(profile_names)
        self._known_home: RemotePath | None = None
        self.raw_keys: RawKeys | None = None
        self.is_literal = False
        self._early: EarlyRead | None = None  # of the one file of a download

    @property
    def home(self) -> RemotePath:
        """The user's home, created if it does not exist.

        Raises:
            ConfigError: The profile leads to no home.
        """
        return self._home(make=True)

    def _home(self, *, make: bool) -> RemotePath:
        if self._known_home is None:
            by_profile = functools.partial(find_home, self.profile, self.store, self.tokens, make=make, stop=self.stop)
            home = (self._find_home or by_profile)()
            if not make:
                return home
            self._known_home = home
        return self._known_home

    def resolve(self, text: str, *, from_home: bool = False, make: bool = True) -> RemotePath:
        """Return the remote path that the user typed.

        Args:
            text: The path as typed.
            from_home: The path is a target of `put`, so a relative one starts from home.
            make: Create the home if it does not exist.

        Raises:
            UsageError: The path cannot be understood.
            Unsupported: The target of a `put` is not UTF-8.
            ConfigError: The path needs the home, and the profile leads to none.
        """
        if self.raw_keys:
            return self.raw_keys.path_of(text)
        return resolve_typed_path(
            self.profile, text, lambda: self._home(make=make), self._profiles, from_home=from_home
        )

    def info(self, text: str, *, make: bool = True) -> Entry:
        """Return the entry with this path.

        Args:
            text: The path as typed.
            make: Create the home if it does not exist.

        Raises:
            NotFound: Nothing has this path. The hint says if your home has it.
        """
        path = self.resolve(text, make=make)
        try:
            early = self._early.entry() if self._early and self._early.path == path else None
            return early or self.store.info(path)
        except NotFound as error:
            relative = not text.startswith("s3://") and TypedPath.parse(text).anchor is Anchor.RELATIVE
            if relative and self._is_at_home(path):
                hint = f"it exists in your home: write home:{text}"
                raise NotFound(error.what, hint=hint, path=str(path), status=error.status) from None
            raise

    def _is_at_home(self, path: RemotePath) -> bool:
        try:
            return bool(self.store.info(self._home(make=False).join(path.parts)))
        except CtadataError:
            return False

    def find(self, text: str) -> list[Entry]:
        """Return the entry with this path, or else the entries that match it as a pattern.

        Raises:
            NotFound: Nothing has this path, and it is no pattern.
            NoDirectory: The path ends with a slash, and is a file.
            NothingMatched: Nothing matches the pattern. A pattern that ends with a slash matches only collections.
            Incomplete: Some collections could not be listed.
        """
        if self.raw_keys or self.is_literal or not is_pattern(text):
            entry = self.info(text)
            if text.endswith("/") and not entry.is_directory and not self.raw_keys:
                raise NoDirectory("it is a file, not a directory", path=escape_unprintable(text))
            return [entry]
        if matches := find_matches(self.store, self.resolve(text), threads=WALKERS, directories=text.endswith("/")):
            return matches
        raise NothingMatched("nothing matches this pattern", path=escape_unprintable(text))

    def list(
        self, text: str, *, recursive: bool = False, threads: int | None = None, filters: Filters | None = None
    ) -> Iterator[Entry]:
        """Yield the entries of a collection in the order of arrival, the entry of a file, or the matches of a pattern.

        Args:
            text: The path or pattern as typed.
            recursive: Also yield everything below the collections.
            threads: How many collections are listed at the same time. None chooses a number.
            filters: Which of the entries below a collection are yielded. None yields all.

        Raises:
            NotFound: Nothing has this path.
            NothingMatched: Nothing matches the pattern.
            Incomplete: Some collections could not be listed. It comes after all other entries.
        """
        filters = filters or Filters()
        if not (self.raw_keys or is_pattern(text)):
            yield from self._list_at_once(text, filters, threads if recursive else 0)
            return
        entries, incomplete = catch_incomplete(self.find, text)
        matches = is_pattern(text) and not (entries and entries[0].path == self.resolve(text))
        for entry in entries:
            if matches or not entry.is_directory:
                yield entry
            if entry.is_directory and recursive:
                yield from list_tree(self.store, entry.path, threads=threads or WALKERS, filters=filters)
            elif entry.is_directory and not matches:
                yield from list_children(self.store, entry.path, filters)
        if incomplete:
            raise incomplete

    def _list_at_once(self, text: str, filters: Filters, threads: int | None) -> Iterator[Entry]:
        """Yield what `list` yields, without a request for the entry if the path is a directory.

        Args:
            text: The path as typed.
            filters: Which entries are yielded.
            threads: How many directories are listed at the same time; None chooses, and 0 lists this one only.
        """
        path = self.resolve(text)
        entries = (
            list_tree(self.store, path, threads=threads or WALKERS, filters=filters)
            if threads != 0
            else list_children(self.store, path, filters)
        )
        try:
            first = next(entries, None)
        except (NotFound, UsageError, Unsupported, Forbidden):  # a file, or a name that may be at home
            [entry] = self.find(text)
            if entry.is_directory:
                raise
            yield entry
            return
        if first is not None:
            yield first
            yield from entries

    def is_collection(self, path: RemotePath) -> bool:
        """Return whether a path is a directory, or may be one that this token cannot see."""
        try:
            return self.store.info(path).is_directory
        except NotFound:
            return False
        except Forbidden:  # dCache shows files to a token with storage.create only, but not collections
            return self.store.features.has_directories

    def is_collection_beside(self, run: Run, path: RemotePath, local: Path) -> bool:
        """Return whether the target of one file is a directory; if not, keep in the run what the store has there.

        Args:
            run: The run. If the store has directories, it gets a listing of the one above, which has begun meanwhile.
            path: The target.
            local: The local file.
        """
        from ctadata.transfer.early_requests import EarlyListing
        from ctadata.transfer.target_name import is_directory_target

        if not self.store.features.has_directories:
            return is_directory_target(run, path, local)
        early, is_needed = EarlyListing(self.store, path.parent), False
        try:
            is_needed = not self.is_collection(path)
        finally:
            if not is_needed:
                early.close()
        run.early_listing = early
        return not is_needed

    def download_targets(
        self,
        sources: Sequence[str],
        local: str | None,
        *,
        recursive: bool,
        listed: Iterable[str | Entry | NamedEntry | UsageError] | None,
    ) -> Iterable[Target]:
        """Return the files and collections that a download takes, with their local targets; see `Session.get`."""
        from ctadata.transfer import path_mapping
        from ctadata.transfer.report import InvalidPath

        if listed is not None:
            base = self.resolve(sources[0]) if sources else RemotePath()
            exact = self.profile.kind == "s3"
            return path_mapping.listed_download_targets(base, listed, local, recursive=recursive, exact=exact)
        known = [(source, *catch_incomplete(self.find, source)) for source in sources]
        found = [(source, entry) for source, entries, _ in known for entry in entries]
        targets: list[Target] = [*path_mapping.download_targets(found, local, recursive=recursive)]
        targets += [InvalidPath(error, self.resolve(source)) for source, _, error in known if error]
        return targets

    @contextlib.contextmanager
    def read_early(self, run: Run, sources: Sequence[str], local: str | None, *, piped: bool = False) -> Iterator[None]:
        """Begin to read the one file of a download while its entry is looked up, if the local name is free.

        Args:
            run: The run.
            sources: The paths as typed.
            local: The local target; None: the current directory.
            piped: The bytes get no local name. They are read early only if the read tells the entry.
        """
        is_one = len(sources) == 1 and not is_pattern(sources[0]) and not sources[0].endswith("/") and not self.raw_keys
        if (
            not is_one
            or (run.rules.jobs == 1 and not self.store.features.reads_tell_entries)
            or run.rules.dry_run
            or run.task_runner
            or not self.store.features.reads_change_nothing
        ):
            yield
            return
        from ctadata.transfer.early_requests import EarlyRead
        from ctadata.transfer.path_mapping import is_taken_here

        path = self.resolve(sources[0])
        tells = self.store.features.reads_tell_entries
        if not path.parts or (not tells if piped else is_taken_here(path, local)):
            yield
            return
        with EarlyRead(self.store, path) as early:
            run.early = self._early = early
            try:
                yield
            finally:
                self._early = None

    def use_raw_keys(self) -> None:
        """Read all further paths as `s3://bucket/key`, with the key exactly as it is written.

        Raises:
            UsageError: The store is not S3.
        """
        from ctadata.stores.s3.raw_keys import raw_keys

        self.store = self.raw_keys = raw_keys(self.store, self.profile)

    def use_version(self, version: str) -> None:
        """Let all further paths mean one version, by its id, of an S3 object.

        Raises:
            Unsupported: The store is not S3.
        """
        from ctadata.stores.s3.one_version import OneVersion
        from ctadata.stores.s3.require import require_s3

        self.store = OneVersion(require_s3(self.store, self.profile, "--version-id"), version)

    @property
    def source_of_token(self) -> str:
        """The source of the token in use, in words; empty before the first request."""
        return self.tokens.origin

    def close(self) -> None:
        """Close the connections."""
        self.store.close()

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections; an interrupt leaves the block without the frames inside of it."""
        self.close()
        shorten_interrupt(error)
