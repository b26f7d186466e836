"""From a profile of the kind s3 to its store."""

from __future__ import annotations

import logging
import threading

from ctadata.config.profile import Profile
from ctadata.http.client import Client
from ctadata.http.retries import Retries
from ctadata.http.timeouts import Limits
from ctadata.paths import RemotePath
from ctadata.stores.s3.address import Endpoint
from ctadata.stores.s3.connection import AccessKeys, Connection
from ctadata.stores.s3.errors import explain
from ctadata.stores.s3.multipart import AT_ONCE
from ctadata.stores.s3.store import S3Store
from ctadata.stores.s3.website import WebsiteStore

log = logging.getLogger(__name__)


def open_s3(
    profile: Profile,
    keys: AccessKeys,
    *,
    stop: threading.Event | None = None,
    pinned: bool = False,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    retries: Retries = Retries(),  # noqa: B008
) -> S3Store | WebsiteStore:
    """The store of a profile, over connections of its own; no request is sent. ConfigError.

    pinned: the jobs of the profile are the user's own word.
    """
    endpoint = Endpoint.of(profile)
    if endpoint.origin.scheme == "http" and not endpoint.origin.is_loopback:
        log.warning("%s has no TLS: what is moved can be read on its way; your secret does not travel", endpoint.origin)
    client = Client(
        trusted=(),
        credentials=None,
        ca=profile.ca,
        follows=False,  # a signature is for one address
        explain=explain,
        jobs=max(profile.jobs, AT_ONCE),
        pinned=pinned,
        stop=stop,
        limits=limits,
        retries=retries,
    )
    if profile.addressing == "website":
        return WebsiteStore(client, endpoint.origin, RemotePath.parse(profile.root))
    connection = Connection(client, endpoint, keys, stop, retries)
    return S3Store(connection, RemotePath.parse(profile.root), part=profile.part_size)
