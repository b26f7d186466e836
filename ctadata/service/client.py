"""APIClient: everything that the platform's services do, as methods, with the settings of one caller."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ctadata.errors import UsageError
from ctadata.http.messages import Origin
from ctadata.listed_paths import Listed, Listing
from ctadata.namespace.external_sort import name_key
from ctadata.progress import units
from ctadata.progress.reporters import Progress, reporter_for
from ctadata.service.endpoints import PathText, ServiceEndpoints, refuse_development
from ctadata.transfer.plan import Rules
from ctadata.transfer.results import Upload, collect_results, contents_path, raise_failures

if TYPE_CHECKING:
    from webdav4.client import Client as WebDAV4Client

    from ctadata.http.rest import Raw
    from ctadata.session import Session


_FILES = ("fetch", "webdav")  # endpoints whose answer may be a file


class _ReadFromEnvironment:
    """A value that is read from the environment at each access.

    A value assigned to the class or the object replaces it.
    """

    def __init__(self, look: Callable[[ServiceEndpoints], str]) -> None:
        self._look = look

    def __get__(self, instance: object, owner: type | None = None) -> str:
        return self._look(ServiceEndpoints.now())


class APIClient:
    """The platform's services for one caller. Settings that you do not pass are read from the environment at each call.

    You can also assign `token`, `downloadservice` and `certificateservice` to an object, or to the class for all
    objects.

    Args:
        token: The token to send. None takes JUPYTERHUB_API_TOKEN.
        downloadservice: The address of the download service. None takes CTADS_URL, or the platform's own address.
        certificateservice: The address of the certificate service. None takes CTACS_URL, or the platform's own address.
        chunk_size: How many bytes the service reads at a time. None leaves it to the service.
        dev_instance: Must be false: the download service has no development instance.

    Raises:
        UsageError: `dev_instance` is true.

    Examples:
        >>> client = ctadata.APIClient()
        >>> client.list_dir("lst/DL1")
    """

    token: str = _ReadFromEnvironment(lambda place: place.token().text)  # type: ignore[assignment]
    downloadservice: str = _ReadFromEnvironment(lambda place: place.downloadservice)  # type: ignore[assignment]
    certificateservice: str = _ReadFromEnvironment(lambda place: place.certificateservice)  # type: ignore[assignment]
    chunk_size: int | None = None
    __class_args__ = ("token", "downloadservice", "certificateservice", "chunk_size")

    def __init__(
        self,
        *,
        token: str | None = None,
        downloadservice: str | None = None,
        certificateservice: str | None = None,
        chunk_size: int | None = None,
        dev_instance: bool = False,
    ) -> None:
        """Store the settings. No request is sent."""
        refuse_development(dev_instance)
        given = {
            "token": token,
            "downloadservice": downloadservice,
            "certificateservice": certificateservice,
            "chunk_size": chunk_size,
        }
        for name, value in given.items():
            if value is not None:
                setattr(self, name, value)

    @property
    def place(self) -> ServiceEndpoints:
        """The services' addresses and the token, as they are now."""
        return ServiceEndpoints.now(
            token=self._assigned("token"),
            downloadservice=self._assigned("downloadservice"),
            certificateservice=self._assigned("certificateservice"),
        )

    def _assigned(self, name: str) -> str | None:
        """Return the value that was assigned to the object or the class; None if the environment decides."""
        value = vars(self).get(name, vars(type(self)).get(name))
        return value if isinstance(value, str) else None

    def _session(self) -> Session:
        from ctadata.service.factory import open_session

        if self.chunk_size is not None and self.chunk_size < 1:
            raise UsageError(f"chunk_size must be at least 1 (bytes), not {self.chunk_size}")
        return open_session(self.place, chunk_size=self.chunk_size, stop=threading.Event())

    def list_dir(self, path: PathText = "/", recursive: bool = False, n_threads: int | None = None) -> Listing:
        """List the paths in a directory, which comes first itself; see `ctadata.list_dir`."""
        from ctadata.stores.download_service.store import DownloadService

        with self._session() as session:
            store = session.store
            assert isinstance(store, DownloadService)
            top, *rows = store.rows(session.resolve(os.fspath(path)))
            itself = Listed.of(top.entry, top.fields)
            below = [Listed.of(row.entry, row.fields) for row in sorted(rows, key=lambda row: name_key(row.entry))]
            if recursive and below:
                below = [Listed.of(entry) for entry in session.list(itself, recursive=True, threads=n_threads)]
        return Listing([itself, *below])

    def fetch_and_save_file(
        self,
        path: PathText,
        save_to_fn: PathText | None = None,
        *,
        progress: Progress | None = None,
        limit_rate: str | float | None = None,
    ) -> int:
        """Download one file and return its size in bytes; see `ctadata.fetch_and_save_file`."""
        local = None if save_to_fn is None else os.fspath(save_to_fn)
        with self._session() as session, collect_results(reporter_for(progress)) as collected:
            rules = Rules(rate=units.read_rate(limit_rate, "limit_rate"))
            summary = session.get([os.fspath(path)], local, rules=rules, reporter=collected)
        raise_failures(summary, collected.sizes, one=True)
        return sum(collected.sizes)

    def fetch_and_save_file_or_dir(
        self,
        path: PathText,
        recursive: bool = False,
        *,
        progress: Progress | None = None,
        limit_rate: str | float | None = None,
    ) -> int:
        """Download a file or a directory and return the bytes; see `ctadata.fetch_and_save_file_or_dir`."""
        from ctadata.service.transfers import download_with_full_path

        if not recursive:
            return self.fetch_and_save_file(path, progress=progress, limit_rate=limit_rate)
        with self._session() as session, collect_results(reporter_for(progress)) as collected:
            rules = Rules(rate=units.read_rate(limit_rate, "limit_rate"))
            summary = download_with_full_path(session, os.fspath(path), rules=rules, reporter=collected)
        raise_failures(summary, collected.sizes, one=False)
        return sum(collected.sizes)

    def upload_file(
        self,
        local_fn: PathText,
        path: PathText,
        *,
        progress: Progress | None = None,
        limit_rate: str | float | None = None,
    ) -> Upload:
        """Upload one file below your home; see `ctadata.upload_file`."""
        from ctadata.service.transfers import REPLACING

        rules = replace(REPLACING, rate=units.read_rate(limit_rate, "limit_rate"))
        with self._session() as session, collect_results(reporter_for(progress)) as collected:
            summary = session.put([os.fspath(local_fn)], os.fspath(path), rules=rules, reporter=collected)
        raise_failures(summary, collected.uploads, one=True)
        return collected.uploads[0]

    def upload_dir(
        self,
        local_dir: PathText,
        path: PathText,
        *,
        progress: Progress | None = None,
        limit_rate: str | float | None = None,
    ) -> list[Upload]:
        """Upload the contents of a directory below your home; see `ctadata.upload_dir`."""
        from ctadata.service.transfers import REPLACING

        rules = replace(REPLACING, rate=units.read_rate(limit_rate, "limit_rate"))
        contents = contents_path(local_dir)
        with self._session() as session, collect_results(reporter_for(progress)) as collected:
            summary = session.put([contents], os.fspath(path), recursive=True, rules=rules, reporter=collected)
        raise_failures(summary, collected.uploads, one=False)
        return collected.uploads

    def upload_personal_certificate(
        self, certificate_file_path: PathText, certificate_key: str, user: str | None = None
    ) -> dict[str, str]:
        """Send your certificate to the service; see `ctadata.upload_personal_certificate`."""
        from ctadata.service.certificates import send_personal_certificate

        return send_personal_certificate(self.place, Path(certificate_file_path), certificate_key, user)

    def upload_shared_certificate(self, certificate_file_path: PathText) -> dict[str, Any]:
        """Send the certificate that the service uses for all; see `ctadata.upload_shared_certificate`."""
        from ctadata.service.certificates import send_shared_certificate

        return send_shared_certificate(self.place, Path(certificate_file_path))

    def certificate_status(self) -> dict[str, Any]:
        """Return what the service says about its certificates; see `ctadata.certificate_status`."""
        from ctadata.service.certificates import status

        return status(self.place)

    def webdav4_client(self) -> WebDAV4Client:
        """Return a client of the library webdav4 for the service; see `ctadata.webdav4_client`."""
        from ctadata.service.webdav import webdav4_client

        return webdav4_client(self.place)

    def construct_endpoint_url(self, service: str, endpoint: str, path: str = "") -> str:
        """Return the address of a path at an endpoint of a service.

        Args:
            service: The address of the service.
            endpoint: The name of the endpoint, for example `fetch` or `list`.
            path: The path on the storage. It is percent-encoded twice, as the service expects.
        """
        parts = [service.rstrip("/"), endpoint.strip("/"), quote(quote(path.strip("/"), errors="surrogateescape"))]
        return "/".join(part for part in parts if part)

    def get_endpoint(self, endpoint: str, path: str, stream: bool = False, chunk_size: int | None = None) -> Raw:
        """Send a GET request to an endpoint of the download service, and return the answer unchecked.

        Args:
            endpoint: The name of the endpoint, for example `fetch` or `list`.
            path: The path on the storage.
            stream: Leave the body for the caller to read.
            chunk_size: How many bytes the service reads at a time. None leaves it to the service.

        Raises:
            LoginNeeded: There is no token.
            Untrusted: The address is not a trusted one.
            TemporaryError: The service cannot be reached.
            TimedOut: The service does not answer in time.
        """
        from ctadata.http.rest import JsonClient

        place = self.place
        url = self.construct_endpoint_url(place.downloadservice, endpoint, path)
        url += f"?chunk_size={chunk_size}" if chunk_size else ""
        rest = JsonClient(trusted={Origin.parse(place.downloadservice)})
        large = endpoint.strip("/").partition("/")[0] in _FILES
        return rest.get_raw(url, place.token().text, stream=stream, large=large)


def make_client(
    token: str | None,
    downloadservice: str | None,
    certificateservice: str | None,
    chunk_size: int | None,
    dev_instance: bool,
) -> APIClient:
    """Return a client with these settings, which are those of `APIClient`."""
    return APIClient(
        token=token,
        downloadservice=downloadservice,
        certificateservice=certificateservice,
        chunk_size=chunk_size,
        dev_instance=dev_instance,
    )
