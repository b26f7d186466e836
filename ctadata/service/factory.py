"""From a place to its store and session."""

from __future__ import annotations

import threading

from ctadata.config.profile import Profile
from ctadata.http.client import Client
from ctadata.http.messages import Origin
from ctadata.service.endpoints import ServiceEndpoints
from ctadata.session import Session
from ctadata.stores.download_service.store import DownloadService

NAME = "platform"
"""How the service is called where a profile's name stands: in receipts."""

JOBS = 4
"""Files moved at a time: the service has ten threads for all its users."""


def open_store(
    endpoints: ServiceEndpoints, *, chunk_size: int | None = None, stop: threading.Event | None = None
) -> DownloadService:
    """The files at the download service; LoginNeeded."""
    trusted = {Origin.parse(endpoints.downloadservice)}
    client = Client(trusted=trusted, credentials=endpoints.token(), stop=stop)
    return DownloadService(client, endpoints.downloadservice, user=endpoints.user, chunk_size=chunk_size)


def open_session(
    endpoints: ServiceEndpoints, *, chunk_size: int | None = None, jobs: int = JOBS, stop: threading.Event | None = None
) -> Session:
    """A session over it; no request is sent. LoginNeeded."""
    stop = stop or threading.Event()
    store = open_store(endpoints, chunk_size=chunk_size, stop=stop)
    profile = Profile(NAME, str(Origin.parse(endpoints.downloadservice)), jobs=jobs)
    return Session(profile, store, endpoints.token(), stop, lambda: store.home)
