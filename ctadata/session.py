"""Session: profile, token and store put together once, with the transfers that commands and Python share."""

from __future__ import annotations

import dataclasses
import functools
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ctadata.agent.renew_on_demand import login_of, make_token_provider
from ctadata.config.profile import Profile
from ctadata.config.request_limit import RequestLimit, find_request_limit
from ctadata.config.resolve import Resolved
from ctadata.entries import Entry
from ctadata.errors import UsageError
from ctadata.http.client import Client
from ctadata.local_paths import is_directory
from ctadata.path_lookup import PathLookup
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.resources import limit_workers
from ctadata.stores.base import Store
from ctadata.stores.dcache.site import Site
from ctadata.stores.factory import open_store
from ctadata.tokens.origins import trusted_origins

if TYPE_CHECKING:  # a listing loads no module of `transfer`, and each transfer only those that it needs
    from ctadata.tokens.access_keys import AccessKeys
    from ctadata.tokens.jupyterhub import HubToken
    from ctadata.tokens.provider_chain import TokenProvider
    from ctadata.transfer.download_target import NamedEntry
    from ctadata.transfer.local_tree import UploadSource
    from ctadata.transfer.plan import Rules
    from ctadata.transfer.report import InvalidPath, Reporter, Summary
    from ctadata.transfer.run import Run, TaskRunner
    from ctadata.transfer.sync import Deletion


class Session(PathLookup):
    """One user at one site. As a context manager it closes its connections at the end."""

    def __init__(
        self,
        profile: Profile,
        store: Store,
        tokens: TokenProvider | HubToken | AccessKeys,
        stop: threading.Event,
        home: Callable[[], RemotePath] | None = None,
        site: Site | None = None,
        limit: RequestLimit | None = None,
    ) -> None:
        """Use these parts, as `PathLookup` does; `open` creates them from a profile.

        Args:
            profile: The site.
            store: The place with the files.
            tokens: The source of the credentials.
            stop: When set, requests that wait end within a second with `Stopped`.
            home: Returns the user's home. None finds it as the profile says.
            site: What the site has beyond the store: tape, REST interface, macaroons. None if it has nothing.
            limit: How many requests a server gets at a time. None is the profile's number of jobs.
        """
        super().__init__(profile, store, tokens, stop, home)
        self.site = site or Site(profile, None)
        self.limit = limit or RequestLimit(profile.jobs, profile.jobs)
        self.task_runner: TaskRunner | None = None  # moves the files of all further runs in other processes

    @classmethod
    def open(
        cls,
        resolved: Resolved,
        *,
        token_file: Path | None = None,
        stop: threading.Event | None = None,
        env: Mapping[str, str] = os.environ,
        at_once: int = 1,
    ) -> Session:
        """Open a session for a profile. No request is sent yet.

        Args:
            resolved: The profile, and the origin of each value.
            token_file: A file with the token to use, instead of all other sources.
            stop: When set, requests that wait end within a second with `Stopped`. None creates an event.
            env: The environment, in which tokens and access keys may be.
            at_once: The number of tasks that run at the same time and share the profile's limit of requests.

        Raises:
            ConfigError: The profile cannot be used.
        """
        limit = find_request_limit(resolved, at_once)
        profile, stop = resolved.profile.share(at_once), stop or threading.Event()
        if profile.kind == "s3":
            from ctadata.stores.s3.factory import open_s3  # imported late: it loads more modules than all the others
            from ctadata.stores.s3.restore import restores_of
            from ctadata.tokens.access_keys import AccessKeys

            keys = AccessKeys(profile, explicit=token_file, env=env, login=login_of(resolved, stop, env))
            home = RemotePath.parse(profile.home[0]) if profile.home else RemotePath()
            store = open_s3(profile, keys, stop=stop, limit=limit)
            site = Site(profile, None, restores_of(store))
            return cls(profile, store, keys, stop, home=lambda: home, site=site, limit=limit)
        tokens = make_token_provider(resolved, stop, token_file=token_file, env=env)
        client = Client(
            trusted=trusted_origins(profile), credentials=tokens, ca=profile.ca, http_pools=profile.http_pools,
            jobs=limit.most, pinned=limit.pinned, stop=stop,
        )  # fmt: skip
        limit.apply = client.limit_requests
        return cls(profile, open_store(profile, client), tokens, stop, site=Site(profile, client), limit=limit)

    def get(
        self,
        sources: Sequence[str],
        local: str | None = None,
        *,
        recursive: bool = False,
        listed: Iterable[str | Entry | NamedEntry | UsageError] | None = None,
        rules: Rules | None = None,
        reporter: Reporter | None = None,
        jobs: int | None = None,
    ) -> Summary:
        """Download files, and with `recursive` collections.

        Args:
            sources: Paths, or patterns if no such path exists. With `listed`, the one collection that its paths start
                from; empty for the root.
            local: The local file or directory. None is the current directory.
            recursive: Allow collections.
            listed: Paths of files and collections, or entries, or errors. Each keeps its directories below `local`.
            rules: What is skipped, kept or replaced. None uses the defaults.
            reporter: Receives each result while the files move. None reports to nobody.
            jobs: How many files move at a time. None takes the profile's number.

        Returns:
            What was done, and the error of each file that failed.

        Raises:
            UsageError: A collection without `recursive`, or two sources for one local name. Nothing has moved yet; this
                is so for all errors listed here.
            NotFound: A source does not exist.
            NothingMatched: A pattern has no match.
        """
        from ctadata.transfer.download_tree import download

        run = self.run(rules, reporter, jobs)
        with self.read_early(run, sources if listed is None and not recursive else (), local):
            return download(run, self.download_targets(sources, local, recursive=recursive, listed=listed))

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
        """Upload files, and with `recursive` directories.

        Args:
            local: Files and directories. With `listed`, the one directory that its paths start from; empty for the
                current one.
            target: The remote name or collection. A relative path is below the user's home.
            recursive: Allow directories.
            listed: Paths of local files and directories. Each keeps its directories below `target`.
            rules: What is skipped, kept or replaced. None uses the defaults.
            reporter: Receives each result while the files move. None reports to nobody.
            jobs: How many files move at a time. None takes the profile's number.

        Returns:
            What was done, and the error of each file that failed.

        Raises:
            UsageError: A directory without `recursive`, or two sources for one name. Nothing has moved yet; this is so
                for all errors listed here.
            NotFound: A local file does not exist.
            ConfigError: The target is relative, and the profile leads to no home.
        """
        from ctadata.transfer import path_mapping
        from ctadata.transfer.upload_tree import upload

        path_mapping.check_local(local, recursive=recursive or listed is not None)
        path = self.resolve(target, from_home=True, make=not (rules and rules.dry_run))
        run = self.run(rules, reporter, jobs)
        upload_sources: Iterable[UploadSource | InvalidPath]
        if listed is None:
            into = target.endswith("/") or len(local) > 1 or path in (RemotePath(), self._known_home)
            only_trees = all(is_directory(Path(source)) for source in local)
            upload_sources = path_mapping.upload_sources(
                local, path, into=into or (not only_trees and self.is_collection_beside(run, path, Path(local[0])))
            )
        else:
            upload_sources = path_mapping.listed_upload_sources(local[0] if local else "", listed, path)
        return upload(run, upload_sources)

    def get_to_pipe(
        self,
        sources: Sequence[str],
        write: Callable[[bytes], object],
        *,
        rules: Rules | None = None,
        reporter: Reporter | None = None,
    ) -> Summary:
        """Write the bytes of files to `write`, one file after the other. The first failure ends it.

        Args:
            sources: Paths, or patterns if no such path exists.
            write: Receives each block.
            rules: None uses the defaults.
            reporter: Receives each result. None reports to nobody.

        Raises:
            UsageError: A source is a collection.
            NotFound: A source does not exist.
            NothingMatched: A pattern has no match.
            OSError: `write` failed.
        """
        from ctadata.transfer.streams import stream_files_to

        run = self.run(rules, reporter, 1)
        with self.read_early(run, sources, None, piped=True):
            return stream_files_to(run, [entry for source in sources for entry in self.find(source)], write)

    def put_from_pipe(
        self,
        pipe: int,
        target: str,
        *,
        rules: Rules | None = None,
        reporter: Reporter | None = None,
    ) -> Summary:
        """Upload everything that a pipe delivers as one file.

        The bytes are first spooled to a local temporary file, since the storage needs their number.

        Args:
            pipe: The descriptor to read.
            target: The name of the remote file. A relative path is below the user's home.
            rules: None uses the defaults.
            reporter: Receives the result. None reports to nobody.

        Raises:
            UsageError: The target is a collection.
            StorageFull: The local disk has no room for the bytes.
        """
        from ctadata.transfer.streams import spool_pipe, upload_spooled_file

        path = self.resolve(target, from_home=True, make=not (rules and rules.dry_run))
        if target.endswith("/") or not path.parts or self.is_collection(path):
            raise UsageError(
                "the target is a directory, and a pipe has no file name",
                hint="add the name to the target",
                path=escape_unprintable(target),
            )
        with spool_pipe(pipe, self.stop) as (fd, spool_stat):
            run = self.run(rules, reporter, 1)
            work = functools.partial(upload_spooled_file, run, fd, spool_stat, path)
            return run.execute([run.task(path, None, spool_stat.st_size, work)])

    def sync_down(
        self,
        source: RemotePath,
        local: str,
        *,
        deletion: Deletion | None = None,
        rules: Rules | None = None,
        reporter: Reporter | None = None,
    ) -> Summary:
        """Make a local directory equal to a remote collection.

        Args:
            source: The collection.
            local: The local directory.
            deletion: Which extraneous local files are deleted. None deletes nothing.
            rules: What is skipped or replaced. None uses the defaults.
            reporter: Receives each result. None reports to nobody.

        Raises:
            UsageError: The source is a file, or `rules` asks for checksums that the store does not have.
            NotFound: The source does not exist.
        """
        from ctadata.transfer.download_target import DownloadTarget
        from ctadata.transfer.sync import sync_down

        entry = self.store.info(source)
        if not entry.is_directory:
            raise UsageError("only directories are synced, and this is a file", hint="use get", path=str(source))
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
        """Make a remote collection equal to a local directory.

        Args:
            local: The local directory.
            target: The collection.
            deletion: Which extraneous remote files are deleted. None deletes nothing.
            rules: What is skipped or replaced. None uses the defaults.
            reporter: Receives each result. None reports to nobody.

        Raises:
            UsageError: The local path is a file, or `rules` asks for checksums that the store does not have.
            NotFound: The local directory does not exist.
        """
        from ctadata.transfer.local_tree import UploadSource
        from ctadata.transfer.path_mapping import check_directory
        from ctadata.transfer.sync import sync_up

        check_directory(local)
        return sync_up(self.run(rules, reporter), UploadSource(target, Path(local)), deletion)

    def run(self, rules: Rules | None, reporter: Reporter | None, jobs: int | None = None) -> Run:
        """Start a run: the rules, records and reporter that the transfers of one command share.

        Args:
            rules: None uses the defaults.
            reporter: None reports to nobody.
            jobs: How many files move at a time. None takes the profile's number, and more if they are small.
        """
        from ctadata.transfer.plan import Rules
        from ctadata.transfer.record_cache import directory
        from ctadata.transfer.records import Records
        from ctadata.transfer.report import NullReporter
        from ctadata.transfer.run import Run

        most = limit_workers(jobs or self.profile.jobs)
        small = limit_workers(jobs or self.limit.files, asked=False)
        streams = None if jobs or not self.limit.streams else limit_workers(self.limit.streams, asked=False)
        rules = dataclasses.replace(rules or Rules(), jobs=most, small_jobs=small, streams=streams)
        records, runner = Records(self.profile.address, directory()), self.task_runner
        if rules.dry_run or (runner and rules.rate is not None and not runner.keeps_rate):
            runner = None
        run = Run(self.store, rules, reporter or NullReporter(), self.stop, records=records, task_runner=runner)
        if rules.stage and not rules.dry_run:
            from ctadata.transfer.staging import Staging

            run.staging = Staging(self.site.tape, self.stop.wait, run.fail, run.reporter.remarked)
        return run
