"""APIClient: everything that the platform's services do, as methods, with the settings of one caller."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ctadata.errors import UsageError
from ctadata.http.messages import Origin
from ctadata.listed_paths import Listed, Listing
from ctadata.namespace.external_sort import name_key
from ctadata.progress.reporters import Progress, reporter_for
from ctadata.service.endpoints import PathText, ServiceEndpoints, refuse_development
from ctadata.transfer.results import Upload, collect_results, contents_path, raise_failures

if TYPE_CHECKING:
    from webdav4.client import Client as WebDAV4Client

    from ctadata.http.rest import Raw
    from ctadata.session import Session


_FILES = ("fetch", "webdav")  # endpoints whose answer may be a file


class _AtCall:
    """A value that is looked up whenever it is asked for; assigned to class or object, the assigned one counts."""

    def __init__(self, look: Callable[[ServiceEndpoints], str]) -> None:
        self._look = look

    def __get__(self, instance: object, owner: type | None = None) -> str:
        return self._look(ServiceEndpoints.now())


class APIClient:
    """The services for one caller; what is not given is read from the environment at each call.

    token, downloadservice, certificateservice: may also be assigned, to an object or to the class, for all.
    chunk_size: bytes that the service is to read at a time.
    """

    token: str = _AtCall(lambda place: place.token().text)  # type: ignore[assignment]
    downloadservice: str = _AtCall(lambda place: place.downloadservice)  # type: ignore[assignment]
    certificateservice: str = _AtCall(lambda place: place.certificateservice)  # type: ignore[assignment]
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
        """Nothing is asked. None: the class's value, else the environment's. UsageError for a `dev_instance`."""
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
        """Which services, and whose token, as of now."""
        return ServiceEndpoints.now(
            token=self._assigned("token"),
            downloadservice=self._assigned("downloadservice"),
            certificateservice=self._assigned("certificateservice"),
        )

    def _assigned(self, name: str) -> str | None:
        """What somebody has assigned; None where the environment is to be asked."""
        value = vars(self).get(name, vars(type(self)).get(name))
        return value if isinstance(value, str) else None

    def _session(self) -> Session:
        from ctadata.service.factory import open_session

        if self.chunk_size is not None and self.chunk_size < 1:
            raise UsageError(f"chunk_size is a number of bytes, not {self.chunk_size}")
        return open_session(self.place, chunk_size=self.chunk_size, stop=threading.Event())

    def list_dir(self, path: PathText = "/", recursive: bool = False, n_threads: int | None = None) -> Listing:
        """The directory itself, then what lies in it, sorted by name; of a file, the file.

        With `recursive` what lies in all below it as well, as it comes.
        """
        from ctadata.stores.download_service.store import DownloadService

        with self._session() as session:
            store = session.store
            assert isinstance(store, DownloadService)
            top, *rows = store.rows(session.resolve(os.fspath(path)))
            itself = Listed.from_entry(top.entry, top.told)
            below = [
                Listed.from_entry(row.entry, row.told) for row in sorted(rows, key=lambda row: name_key(row.entry))
            ]
            if recursive and below:
                below = [Listed.from_entry(entry) for entry in session.list(itself, recursive=True, threads=n_threads)]
        return Listing([itself, *below])

    def fetch_and_save_file(
        self, path: PathText, save_to_fn: PathText | None = None, *, progress: Progress | None = None
    ) -> int:
        """Download one file, verified; its bytes."""
        local = None if save_to_fn is None else os.fspath(save_to_fn)
        with self._session() as session, collect_results(reporter_for(progress)) as collected:
            summary = session.get([os.fspath(path)], local, reporter=collected)
        raise_failures(summary, collected.sizes, one=True)
        return sum(collected.sizes)

    def fetch_and_save_file_or_dir(
        self, path: PathText, recursive: bool = False, *, progress: Progress | None = None
    ) -> int:
        """Download a file, or with `recursive` a directory under its whole path here; the bytes of all files."""
        from ctadata.service.transfers import download_with_full_path

        if not recursive:
            return self.fetch_and_save_file(path, progress=progress)
        with self._session() as session, collect_results(reporter_for(progress)) as collected:
            summary = download_with_full_path(session, os.fspath(path), reporter=collected)
        raise_failures(summary, collected.sizes, one=False)
        return sum(collected.sizes)

    def upload_file(self, local_fn: PathText, path: PathText, *, progress: Progress | None = None) -> Upload:
        """Upload one file below the home; what is there is replaced."""
        from ctadata.service.transfers import REPLACING

        with self._session() as session, collect_results(reporter_for(progress)) as collected:
            summary = session.put([os.fspath(local_fn)], os.fspath(path), rules=REPLACING, reporter=collected)
        raise_failures(summary, collected.uploads, one=True)
        return collected.uploads[0]

    def upload_dir(self, local_dir: PathText, path: PathText, *, progress: Progress | None = None) -> list[Upload]:
        """Upload the contents of a directory below the home; what is there is replaced."""
        from ctadata.service.transfers import REPLACING

        contents = contents_path(local_dir)
        with self._session() as session, collect_results(reporter_for(progress)) as collected:
            summary = session.put([contents], os.fspath(path), recursive=True, rules=REPLACING, reporter=collected)
        raise_failures(summary, collected.uploads, one=False)
        return collected.uploads

    def upload_personal_certificate(
        self, certificate_file_path: PathText, certificate_key: str, user: str | None = None
    ) -> dict[str, str]:
        """Have the certificate service keep a certificate of ours."""
        from ctadata.service.certificates import send_personal_certificate

        return send_personal_certificate(self.place, Path(certificate_file_path), certificate_key, user)

    def upload_shared_certificate(self, certificate_file_path: PathText) -> dict[str, Any]:
        """Have the certificate service use a certificate for all."""
        from ctadata.service.certificates import send_shared_certificate

        return send_shared_certificate(self.place, Path(certificate_file_path))

    def certificate_status(self) -> dict[str, Any]:
        """What is known of the certificates."""
        from ctadata.service.certificates import status

        return status(self.place)

    def webdav4_client(self) -> WebDAV4Client:
        """A client of the library webdav4 at the service's `/webdav`."""
        from ctadata.service.webdav import webdav4_client

        return webdav4_client(self.place)

    def construct_endpoint_url(self, service: str, endpoint: str, path: str = "") -> str:
        """The address of a path at one of a service's endpoints."""
        parts = [service.rstrip("/"), endpoint.strip("/"), quote(quote(path.strip("/")))]
        return "/".join(part for part in parts if part)

    def get_endpoint(self, endpoint: str, path: str, stream: bool = False, chunk_size: int | None = None) -> Raw:
        """What the download service answers at an endpoint, as 0.6 gave it; nothing of it is checked.

        stream: the body is left to the caller.   Raises LoginNeeded, Untrusted, TemporaryError, TimedOut.
        """
        from ctadata.http.rest import JsonClient

        place = self.place
        url = self.construct_endpoint_url(place.downloadservice, endpoint, path)
        url += f"?chunk_size={chunk_size}" if chunk_size else ""
        rest = JsonClient(trusted={Origin.parse(place.downloadservice)})
        large = endpoint.strip("/").partition("/")[0] in _FILES
        return rest.get_raw(url, place.token().text, stream=stream, large=large)
