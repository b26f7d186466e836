"""The addresses of the two services, and the token for them.

Each call decides anew: from its arguments, or else from the environment at that moment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ctadata.config.checks import parse_address
from ctadata.errors import AccessError, ConfigError, CtadataError, LoginNeeded, UsageError
from ctadata.http.messages import Origin
from ctadata.stores.download_service.messages import WITHOUT_HUB, refused_token, token_page
from ctadata.tokens.jupyterhub import HubToken

PathText = str | os.PathLike[str]

DOWNLOADS = "https://platform.cta.cscs.ch/services/downloadservice"
CERTIFICATES = "https://platform.cta.cscs.ch/services/certificateservice"


@dataclass(frozen=True, slots=True, repr=False)
class ServiceEndpoints:
    """The addresses of the download service and the certificate service, and the token for them.

    Attributes:
        downloadservice: The address, `https://host/services/<name>`.
        certificateservice: The address, in the same form.
        given: The token that the caller passed. None takes the one in the environment.
        env: The environment.
    """

    downloadservice: str
    certificateservice: str
    given: str | None = None
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @classmethod
    def now(
        cls,
        *,
        token: str | None = None,
        downloadservice: str | None = None,
        certificateservice: str | None = None,
        env: Mapping[str, str] = os.environ,
    ) -> ServiceEndpoints:
        """Return the endpoints as the arguments and the environment name them now.

        Args:
            token: The token to send. None takes JUPYTERHUB_API_TOKEN later.
            downloadservice: None takes CTADS_URL, or the platform's own address.
            certificateservice: None takes CTACS_URL, or the platform's own address.
            env: The environment.

        Raises:
            ConfigError: An address is neither https nor on this machine.
        """
        downloads = downloadservice or env.get("CTADS_URL") or DOWNLOADS
        certificates = certificateservice or env.get("CTACS_URL") or CERTIFICATES
        return cls(_checked(downloads, "CTADS_URL"), _checked(certificates, "CTACS_URL"), token or None, env)

    def token(self, service: str | None = None) -> HubToken:
        """Return the token for one of the services.

        The token of a session at another hub is not sent to the platform's services unless the user has named these
        services.

        Args:
            service: The address of the service. None is the download service.

        Raises:
            LoginNeeded: There is no token, or it belongs to another hub.
        """
        service = service or self.downloadservice
        if self.given:
            return HubToken(self.given.strip(), "the call")
        text = self.env.get("JUPYTERHUB_API_TOKEN", "").strip()
        if not text:
            raise LoginNeeded("there is no token: JUPYTERHUB_API_TOKEN is not set", hint=_advise_without_token(service))
        home = self.env.get("JUPYTERHUB_PUBLIC_HUB_URL") or self.env.get("JUPYTERHUB_HOST")
        if service in (DOWNLOADS, CERTIFICATES) and home and Origin.parse(home) != Origin.parse(service):
            raise LoginNeeded(
                f"the token of {Origin.parse(home)}, the hub of this session, is not sent to {Origin.parse(service)}",
                hint=f"name that hub's services in CTADS_URL and CTACS_URL; without a hub: {WITHOUT_HUB}",
            )
        return HubToken(text, "JUPYTERHUB_API_TOKEN in the environment")

    def user(self) -> str:
        """Return the name of the token's owner: JUPYTERHUB_USER, or else what the hub answers.

        Raises:
            LoginNeeded: There is no token.
            ConfigError: The hub does not say whose token it is.
        """
        if self.env.get("JUPYTERHUB_USER"):
            return self.env["JUPYTERHUB_USER"]
        from ctadata.http.rest import JsonClient

        url = token_page(self.downloadservice).removesuffix("token") + "api/user"
        token = self.token()
        try:
            answer = JsonClient(trusted={Origin.parse(url)}).get(url, token=token.text)
            answer.raise_for_status()
            name = answer.json.get("name") if isinstance(answer.json, dict) else None
        except CtadataError as error:
            hint = _SAY_USER
            if isinstance(error, AccessError):
                hint = f"{refused_token(self.downloadservice)}; for a token that names no user, {_SAY_USER}"
            raise ConfigError(f"the hub does not name the owner of the token: {error.what}", hint=hint) from error
        if not isinstance(name, str) or not name:
            raise ConfigError("the hub does not name the owner of the token", hint=_SAY_USER)
        return name


_SAY_USER = "set JUPYTERHUB_USER to your name at the hub"


def _checked(url: str, what: str) -> str:
    try:
        return parse_address(url.strip(), Path()).rstrip("/")
    except ValueError as error:
        raise ConfigError(f"{what}: {error}") from None


def _advise_without_token(service: str) -> str:
    """Return the advice for a user without a token; a user with a login at the storage itself needs none there."""
    from ctadata.agent import control
    from ctadata.agent.token_backends import with_last_token_source
    from ctadata.config.resolve import resolve_profile

    try:
        logged_in = not control.status(with_last_token_source(resolve_profile(None).profile)).login_needed
    except CtadataError:
        logged_in = False
    if logged_in:
        return f"you are logged in at the storage, which needs no token: {WITHOUT_HUB}"
    return f"outside the JupyterHub: {WITHOUT_HUB}; a token for its services is at {token_page(service)}"


def refuse_development(dev_instance: bool) -> None:
    """Refuse a call for the development instance.

    Raises:
        UsageError: `dev_instance` is true; only the storage itself has a development instance.
    """
    if dev_instance:
        raise UsageError(
            "the download service has no development instance", hint="ctadata.direct and cta-data-direct have one"
        )
