"""Find the user's home directory, from the profile's templates or else from dCache's REST interface."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING, Any

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, Forbidden, NotFound
from ctadata.paths import RemotePath
from ctadata.tokens.origins import trusted_origins
from ctadata.tokens.user_name import home_user

if TYPE_CHECKING:
    from ctadata.stores.base import Store
    from ctadata.tokens.access_keys import AccessKeys
    from ctadata.tokens.jupyterhub import HubToken
    from ctadata.tokens.provider_chain import TokenProvider


def find_home(
    profile: Profile,
    store: Store,
    tokens: TokenProvider | HubToken | AccessKeys,
    *,
    make: bool = True,
    stop: Event | None = None,
) -> RemotePath:
    """Return the path of the user's home directory.

    The first of the profile's `home` templates that exists is the home. If none exists, the home is the first template
    whose parent exists. If the profile has no template, the site's frontend says where the home is.

    Args:
        profile: Its keys `home`, `frontend` and `root` are read.
        store: Where the templates are looked up.
        tokens: Where the user's name comes from, and the token for the frontend.
        make: Make the directory if it does not exist.
        stop: Once it is set, a request to the frontend ends with Stopped.

    Raises:
        ConfigError: The profile has neither templates nor a frontend, or the frontend names no home below `root`.
        NotFound: No template exists, and none can be made.
    """

    def fetch_json(url: str) -> Any:
        from ctadata.http.rest import JsonClient  # importing it takes longer than a listing

        rest = JsonClient(trusted=trusted_origins(profile), ca=profile.ca, stop=stop)
        response = rest.get(url, token=tokens.bearer())
        response.raise_for_status()
        return response.json

    return _find_home(profile, store, lambda: home_user(profile, tokens.token), fetch_json, make=make)


def _find_home(
    profile: Profile, store: Store, user: Callable[[], str], fetch_json: Callable[[str], Any], *, make: bool = True
) -> RemotePath:
    """Find the home as `find_home` does; `user` returns the name for `{user}`, `fetch_json` fetches JSON from a URL."""
    if profile.home:
        return _from_templates(store, [RemotePath.parse(t.replace("{user}", user())) for t in profile.home], make=make)
    if profile.frontend:
        return _from_rest(profile, fetch_json)
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
    except Forbidden:  # to a token that may only create, dCache does not even say that the directory exists
        return True


def _from_rest(profile: Profile, fetch_json: Callable[[str], Any]) -> RemotePath:
    """Return the `homeDirectory` of `GET /api/v1/user` (dCache frontend); the door adds the user's root to it."""
    user = fetch_json(f"{profile.frontend}/api/v1/user")
    home = user.get("homeDirectory") if isinstance(user, dict) else None
    if not isinstance(home, str) or not home.strip("/"):
        raise ConfigError(
            f"{profile.frontend} names no home for you", hint='set home = ["..."] in the profile, or write /full/paths'
        )
    try:
        return RemotePath(RemotePath.parse(home).relative_to(RemotePath.parse(profile.root)))
    except ValueError:
        raise ConfigError(f"your home {home} lies outside the profile's root {profile.root}") from None
