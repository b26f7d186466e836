"""Session: profile, token and store put together, once; and the verbs that commands and Python share.

A path that a person typed is resolved here: `/a` from the root, `~/a` and `home:a` from home, and `a` from the
root for every verb but `put`, where it is below home.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ctadata.agent.renew_on_demand import make_token_provider
from ctadata.config.profile import Profile
from ctadata.config.resolve import COMMAND_LINE, Resolved
from ctadata.entries import Entry
from ctadata.errors import CtadataError, Forbidden, NotFound, NothingMatched, UsageError
from ctadata.http.client import Client
from ctadata.namespace.filters import Filters, is_pattern
from ctadata.namespace.globs import catch_incomplete, find_matches
from ctadata.namespace.listing import list_children, list_tree
from ctadata.namespace.walk import WALKERS
from ctadata.paths import Anchor, RemotePath, TypedPath, escape_unprintable
from ctadata.resources import limit_workers
from ctadata.stores.base import Store
from ctadata.stores.dcache.site import Site
from ctadata.stores.factory import open_store
from ctadata.stores.home import find_home
from ctadata.stores.typed_path import resolve_typed_path
from ctadata.tokens.access_keys import AccessKeys
from ctadata.tokens.jupyterhub import HubToken
from ctadata.tokens.origins import trusted_origins
from ctadata.tokens.provider_chain import TokenProvider
from ctadata.transfer import path_mapping
from ctadata.transfer.download_tree import DownloadTarget, PendingTarget, download
from ctadata.transfer.plan import Rules
from ctadata.transfer.records import Records, directory
from ctadata.transfer.report import InvalidPath, NullReporter, Reporter, Summary
from ctadata.transfer.run import Run
from ctadata.transfer.staging import Staging
from ctadata.transfer.streams import spool_pipe, stream_files_to, upload_spooled_file
from ctadata.transfer.sync import Deletion, sync_down, sync_up
from ctadata.transfer.upload_tree import UploadSource, upload

if TYPE_CHECKING:
    from ctadata.stores.s3.raw_keys import RawKeys


class Session:
    """One user at one site; a context manager that lets go of the connections at its end."""

    def __init__(
        self,
        profile: Profile,
        store: Store,
        tokens: TokenProvider | HubToken | AccessKeys,
        stop: threading.Event,
        home: Callable[[], RemotePath] | None = None,
        site: Site | None = None,
    ) -> None:
        """Use parts that exist; `open` makes them. home: finds the user's home, where the profile names none."""
        self.profile = profile
        self.store = store
        self.tokens = tokens
        self.stop = self._stop = stop
        self.site = site or Site(profile, None)
        self._find_home = home
        self._known_home: RemotePath | None = None
        self.raw_keys: RawKeys | None = None

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
        pinned = resolved.values["jobs"].origin == COMMAND_LINE
        if profile.kind == "s3":
            from ctadata.stores.s3.factory import open_s3  # it brings more modules along than all the others do

            keys = AccessKeys(profile, explicit=token_file, env=env)
            home = RemotePath.parse(profile.home[0]) if profile.home else RemotePath()
            store: Store = open_s3(profile, keys, stop=stop, pinned=pinned)
            return cls(profile, store, keys, stop, home=lambda: home)
        tokens = make_token_provider(resolved, stop, token_file=token_file, env=env)
        client = Client(
            trusted=trusted_origins(profile),
            credentials=tokens,
            ca=profile.ca,
            http_pools=profile.http_pools,
            jobs=profile.jobs,
            pinned=pinned,
            stop=stop,
        )
        return cls(profile, open_store(profile, client), tokens, stop, site=Site(profile, client))

    @property
    def home(self) -> RemotePath:
        """The user's own collection, made where it is missing; ConfigError where the profile leads to none."""
        return self._home(make=True)

    def _home(self, *, make: bool) -> RemotePath:
        if self._known_home is None:
            by_profile = functools.partial(find_home, self.profile, self.store, self.tokens, make=make, stop=self.stop)
            found = (self._find_home or by_profile)()
            if not make:
                return found
            self._known_home = found
        return self._known_home

    def resolve(self, text: str, *, from_home: bool = False, make: bool = True) -> RemotePath:
        """The path that a person means.

        from_home: it is a target of put, which starts from home if it is relative; Unsupported if it is not UTF-8.
        make: the home is made where it is missing.
        """
        if self.raw_keys:
            return self.raw_keys.path_of(text)
        return resolve_typed_path(self.profile, text, lambda: self._home(make=make), from_home=from_home)

    def info(self, text: str, *, make: bool = True) -> Entry:
        """The entry that `text` names; NotFound says where else it exists.   make: as in `resolve`."""
        path = self.resolve(text, make=make)
        try:
            return self.store.info(path)
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
        """The entries that `text` names: the one it spells, else those it matches as a pattern.

        NotFound; NothingMatched where a pattern has no match, or, with a slash at its end, no collection; Incomplete.
        """
        if self.raw_keys or not is_pattern(text):
            return [self.info(text)]
        if found := find_matches(self.store, self.resolve(text), threads=WALKERS, directories=text.endswith("/")):
            return found
        raise NothingMatched("nothing matches this pattern", path=escape_unprintable(text))

    def list(
        self, text: str, *, recursive: bool = False, threads: int | None = None, filters: Filters | None = None
    ) -> Iterator[Entry]:
        """The entries below a collection, as they arrive, or a file's own; of a pattern its matches, and with
        `recursive` what lies below them. NotFound, NothingMatched.

        threads: collections listed at a time, where `recursive`.   filters: what is meant of what lies below.
        """
        filters = filters or Filters()
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

    def get(
        self,
        sources: Sequence[str],
        local: str | None = None,
        *,
        recursive: bool = False,
        listed: Iterable[str] | None = None,
        rules: Rules | None = None,
        reporter: Reporter | None = None,
        jobs: int | None = None,
    ) -> Summary:
        """Download files, and with `recursive` collections, to `local` (None: here).

        sources: paths, or patterns where no such path exists; with `listed` the one collection (none: the root) that
        the paths of the list start from, and each lands with its directories.
        Raises before anything moves: UsageError (a collection without `recursive`, two sources for one name),
        NotFound, NothingMatched. What happens to single files is in the summary.
        """
        targets: Iterable[DownloadTarget | PendingTarget | InvalidPath]
        if listed is None:
            known = [(source, *catch_incomplete(self.find, source)) for source in sources]
            found = [(source, entry) for source, entries, _ in known for entry in entries]
            targets = [*path_mapping.download_targets(found, local, recursive=recursive)]
            targets += [InvalidPath(error, self.resolve(source)) for source, _, error in known if error]
        else:
            base = self.resolve(sources[0]) if sources else RemotePath()
            targets = path_mapping.listed_download_targets(
                base, listed, local, recursive=recursive, exact=self.profile.kind == "s3"
            )
        return download(self.run(rules, reporter, jobs), targets)

    def put(
        self,
        local: Sequence[str],
        target: str,
        *,
        recursive: bool = False,
        listed: Iterable[str] | None = None,
        rules: Rules | None = None,
        reporter: Reporter | None = None,
        jobs: int | None = None,
    ) -> Summary:
        """Upload files, and with `recursive` directories, to `target`, which is below home where it is relative.

        local: files and directories; with `listed` the one directory (none: here) that the paths of the list start
        from, and each keeps its directories.
        Raises before anything moves: UsageError (a directory without `recursive`, two sources for one name),
        NotFound (no such local file), ConfigError (no home is known). The rest is in the summary.
        """
        path_mapping.check_local(local, recursive=recursive or listed is not None)
        path = self.resolve(target, from_home=True, make=not (rules and rules.dry_run))
        upload_sources: Iterable[UploadSource | InvalidPath]
        if listed is None:
            into = target.endswith("/") or len(local) > 1 or path in (RemotePath(), self._known_home)
            only_trees = all(Path(source).is_dir() for source in local)
            upload_sources = path_mapping.upload_sources(
                local, path, into=into or (not only_trees and self._is_collection(path))
            )
        else:
            upload_sources = path_mapping.listed_upload_sources(local[0] if local else "", listed, path)
        return upload(self.run(rules, reporter, jobs), upload_sources)

    def get_to_pipe(
        self,
        sources: Sequence[str],
        write: Callable[[bytes], object],
        *,
        rules: Rules | None = None,
        reporter: Reporter | None = None,
    ) -> Summary:
        """Give the bytes of files to `write`, one file after the other; the first failure is the last one.

        UsageError (a collection), NotFound, NothingMatched; OSError of `write`.
        """
        entries = [entry for source in sources for entry in self.find(source)]
        return stream_files_to(self.run(rules, reporter, 1), entries, write)

    def put_from_pipe(
        self,
        pipe: int,
        target: str,
        *,
        rules: Rules | None = None,
        reporter: Reporter | None = None,
    ) -> Summary:
        """Upload all that comes out of a pipe as the file `target`, which is below home where it is relative.

        UsageError where `target` is a collection; StorageFull where there is no room to keep it meanwhile.
        """
        path = self.resolve(target, from_home=True, make=not (rules and rules.dry_run))
        if target.endswith("/") or not path.parts or self._is_collection(path):
            raise UsageError(
                "it is a directory, and a pipe has no name", hint="write one", path=escape_unprintable(target)
            )
        with spool_pipe(pipe, self._stop) as (fd, found):
            run = self.run(rules, reporter, 1)
            work = functools.partial(upload_spooled_file, run, fd, found, path)
            return run.execute([run.task(path, None, found.st_size, work)])

    def sync_down(
        self,
        source: RemotePath,
        local: str,
        *,
        deletion: Deletion | None = None,
        rules: Rules | None = None,
        reporter: Reporter | None = None,
    ) -> Summary:
        """Make the local folder like the collection; UsageError (a file, no checksums to be had), NotFound."""
        entry = self.store.info(source)
        if not entry.is_directory:
            raise UsageError("it is a file, and directories are synced", hint="get fetches it", path=str(source))
        return sync_down(self.run(rules, reporter), DownloadTarget(entry, Path(local)), deletion)

    def sync_up(
        self,
        local: str,
        target: RemotePath,
        *,
        deletion: Deletion | None = None,
        rules: Rules | None = None,
        reporter: Reporter | None = None,
    ) -> Summary:
        """Make the collection like the local directory; UsageError (a file, no checksums to be had), NotFound."""
        path_mapping.check_directory(local)
        return sync_up(self.run(rules, reporter), UploadSource(target, Path(local)), deletion)

    def _is_collection(self, path: RemotePath) -> bool:
        try:
            return self.store.info(path).is_directory
        except NotFound:
            return False
        except Forbidden:  # dCache tells a token that may only create of files, and not of collections
            return self.store.features.has_collections

    def run(self, rules: Rules | None, reporter: Reporter | None, jobs: int | None = None) -> Run:
        """A run by these rules, of so many jobs, else as many as the profile says."""
        rules = dataclasses.replace(rules or Rules(), jobs=limit_workers(jobs or self.profile.jobs))
        records = Records(self.profile.address, directory())
        run = Run(self.store, rules, reporter or NullReporter(), self._stop, records=records)
        if rules.stage and not rules.dry_run:
            run.staging = Staging(self.site.tape, self._stop.wait, run.fail, run.reporter.remarked)
        return run

    @property
    def source_of_token(self) -> str:
        """Where the token in use comes from, in words; empty before the first request."""
        return self.tokens.origin

    def use_raw_keys(self) -> None:
        """From now on paths are `s3://bucket/key`, with the key as it is written; UsageError for no store of S3."""
        from ctadata.stores.s3.raw_keys import raw_keys

        self.store = self.raw_keys = raw_keys(self.store, self.profile)

    def close(self) -> None:
        """Let go of the connections."""
        self.store.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self.close()
