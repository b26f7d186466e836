"""Create the store of a profile of kind s3."""

from __future__ import annotations

import logging
import threading

from ctadata.config.profile import Profile
from ctadata.config.request_limit import RequestLimit
from ctadata.http.client import Client
from ctadata.http.retries import Retries
from ctadata.http.timeouts import Limits
from ctadata.paths import RemotePath
from ctadata.stores.s3.address import Endpoint
from ctadata.stores.s3.connection import AccessKeys, Connection
from ctadata.stores.s3.errors import explain
from ctadata.stores.s3.multipart import PARALLEL_PARTS
from ctadata.stores.s3.store import S3Store
from ctadata.stores.s3.website import WebsiteStore

log = logging.getLogger(__name__)


def open_s3(
    profile: Profile,
    keys: AccessKeys,
    *,
    stop: threading.Event | None = None,
    limit: RequestLimit | None = None,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    retries: Retries = Retries(),  # noqa: B008
) -> S3Store | WebsiteStore:
    """Return the store of a profile, with connections of its own; no request is sent.

    Args:
        profile: A profile of kind s3.
        keys: The source of the access key.
        stop: Ends all requests when it is set.
        limit: The limit of requests to one server; None: the profile's number of jobs.
        limits: Timeouts of the requests.
        retries: How often, and after which waits, a request is repeated.

    Returns:
        A read-only WebsiteStore if the profile says `addressing = "website"`.

    Raises:
        ConfigError: The profile's endpoint is missing or no origin.
    """
    endpoint, limit = Endpoint.of(profile), limit or RequestLimit(profile.jobs, profile.jobs)
    if endpoint.origin.scheme == "http" and not endpoint.origin.is_loopback:
        log.warning("%s has no TLS: others can read the files on their way; your secret is not sent", endpoint.origin)
    client = Client(
        trusted=(),
        credentials=None,
        ca=profile.ca,
        follows=False,  # a signature is valid for one URL only
        explain=explain,
        jobs=max(limit.most, PARALLEL_PARTS // limit.tasks),
        pinned=limit.pinned,
        stop=stop,
        limits=limits,
        retries=retries,
    )
    limit.apply = client.limit_requests
    if profile.addressing == "website":
        return WebsiteStore(client, endpoint.origin, RemotePath.parse(profile.root))
    connection = Connection(client, endpoint, keys, stop, retries)
    return S3Store(connection, RemotePath.parse(profile.root), part_size=profile.part_size)
