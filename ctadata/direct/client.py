"""APIClient: the storage for one caller, with the methods that scripts written for 0.6 and 0.7 use."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ctadata.config.builtin import DEVELOPMENT_PROFILE
from ctadata.errors import ConfigError
from ctadata.listed_paths import Listed, Listing
from ctadata.namespace.external_sort import name_key
from ctadata.paths import refuse_empty_paths
from ctadata.progress import units
from ctadata.progress.reporters import Progress, reporter_for
from ctadata.transfer.plan import Rules
from ctadata.transfer.results import Upload, collect_results, contents_path, raise_failures

if TYPE_CHECKING:
    from webdav4.client import Client as WebDAV4Client

    from ctadata.agent.status import Status
    from ctadata.config.resolve import Resolved
    from ctadata.session import Session
    from ctadata.tokens.provider_chain import TokenProvider

PathText = str | os.PathLike[str]


def one_path(path: PathText) -> str:
    """Return the text of a path that names something; UsageError if it is empty, as an unset variable leaves it."""
    refuse_empty_paths(text := os.fspath(path))
    return text


def each_path(paths: PathText | Iterable[PathText]) -> Iterable[PathText]:
    """Return the paths of an argument that takes one path or several."""
    return [paths] if isinstance(paths, str | os.PathLike) else paths


class APIClient:
    """The storage for one caller.

    A program that needs its own token or secret assigns it: `client.token = "..."`, `client.secret = "..."`.

    Args:
        dev_instance: Use the development site, the profile `cscs-dev`. Otherwise `CTADATA_PROFILE` chooses the site.

    Examples:
        >>> client = APIClient()
        >>> client.list_dir("cta/DL1")
    """

    def __init__(self, dev_instance: bool = False) -> None:
        """Store the settings. The first call of a method reads files and sends requests."""
        self.dev_instance = dev_instance
        self._token: str | None = None
        self._secret: str | None = None

    @property
    def token(self) -> str:
        """The token that was assigned, or else the one that the commands use.

        Raises:
            LoginNeeded: There is no valid token.
        """
        return str(self._token_provider().bearer() or "")

    @token.setter
    def token(self, token: str) -> None:
        """Send this token from now on."""
        self._token = token

    @property
    def secret(self) -> str:
        """The client's secret that was assigned. It is never read back from disk.

        Raises:
            ConfigError: No secret was assigned.
        """
        if self._secret is None:
            raise ConfigError("no client secret was assigned", hint="most sites need none")
        return self._secret

    @secret.setter
    def secret(self, secret: str) -> None:
        """Use this secret of the client for logins."""
        self._secret = secret

    def list_dir(self, path: PathText, recursive: bool = False, n_threads: int | None = None) -> Listing:
        """List the paths in a directory; see `ctadata.direct.list_dir`."""
        with self.session() as session:
            entries = session.list(os.fspath(path), recursive=recursive, threads=n_threads)
            return Listing(Listed.of(entry) for entry in (entries if recursive else sorted(entries, key=name_key)))

    def fetch_and_save_file(
        self,
        path: PathText,
        save_to_fn: PathText | None = None,
        *,
        progress: Progress | None = None,
        limit_rate: str | float | None = None,
    ) -> int:
        """Download one file and return its size in bytes; see `ctadata.direct.fetch_and_save_file`."""
        return self.fetch_and_save_file_or_dir(path, save_to_fn=save_to_fn, progress=progress, limit_rate=limit_rate)

    def fetch_and_save_file_or_dir(
        self,
        path: PathText,
        recursive: bool = False,
        *,
        save_to_fn: PathText | None = None,
        progress: Progress | None = None,
        limit_rate: str | float | None = None,
    ) -> int:
        """Download a file or a directory and return the bytes; see `ctadata.direct.fetch_and_save_file_or_dir`."""
        rules = Rules(rate=units.read_rate(limit_rate, "limit_rate"))
        with self.session() as session, collect_results(reporter_for(progress)) as collected:
            local = None if save_to_fn is None else one_path(save_to_fn)
            summary = session.get([one_path(path)], local, recursive=recursive, rules=rules, reporter=collected)
        raise_failures(summary, collected.sizes, one=not recursive)
        return sum(collected.sizes)

    def upload_file(
        self,
        local_fn: PathText,
        path: PathText,
        *,
        no_clobber: bool = False,
        normalize: str | None = None,
        progress: Progress | None = None,
        limit_rate: str | float | None = None,
    ) -> Upload:
        """Upload one file; see `ctadata.direct.upload_file`."""
        with self.session() as session, collect_results(reporter_for(progress)) as collected:
            from ctadata.transfer.unicode_nfc import check_form  # imported late: it loads the transfer engine

            rate = units.read_rate(limit_rate, "limit_rate")
            rules = Rules(no_clobber=no_clobber, normalize=check_form(normalize), rate=rate)
            summary = session.put([one_path(local_fn)], os.fspath(path), rules=rules, reporter=collected)
        raise_failures(summary, collected.uploads, one=True)
        return collected.uploads[0]

    def upload_dir(
        self,
        local_dir: PathText,
        path: PathText,
        *,
        no_clobber: bool = False,
        normalize: str | None = None,
        progress: Progress | None = None,
        limit_rate: str | float | None = None,
    ) -> list[Upload]:
        """Upload the contents of a local directory; see `ctadata.direct.upload_dir`."""
        contents = contents_path(local_dir)
        with self.session() as session, collect_results(reporter_for(progress)) as collected:
            from ctadata.transfer.unicode_nfc import check_form  # imported late: it loads the transfer engine

            rate = units.read_rate(limit_rate, "limit_rate")
            rules = Rules(no_clobber=no_clobber, normalize=check_form(normalize), rate=rate)
            summary = session.put([contents], os.fspath(path), recursive=True, rules=rules, reporter=collected)
        raise_failures(summary, collected.uploads, one=False)
        return collected.uploads

    def webdav4_client(self) -> WebDAV4Client:
        """Return a client of the library webdav4; see `ctadata.direct.webdav4_client`."""
        from ctadata.http.dav4 import webdav4_client
        from ctadata.paths import RemotePath

        profile = self._resolved().profile
        root = RemotePath.parse(profile.root).encoded.rstrip("/")
        composes = profile.kind == "dcache"
        return webdav4_client(profile.door + root, self._token_provider().bearer, ca=profile.ca, composes=composes)

    def start_agent_daemon(self) -> Status:
        """Log in if necessary, and start the agent that keeps the login fresh; see `ctadata.direct.login`."""
        from ctadata.direct.login import login

        return login(secret=self._secret, dev_instance=self.dev_instance)

    init_agent = start_agent_daemon

    def stop_agent(self) -> bool:
        """End the agent, and return whether one was running."""
        from ctadata.agent import control

        return control.stop(self._resolved().profile)

    request_stop_agent = stop_agent

    def print_token(self) -> None:
        """Print the token."""
        print(self.token)  # noqa: T201

    def _resolved(self) -> Resolved:
        from ctadata.config.resolve import resolve_profile

        resolved = resolve_profile(DEVELOPMENT_PROFILE if self.dev_instance else None)
        return dataclasses.replace(resolved, explicit=resolved.explicit and self._token is None)

    def _token_provider(self) -> TokenProvider:
        from ctadata.agent.renew_on_demand import make_token_provider

        return make_token_provider(self._resolved(), threading.Event(), env=self._env())

    def _env(self) -> dict[str, str]:
        return {**os.environ, **({} if self._token is None else {"BEARER_TOKEN": self._token})}

    def session(self) -> Session:
        """Open a session: the object that the commands work with. It is a context manager."""
        from ctadata.session import Session

        return Session.open(self._resolved(), stop=threading.Event(), env=self._env())
