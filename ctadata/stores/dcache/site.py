"""The interfaces that a site has beside its store: the REST frontend, the tape library, the door itself."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ctadata.config.profile import Profile
from ctadata.errors import Unsupported
from ctadata.http.client import Client
from ctadata.paths import RemotePath
from ctadata.stores.dcache.door import Door
from ctadata.stores.dcache.frontend import Frontend
from ctadata.stores.dcache.tape import TapeLibrary
from ctadata.stores.factory import open_frontend
from ctadata.tokens.origins import origin_of, trusted_origins

if TYPE_CHECKING:
    from ctadata.stores.webdav.probe import Probe


class Site:
    """What a profile leads to; each interface is opened when it is wanted."""

    def __init__(self, profile: Profile, client: Client | None) -> None:
        """No request is sent. client: None where the store is none that a client asks (S3, the download service)."""
        self._profile = profile
        self._client = client

    @cached_property
    def frontend(self) -> Frontend:
        """The REST interface; ConfigError where the profile names none, Unsupported where it cannot have one."""
        return open_frontend(self._profile, self._asked)

    @cached_property
    def tape(self) -> TapeLibrary:
        """Who brings files from tape; its methods raise Unsupported where the site announces nobody."""
        profile, client = self._profile, self._asked
        announced_at = [
            str(origin_of(url, "where tape is announced")) for url in (profile.frontend, profile.door) if url
        ]
        frontend = Frontend(client, announced_at[0], root=self._root)
        fallback = announced_at[0] if profile.frontend else None
        return TapeLibrary(frontend, announced_at, trusted_origins(profile), fallback)

    @cached_property
    def door(self) -> Door:
        """Who makes macaroons, and copies with other servers; ConfigError (door), Unsupported."""
        door = str(origin_of(self._profile.door, f"the door of the profile {self._profile.name}"))
        return Door(self._asked, door, root=self._root)

    @property
    def probe(self) -> Probe:
        """Who asks the door how it behaves."""
        from ctadata.stores.webdav.probe import Probe  # it brings ssl along

        return Probe(self._asked)

    @property
    def _asked(self) -> Client:
        if self._client is None:
            raise Unsupported(f"the profile {self._profile.name} leads to no WebDAV door, which alone can do that")
        return self._client

    @property
    def _root(self) -> RemotePath:
        return RemotePath.parse(self._profile.root)
