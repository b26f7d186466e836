"""The interfaces of a site besides its store: the REST frontend, the tape interface, the door itself."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ctadata.config.profile import Profile
from ctadata.errors import Unsupported
from ctadata.http.client import Client
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.factory import open_frontend
from ctadata.tokens.origins import origin_of, trusted_origins

if TYPE_CHECKING:
    from ctadata.stores.dcache.door import Door
    from ctadata.stores.dcache.frontend import Frontend
    from ctadata.stores.dcache.tape import TapeLibrary
    from ctadata.stores.recalls import Recalls
    from ctadata.stores.sharing import Shares
    from ctadata.stores.webdav.probe import Probe


class Site:
    """The interfaces of the site of a profile. Each is created when it is first used."""

    def __init__(self, profile: Profile, client: Client | None, recalls: Recalls | None = None) -> None:
        """Send no request yet.

        Args:
            profile: The profile of the site.
            client: The client of the store; None if the store has no such client (S3, the download service).
            recalls: What brings files to disk in place of a tape interface (S3); None: only a tape interface does.
        """
        self._profile = profile
        self._recalls = recalls
        self._client = client

    @cached_property
    def frontend(self) -> Frontend:
        """The REST interface. Raises ConfigError if the profile names none, Unsupported if the site cannot have one."""
        return open_frontend(self._profile, self._require_client)

    @property
    def tape(self) -> Recalls:
        """What brings files to disk: the tape interface, or the restores of S3.

        Its methods raise Unsupported if the site announces no tape interface.
        """
        return self.tape_interface if self._recalls is None else self._recalls

    @cached_property
    def tape_interface(self) -> TapeLibrary:
        """The tape interface of a dCache. Its methods raise Unsupported if the site announces none."""
        from ctadata.stores.dcache.frontend import Frontend
        from ctadata.stores.dcache.tape import TapeLibrary

        profile, client = self._profile, self._require_client
        announced_at = [
            str(origin_of(url, "where tape is announced")) for url in (profile.frontend, profile.door) if url
        ]
        frontend = Frontend(client, announced_at[0], root=self._root)
        fallback = announced_at[0] if profile.frontend else None
        return TapeLibrary(frontend, announced_at, trusted_origins(profile), fallback)

    @cached_property
    def door(self) -> Door:
        """The door, for macaroons and copies. Raises ConfigError for an invalid door, Unsupported without a door."""
        from ctadata.stores.dcache.door import Door

        door = str(origin_of(self._profile.door, f"the door of the profile {self._profile.name}"))
        return Door(self._require_client, door, root=self._root)

    def link_maker(self, store: Store) -> Shares:
        """Return what makes links to files: the store if it can (S3), else the door."""
        from ctadata.stores.sharing import Shares

        return store if isinstance(store, Shares) else self.door

    @property
    def probe(self) -> Probe:
        """The probe of the door, for `doctor`."""
        from ctadata.stores.webdav.probe import Probe  # it imports ssl

        return Probe(self._require_client)

    @property
    def _require_client(self) -> Client:
        if self._client is None:
            raise Unsupported(f"the profile {self._profile.name} leads to no WebDAV door, which alone can do that")
        return self._client

    @property
    def _root(self) -> RemotePath:
        return RemotePath.parse(self._profile.root)
