"""Messages of the download service: its errors in clearer words, and its receipt for an upload."""

from __future__ import annotations

import json
import re

from ctadata.errors import CtadataError, Forbidden, IntegrityError, LoginNeeded, ServerTrouble, Untrusted
from ctadata.http.messages import Origin, Response, resolve_location
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable

KEYS = ("lst", "cta", "arc")
"""The names of the certificates: the service opens a path with that of the path's first name, or else with `arc`."""

WITHOUT_HUB = "cta-data-direct list, or in Python: from ctadata import direct"
"""What reaches the storage without the JupyterHub, as an example."""
_ASK = "ask the administrators of the platform whether this should be allowed"
_LOGIN_PAGES = ("/hub/api/oauth2/", "/hub/login", "/hub/oauth_login")
_NO_CERTIFICATE = re.compile("Error while retrieving certificate: *(.*)")


def certificate_of(path: RemotePath) -> str:
    """Return the name of the certificate that the service opens a path with."""
    return path.parts[0] if path.parts and path.parts[0] in KEYS else "arc"


def token_page(address: str) -> str:
    """Return the URL of the hub's page that creates tokens.

    The service's address is `<hub's prefix>/services/<name>`.
    """
    return f"{address.partition('/services/')[0]}/hub/token"


def refused_token(address: str) -> str:
    """Return the advice for a user whose token the service at this address refuses."""
    page = token_page(address)
    return f"the token of the JupyterHub is refused; {page} creates new ones; without the JupyterHub: {WITHOUT_HUB}"


def explain_error(error: CtadataError, path: RemotePath, address: str) -> CtadataError:
    """Return the error with a clearer message and a cure; the same error if there is nothing to add.

    Args:
        error: The error that the HTTP client raised.
        path: The path of the request.
        address: The address of the service.
    """
    if error.status == 400 and (match := _NO_CERTIFICATE.search(error.what)):
        key = certificate_of(path)
        is_user_token = "scopes are invalid" not in match[1]  # else the service's own token is refused
        return Forbidden(
            f"the service has no valid certificate of yours for {key}: {match[1]}",
            hint=f"cta-data upload-personal-certificate FILE {key}" if is_user_token else _ASK,
            path=error.path,
            status=400,
        )
    if isinstance(error, LoginNeeded):
        error.hint = refused_token(address)
    elif isinstance(error, Forbidden) and "scopes are insufficient" in error.what:
        page = token_page(address)
        error.hint = f"the token is not for this service; {page} creates others; without the JupyterHub: {WITHOUT_HUB}"
    elif isinstance(error, Forbidden):
        error.hint = _ASK
    return error


def redirect_error(response: Response, address: str) -> CtadataError:
    """Return the error that a redirect means; redirects are never followed.

    Args:
        response: The redirect.
        address: The address of the service.

    Returns:
        LoginNeeded for a redirect to the hub's login page, Untrusted for any other.
    """
    target = resolve_location(response.url, response.headers.get("Location") or "/")
    if any(page in target for page in _LOGIN_PAGES) and Origin.parse(target) == Origin.parse(response.url):
        return LoginNeeded(
            "not logged in: the service redirects to the login page",
            hint=refused_token(address),
            status=response.status,
        )
    words = f"the service redirects to {Origin.parse(target)}, which is not followed"
    return Untrusted(words, hint=f"is {address} the address of the service?", status=response.status)


def check_receipt(response: Response, path: RemotePath, size: int) -> None:
    """Check that the response to an upload confirms all bytes at the right path.

    Args:
        response: The response to the upload.
        path: The path of the file.
        size: Bytes that were sent.

    Raises:
        IntegrityError: The service received another number of bytes.
        ServerTrouble: The response is no receipt.
        CtadataError: The service stored the file under another path.
    """
    try:
        receipt = json.loads(response.body)
        stored, written = receipt["path"].strip("/"), receipt["total_written"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ServerTrouble(f"the service did not confirm the upload: {response.status}") from None
    if f"/{stored}" not in (str(path), path.encoded):  # the service names the path after one decoding
        raise CtadataError(
            f"the service stored the file at {escape_unprintable(str(stored))}, so your home there is another one",
            hint="set JUPYTERHUB_USER to the user whose token it is",
        )
    if written != size:
        raise IntegrityError(f"the service received {escape_unprintable(str(written))} bytes instead of {size}")
