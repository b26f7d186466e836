"""Open the store and the session of the download service."""

from __future__ import annotations

import threading

from ctadata.config.profile import Profile
from ctadata.http.client import Client
from ctadata.http.messages import Origin
from ctadata.service.endpoints import ServiceEndpoints
from ctadata.session import Session
from ctadata.stores.download_service.store import DownloadService

NAME = "platform"
"""The name of the service in receipts, which name a profile otherwise."""

JOBS = 4
"""The number of files moved at a time: the service has ten threads for all its users."""


def open_store(
    endpoints: ServiceEndpoints, *, chunk_size: int | None = None, stop: threading.Event | None = None
) -> DownloadService:
    """Return the store for the files at the download service.

    Args:
        endpoints: The services' addresses and the token.
        chunk_size: How many bytes the service reads at a time. None leaves it to the service.
        stop: When set, waiting requests end within a second with `Stopped`.

    Raises:
        LoginNeeded: There is no token.
    """
    trusted = {Origin.parse(endpoints.downloadservice)}
    client = Client(trusted=trusted, credentials=endpoints.token(), stop=stop)
    return DownloadService(client, endpoints.downloadservice, user=endpoints.user, chunk_size=chunk_size)


def open_session(
    endpoints: ServiceEndpoints, *, chunk_size: int | None = None, jobs: int = JOBS, stop: threading.Event | None = None
) -> Session:
    """Return a session at the download service. No request is sent yet.

    Args:
        endpoints: The services' addresses and the token.
        chunk_size: How many bytes the service reads at a time. None leaves it to the service.
        jobs: How many files are moved at a time.
        stop: When set, waiting requests end within a second with `Stopped`.

    Raises:
        LoginNeeded: There is no token.
    """
    stop = stop or threading.Event()
    store = open_store(endpoints, chunk_size=chunk_size, stop=stop)
    profile = Profile(NAME, str(Origin.parse(endpoints.downloadservice)), jobs=jobs)
    return Session(profile, store, endpoints.token(), stop, lambda: store.home)
