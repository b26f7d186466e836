"""Which collection is the user's own: from the profile's templates, else from dCache's REST interface."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, Forbidden, NotFound
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.tokens.access_keys import AccessKeys
from ctadata.tokens.jupyterhub import HubToken
from ctadata.tokens.origins import trusted_origins
from ctadata.tokens.provider_chain import TokenProvider
from ctadata.tokens.user_name import home_user


def find_home(
    profile: Profile,
    store: Store,
    tokens: TokenProvider | HubToken | AccessKeys,
    *,
    make: bool = True,
    stop: Event | None = None,
) -> RemotePath:
    """The home collection of whoever the token is; errors as `find_home`.   stop: once set, nobody waits (Stopped)."""

    def ask(url: str) -> Any:
        from ctadata.http.rest import JsonClient  # it takes longer to import than a listing takes

        rest = JsonClient(trusted=trusted_origins(profile), ca=profile.ca, stop=stop)
        answer = rest.get(url, token=tokens.bearer())
        answer.raise_for_status()
        return answer.json

    return _find_home(profile, store, lambda: home_user(profile, tokens.token), ask, make=make)


def _find_home(
    profile: Profile, store: Store, user: Callable[[], str], ask: Callable[[str], Any], *, make: bool = True
) -> RemotePath:
    """The home collection, from the root of the store.

    user: gives what stands for `{user}`.  ask: fetches JSON from a URL of the profile's `frontend`.
    The first template that exists counts; else the first whose parent exists is made, with `make`. ConfigError where
    the profile has neither templates nor a frontend, or none of them leads anywhere.
    """
    if profile.home:
        return _from_templates(store, [RemotePath.parse(t.replace("{user}", user())) for t in profile.home], make=make)
    if profile.frontend:
        return _from_rest(profile, ask)
    raise ConfigError(
        f"the profile {profile.name} does not say where your home is",
        hint='write the path from the root, with / in front, or set home = ["..."] in the profile',
    )


def _from_templates(store: Store, homes: list[RemotePath], *, make: bool) -> RemotePath:
    for home in homes:
        if _exists(store, home):
            return home
    for home in homes:
        if _exists(store, home.parent):
            if make:
                store.mkdir(home)
            return home
    tried = ", ".join(str(home) for home in homes)
    raise NotFound(f"no home directory: none of {tried} exists or can be made", hint="ask the site for one")


def _exists(store: Store, path: RemotePath) -> bool:
    try:
        return store.info(path).is_directory
    except NotFound:
        return False
    except Forbidden:  # dCache tells a token that may only create of no collection, not even that it is there
        return True


def _from_rest(profile: Profile, ask: Callable[[str], Any]) -> RemotePath:
    """`GET /api/v1/user` (dCache frontend): `homeDirectory` is told below the user's root, which the door applies."""
    told = ask(f"{profile.frontend}/api/v1/user")
    home = told.get("homeDirectory") if isinstance(told, dict) else None
    if not isinstance(home, str) or not home.strip("/"):
        raise ConfigError(
            f"{profile.frontend} names no home for you", hint='set home = ["..."] in the profile, or write /full/paths'
        )
    try:
        return RemotePath(RemotePath.parse(home).relative_to(RemotePath.parse(profile.root)))
    except ValueError:
        raise ConfigError(f"your home {home} lies outside the profile's root {profile.root}") from None
