"""Send certificates to the certificate service, and ask what it knows about them.

The files hold a private key. They are sent only over https, never along a redirect, and never logged.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ctadata.errors import CtadataError, Forbidden, LoginNeeded, NotFound, ServerTrouble, Untrusted, UsageError
from ctadata.http.messages import Origin
from ctadata.http.redaction import sanitize
from ctadata.http.rest import JsonClient, JsonResponse
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.service.endpoints import ServiceEndpoints
from ctadata.service.factory import open_store
from ctadata.service.pem import read_pem
from ctadata.stores.download_service.messages import KEYS, token_page

DEFAULT_KEY = "cta"


def allowed_keys() -> tuple[str, ...]:
    """Return the names that a certificate may be stored under: CTACS_ALLOWED_CERT_KEYS, or else all known ones."""
    named = [key.strip() for key in os.environ.get("CTACS_ALLOWED_CERT_KEYS", "").split(",")]
    return tuple(key for key in named if key) or ("cta", "lst", "arc")


def default_key() -> str:
    """Return the first name in CTACS_ALLOWED_CERT_KEYS, or else `cta`."""
    return allowed_keys()[0] if os.environ.get("CTACS_ALLOWED_CERT_KEYS") else DEFAULT_KEY


def send_personal_certificate(
    endpoints: ServiceEndpoints, file: Path, key: str, user: str | None = None
) -> dict[str, str]:
    """Send a user's certificate, which the service stores under a key.

    Args:
        endpoints: The services' addresses and the token.
        file: A PEM file with the certificate and its private key.
        key: The name to store it under, one of `allowed_keys`.
        user: The owner, if an admin sends it for another user.

    Returns:
        The service's `message`, the `validity` and the `certificate_key`.

    Raises:
        OSError: The file cannot be read.
        UsageError: The key is not allowed, or the service could not use the certificate.
        LoginNeeded: There is no token, or the service does not accept it.
        Forbidden: The service refused the certificate.
    """
    if key not in allowed_keys():
        raise UsageError(
            f"{escape_unprintable(key)!r} is not the name of a certificate key",
            hint=f"one of {', '.join(allowed_keys())}",
        )
    payload = {"certificate": read_pem(file).text, "certificate_key": key, "user": user}
    said = _post(endpoints, "certificate", payload, hint=f"does the service know the key {key!r}?")
    validity = said.get("validity")
    if not isinstance(validity, str):  # a refusal comes as a list, with the status of a success
        words = validity[0] if isinstance(validity, list) and validity else "it does not say why"
        raise Forbidden(f"the service refused the certificate: {sanitize(str(words))}", path=str(file))
    return {"message": str(said.get("message", "")), "validity": validity, "certificate_key": key}


def send_shared_certificate(endpoints: ServiceEndpoints, file: Path) -> dict[str, Any]:
    """Send the certificate that the service uses for all users who have none. Only admins of the hub may do this.

    Args:
        endpoints: The services' addresses and the token.
        file: A PEM file with the certificate and its private key.

    Returns:
        The service's `message`, and `certificateUploaded`.

    Raises:
        CtadataError: Any error that `send_personal_certificate` raises.
    """
    payload = {"certificate": read_pem(file).text}
    said = _post(endpoints, "main-certificate", payload, hint="")
    if said.get("certificateUploaded") is not True:
        raise Forbidden("the service did not confirm the certificate", path=str(file))
    return {"message": str(said.get("message", "")), "certificateUploaded": True}


def status(endpoints: ServiceEndpoints) -> dict[str, Any]:
    """Return what the service says about its certificates.

    Args:
        endpoints: The services' addresses and the token.

    Returns:
        `service` and `shared` in the service's own words, and `keys`: for each key, whether the storage opens with it.
    """
    words = {name: _words_of(endpoints, path) for name, path in _HEALTH.items()}
    return {**words, "keys": {key: _key_status(endpoints, key) for key in KEYS}}


_HEALTH = {"service": "health", "shared": "shared-certificate-status"}
GOOD = "good: the storage opens with it"


def _words_of(endpoints: ServiceEndpoints, path: str) -> str:
    try:
        answer = JsonClient().get(f"{endpoints.certificateservice}/{path}")
    except CtadataError as error:
        return str(error)
    text = answer.text.strip()
    return sanitize(text.splitlines()[0]) if text and "<" not in text else f"{answer.status} {answer.reason}"


def _key_status(endpoints: ServiceEndpoints, key: str) -> str:
    """Return whether the download service can open this key's part of the storage; `arc` opens all other parts."""
    store = open_store(endpoints)
    try:
        store.info(RemotePath(() if key == "arc" else (key,)))
    except (LoginNeeded, Untrusted):
        raise
    except NotFound:
        return GOOD
    except CtadataError as error:
        return error.what
    finally:
        store.close()
    return GOOD


def _post(endpoints: ServiceEndpoints, name: str, payload: dict[str, Any], *, hint: str) -> dict[str, Any]:
    service = endpoints.certificateservice
    rest = JsonClient(trusted={Origin.parse(service)})
    answer = rest.post_json(f"{service}/{name}", payload, token=endpoints.token(service).text)
    _check(answer, service, hint)
    if not isinstance(answer.json, dict):
        raise ServerTrouble(f"the certificate service's answer is not understood: {answer.status} {answer.reason}")
    return answer.json


def _check(answer: JsonResponse, service: str, hint: str) -> None:
    """Raise the error of an unsuccessful answer. A redirect is one: the certificate is not sent anywhere else."""
    if 300 <= answer.status < 400:
        raise LoginNeeded(
            f"not logged in: {Origin.parse(service)} redirects, and the certificate is not sent along",
            hint=f"the token of JUPYTERHUB_API_TOKEN is not valid there; get a new one at {token_page(service)}",
            status=answer.status,
        )
    if answer.status == 401 and "access denied" in answer.text:
        raise Forbidden("only admins of the hub may change the shared certificate", status=401)
    try:
        answer.raise_for_status()
    except CtadataError as error:
        if answer.status == 400:
            raise Forbidden(
                f"the service refused the certificate: {sanitize(answer.text.strip()[:300])}", status=400
            ) from None
        error.hint = hint or error.hint
        raise
