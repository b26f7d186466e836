"""Session: profile, token and store put together, once; and the verbs that commands and Python share.

A path that a person typed is resolved here: `/a` from the root, `~/a` and `home:a` from home, and `a` from the
root for every verb but `put`, where it is below home.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ctadata.config.profile import Profile
from ctadata.config.resolve import Resolved
from ctadata.entries import Entry
from ctadata.errors import CtadataError, NotFound, UsageError
from ctadata.http.client import Client
from ctadata.paths import Anchor, RemotePath, Spelling, printable
from ctadata.stores.base import Store
from ctadata.stores.home import find_home
from ctadata.stores.opening import open_store, trusted_origins
from ctadata.tokens.person import home_user
from ctadata.tokens.sources import Sources
from ctadata.transfer.download import WALKERS, Landing, download, land, listing
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import Reporter, Silent, Summary
from ctadata.transfer.run import Run
from ctadata.transfer.upload import Departure, upload


class Session:
    """One user at one site; a context manager that lets go of the connections at its end."""

    def __init__(self, profile: Profile, store: Store, tokens: Sources, stop: threading.Event) -> None:
        """Use parts that exist; `open` makes them."""
        self.profile = profile
        self.store = store
        self.tokens = tokens
        self._stop = stop

    @classmethod
    def open(
        cls,
        resolved: Resolved,
        *,
        token_file: Path | None = None,
        stop: threading.Event | None = None,
        env: Mapping[str, str] = os.environ,
    ) -> Session:
        """Put a session together; no request is sent yet.

        token_file: a file with the token to use, before all other sources.
        stop: once set, requests that wait end within a second with `Stopped`.
        Raises ConfigError (the profile cannot be used).
        """
        profile, stop = resolved.profile, stop or threading.Event()
        tokens = Sources(profile, explicit=token_file, only_profile=resolved.explicit, env=env)
        trusted = trusted_origins(profile)
        client = Client(trusted=trusted, credentials=tokens, ca=profile.ca, http_pools=profile.http_pools, stop=stop)
        return cls(profile, open_store(profile, client), tokens, stop)

    @functools.cached_property
    def home(self) -> RemotePath:
        """The user's own collection; ConfigError where the profile does not lead to one."""
        return find_home(self.profile, self.store, self._home_user, self._ask)

    def _home_user(self) -> str:
        return home_user(self.profile, self.tokens.token)

    def _ask(self, url: str) -> Any:
        from ctadata.http.rest import Rest  # it takes longer to import than a listing takes

        rest = Rest(trusted=trusted_origins(self.profile), ca=self.profile.ca)
        answer = rest.get(url, token=self.tokens.bearer())
        answer.raise_for_status()
        return answer.json

    def resolve(self, text: str, *, from_home: bool = False) -> RemotePath:
        """The path that a person means; `from_home` says what a relative one starts from."""
        spelling = Spelling.read(text)
        if spelling.anchor is Anchor.HOME or (spelling.anchor is Anchor.OPEN and from_home):
            return self.home.below(spelling.path.parts)
        return spelling.path

    def info(self, text: str) -> Entry:
        """The entry that `text` names; NotFound says where else it exists."""
        path = self.resolve(text)
        try:
            return self.store.info(path)
        except NotFound as error:
            if Spelling.read(text).anchor is Anchor.OPEN and self._is_at_home(path):
                raise NotFound(
                    error.what, hint=f"it exists in your home: write home:{text}", path=str(path), status=error.status
                ) from None
            raise

    def _is_at_home(self, path: RemotePath) -> bool:
        try:
            return bool(self.store.info(self.home.below(path.parts)))
        except CtadataError:
            return False

    def list(self, text: str, *, recursive: bool = False, threads: int | None = None) -> Iterator[Entry]:
        """The entries below a collection, as they arrive, or a file's own; NotFound where there is none.

        threads: collections listed at a time, where `recursive`.
        """
        entry = self.info(text)
        if not entry.is_directory:
            yield entry
        elif recursive:
            yield from listing(self.store, entry.path, threads=threads or WALKERS)
        else:
            yield from (below for below in self.store.list(entry.path) if not below.path.is_temporary)

    def get(
        self,
        sources: Sequence[str],
        local: str | None = None,
        *,
        recursive: bool = False,
        no_clobber: bool = False,
        reporter: Reporter | None = None,
        jobs: int | None = None,
    ) -> Summary:
        """Download files, and with `recursive` collections, to `local` (None: here).

        Raises before anything moves: UsageError (a collection without `recursive`, two sources for one name),
        NotFound. What happens to single files is in the summary.
        """
        entries = [self.info(source) for source in sources]
        landings: list[Landing] = []
        into = len(sources) > 1 or (local is not None and local.endswith("/"))
        for source, entry in zip(sources, entries, strict=True):
            if entry.is_directory and not recursive:
                raise UsageError("it is a directory", hint="-r downloads it with all it holds", path=printable(source))
            contents = source.endswith("/")
            landings.append(land(entry, None if local is None else Path(local), into=into, contents=contents))
        _refuse_twins([str(landing.base.joinpath(*landing.parts, landing.name)) for landing in landings])
        return download(self._run(reporter, no_clobber=no_clobber, jobs=jobs), landings)

    def put(
        self,
        local: Sequence[str],
        target: str,
        *,
        recursive: bool = False,
        no_clobber: bool = False,
        follow_links: bool = False,
        reporter: Reporter | None = None,
        jobs: int | None = None,
    ) -> Summary:
        """Upload files, and with `recursive` directories, to `target`, which is below home where it is relative.

        Raises before anything moves: UsageError (a directory without `recursive`, two sources for one name),
        NotFound (no such local file), ConfigError (no home is known). The rest is in the summary.
        """
        for source in local:
            _check_local(source, recursive=recursive)
        path = self.resolve(target, from_home=True)
        departures = self._departures(local, path, slash=target.endswith("/"))
        run = self._run(reporter, no_clobber=no_clobber, jobs=jobs, follow_links=follow_links)
        return upload(run, departures)

    def _departures(self, local: Sequence[str], path: RemotePath, *, slash: bool) -> Sequence[Departure]:
        trees = [
            Departure(path if _is_contents(source) else path / Path(source).name, Path(source))
            for source in local
            if Path(source).is_dir()
        ]
        files = [Path(source) for source in local if not Path(source).is_dir()]
        if not files:
            _refuse_twins([str(tree.target) for tree in trees])
            return trees
        into = slash or len(local) > 1 or path in (RemotePath(), self._known_home) or self._is_collection(path)
        collection = path if into else path.parent
        named = tuple((file, file.name if into else path.name) for file in files)
        _refuse_twins([str(tree.target) for tree in trees] + [str(collection / name) for _, name in named])
        return [*trees, Departure(collection, files=named)]

    @property
    def _known_home(self) -> RemotePath | None:
        return self.__dict__.get("home")

    def _is_collection(self, path: RemotePath) -> bool:
        try:
            return self.store.info(path).is_directory
        except NotFound:
            return False

    def _run(self, reporter: Reporter | None, *, no_clobber: bool, jobs: int | None, follow_links: bool = False) -> Run:
        rules = Rules(no_clobber=no_clobber, follow_links=follow_links, jobs=jobs or self.profile.jobs)
        return Run(self.store, rules, reporter or Silent(), self._stop)

    @property
    def source_of_token(self) -> str:
        """Where the token in use comes from, in words; empty before the first request."""
        return self.tokens.origin

    def close(self) -> None:
        """Let go of the connections."""
        self.store.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


def _check_local(source: str, *, recursive: bool) -> None:
    path = Path(source)
    if path.is_dir():
        if not recursive:
            raise UsageError("it is a directory", hint="-r uploads it with all it holds", path=printable(source))
    elif not path.exists():
        raise NotFound("no such local file", path=printable(source))


def _is_contents(source: str) -> bool:
    """Whether the directory was written so that its contents are meant: `dir/`, `dir/.`, `.`, `..`."""
    return source.rpartition("/")[2] in ("", ".", "..")


def _refuse_twins(targets: Sequence[str]) -> None:
    seen: set[str] = set()
    for target in targets:
        if target in seen:
            raise UsageError("two sources would become this one", path=printable(target))
        seen.add(target)
