"""What the download service says, understood: its refusals in clearer words, and its receipt for an upload."""

from __future__ import annotations

import json
import re

from ctadata.errors import CtadataError, Forbidden, IntegrityError, LoginNeeded, ServerTrouble, Untrusted
from ctadata.http.messages import Origin, Response, resolve_location
from ctadata.paths import RemotePath, escape_unprintable

KEYS = ("lst", "cta", "arc")
"""The names of certificates; the service opens a path with the one of its first name, all others with `arc`."""

_ASK = "whoever runs the platform can say whether it should be allowed"
_LOGIN_PAGES = ("/hub/api/oauth2/", "/hub/login", "/hub/oauth_login")
_NO_CERTIFICATE = re.compile("Error while retrieving certificate: *(.*)")


def key_of(path: RemotePath) -> str:
    """Which certificate the service opens a path with."""
    return path.parts[0] if path.parts and path.parts[0] in KEYS else "arc"


def token_page(address: str) -> str:
    """Where the hub of a service gives out tokens: the service's prefix is `<hub's prefix>/services/<name>`."""
    return f"{address.partition('/services/')[0]}/hub/token"


def clearer(error: CtadataError, path: RemotePath, address: str) -> CtadataError:
    """The error with what the service means by it, and what to do; the same one where there is nothing to add."""
    if error.status == 400 and (found := _NO_CERTIFICATE.search(error.what)):
        key = key_of(path)
        mine = "scopes are invalid" not in found[1]  # which would be the service's own token
        return Forbidden(
            f"the service has no good certificate of yours for {key}: {found[1]}",
            hint=f"cta-data upload-personal-certificate FILE {key}" if mine else _ASK,
            path=error.path,
            status=400,
        )
    if isinstance(error, LoginNeeded):
        error.hint = f"the token of JUPYTERHUB_API_TOKEN is no good there; {token_page(address)} gives new ones"
    elif isinstance(error, Forbidden) and "scopes are insufficient" in error.what:
        error.hint = f"the token is not for this service; {token_page(address)} gives others"
    elif isinstance(error, Forbidden):
        error.hint = _ASK
    return error


def not_logged_in(response: Response, address: str) -> CtadataError:
    """What a redirect means, which is never followed: to the hub's login page, else nothing good."""
    target = resolve_location(response.url, response.headers.get("Location") or "/")
    if any(page in target for page in _LOGIN_PAGES) and Origin.parse(target) == Origin.parse(response.url):
        return LoginNeeded(
            "not logged in: the service redirects to the login page",
            hint=f"the token of JUPYTERHUB_API_TOKEN is no good there; {token_page(address)} gives new ones",
            status=response.status,
        )
    words = f"the service redirects to {Origin.parse(target)}, and is not followed"
    return Untrusted(words, hint=f"is {address} the address of the service?", status=response.status)


def check_receipt(response: Response, path: RemotePath, size: int) -> None:
    """Whether the answer to an upload says that all of it is stored, and there; IntegrityError, ServerTrouble."""
    try:
        said = json.loads(response.body)
        stored, written = said["path"].strip("/"), said["total_written"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ServerTrouble(f"the service did not say that it has the file: {response.status}") from None
    if f"/{stored}" not in (str(path), path.encoded):  # it tells the path as it has understood it, decoded once
        raise CtadataError(
            f"the service has put it to {escape_unprintable(str(stored))}: your home there is another one",
            hint="set JUPYTERHUB_USER to the user whose token it is",
        )
    if written != size:
        raise IntegrityError(f"the service received {escape_unprintable(str(written))} bytes instead of {size}")
