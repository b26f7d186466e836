"""Create the store that a profile describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError
from ctadata.http.client import Client
from ctadata.paths import RemotePath
from ctadata.stores.base import Features, Store
from ctadata.stores.dcache.dialect import dcache
from ctadata.stores.webdav.dialect import Dialect
from ctadata.stores.webdav.store import WebDAVStore
from ctadata.tokens.origins import origin_of

if TYPE_CHECKING:
    from ctadata.stores.dcache.frontend import Frontend


def open_store(profile: Profile, client: Client) -> Store:
    """Return the store of a profile. Closing the store closes the client.

    Raises:
        ConfigError: The profile's kind, door or root is not valid.
    """
    match profile.kind:
        case "dcache":
            dialect = dcache(atomic_put=profile.atomic_put)
        case "webdav":
            dialect = Dialect(Features(atomic_put=profile.atomic_put, can_move_trees=True, reads_change_nothing=True))
        case _:
            raise ConfigError(
                f"the profile {profile.name} has the kind {profile.kind!r}", hint='kind is "dcache" or "webdav"'
            )
    door = str(origin_of(profile.door, f"the door of the profile {profile.name}"))
    store = WebDAVStore(client, door, root=RemotePath.parse(profile.root), dialect=dialect)
    if profile.engine == "davix":
        from ctadata.stores.dcache.davix import DavixStore
        from ctadata.stores.dcache.door import Door

        dcache_door = Door(client, door, root=RemotePath.parse(profile.root))
        return DavixStore(store, client, dcache_door, profile.ca, http_pools=profile.http_pools)
    if profile.listing == "frontend":
        from ctadata.stores.dcache.frontend_listing import PagedStore

        return PagedStore(store, open_frontend(profile, client))
    return store


def open_frontend(profile: Profile, client: Client) -> Frontend:
    """Return the client of the site's REST interface.

    Raises:
        ConfigError: The profile names no frontend, or no valid one.
    """
    from ctadata.stores.dcache.frontend import Frontend

    if profile.frontend is None:
        raise ConfigError(
            f"the profile {profile.name} names no REST interface",
            hint='if the site has one, set frontend = "https://host:3880" in the profile',
        )
    base = str(origin_of(profile.frontend, f"the frontend of the profile {profile.name}"))
    return Frontend(client, base, root=RemotePath.parse(profile.root))
