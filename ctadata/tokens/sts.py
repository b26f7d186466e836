"""Get temporary S3 keys from a security token service, by AssumeRoleWithWebIdentity and AssumeRole.

See the AWS STS API Reference, version 2011-06-15. MinIO and Ceph answer these calls at the address of their S3
interface, Amazon at sts.amazonaws.com. The first call shows the OIDC token of a login, the second one is signed with
another access key. MinIO needs no role.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from xml.etree.ElementTree import ParseError, fromstring

from ctadata.errors import ConfigError, CtadataError, LoginNeeded, ServerTrouble, Unsupported
from ctadata.http.credentials import SigningKey
from ctadata.http.redaction import sanitize
from ctadata.http.rest import JsonClient, JsonResponse
from ctadata.http.signature import signed_headers
from ctadata.tokens.access_key_text import AccessKey
from ctadata.tokens.token import Secret

LIFETIME = 3600
"""Seconds for which a temporary key is requested; all servers allow an hour."""

SESSION_NAME = "ctadata"
"""The name of the session, which the server's log shows."""

_EXPIRED = ("ExpiredToken", "InvalidIdentityToken", "WebIdentityTokenExpired")


@dataclass(frozen=True, slots=True)
class SecurityTokenService:
    """A security token service.

    Attributes:
        rest: Sends the requests; it refuses http, except to this machine.
        url: The address of the service.
        region: The region in signatures.
        role: The ARN of the role to assume; None if the server needs none (MinIO).
    """

    rest: JsonClient
    url: str
    region: str
    role: str | None

    def with_web_identity(self, token: str) -> AccessKey:
        """Return a temporary key for the OIDC token of a login.

        Raises:
            LoginNeeded: The service does not accept the token.
            ConfigError: The service does not give this role.
        """
        return self._call("AssumeRoleWithWebIdentity", {"WebIdentityToken": token})

    def with_key(self, key: AccessKey) -> AccessKey:
        """Return a temporary key of the role for the owner of another key, which signs the request.

        Raises:
            LoginNeeded: The service does not accept the key.
            ConfigError: The service does not give this role, or boto3 is not installed.
        """
        return self._call("AssumeRole", {}, key)

    def _call(self, action: str, more: Mapping[str, str], key: AccessKey | None = None) -> AccessKey:
        role = {"RoleArn": self.role} if self.role else {}
        fields = {"Action": action, "Version": "2011-06-15", **role, "RoleSessionName": SESSION_NAME}
        fields |= {"DurationSeconds": str(LIFETIME), **more}
        signature = self._signature(fields, key) if key else {}
        headers = {"Accept": "application/xml", **signature}  # Ceph has another answer for those who accept JSON
        response = self.rest.post_form(self.url, fields, headers=headers)
        answer = _fields(response.text)
        if response.status != 200:
            raise _error(action, response, answer)
        try:
            secret, token = Secret(answer["SecretAccessKey"]), Secret(answer["SessionToken"])
            expires = datetime.fromisoformat(answer["Expiration"]).timestamp()
            return AccessKey(answer["AccessKeyId"], secret, token, expires)
        except (KeyError, ValueError):
            raise ServerTrouble(f"the answer to {action} holds no access key: {self.url}") from None

    def _signature(self, fields: Mapping[str, str], key: AccessKey) -> Mapping[str, str]:
        token = key.token.reveal() if key.token else None
        signing_key = SigningKey(key.id, key.secret.reveal(), self.region, token)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        headers = signed_headers("POST", self.url, signing_key, "sts", headers=form, body=urlencode(fields))
        return {name: value for name, value in headers.items() if name not in form}


def _fields(text: str) -> dict[str, str]:
    """Return the texts of all elements of an XML answer, by their names without namespace."""
    with contextlib.suppress(ParseError, LookupError, ValueError):
        root = fromstring(text)  # noqa: S314  (the client limits the size, expat the expansion of entities)
        return {each.tag.rpartition("}")[2]: (each.text or "").strip() for each in root.iter()}
    return {}


def _error(action: str, response: JsonResponse, answer: Mapping[str, str]) -> CtadataError:
    code, message = sanitize(answer.get("Code", "")), sanitize(answer.get("Message", ""))
    details = " ".join(filter(None, (str(response.status), code or response.reason, message)))
    what = f"the server gives no temporary key ({action}): {details}"
    if response.status in (405, 501):
        return Unsupported(what, hint="leave out role_arn and issuer, and use an access key", status=response.status)
    if response.status >= 500:
        return ServerTrouble(what, status=response.status)
    if re.sub("Exception$", "", code) in _EXPIRED or response.status == 401:
        return LoginNeeded(what, hint="log in again: cta-data-direct start-agent", status=response.status)
    trusted = "the access key" if action == "AssumeRole" else "the issuer"
    return ConfigError(what, hint=f"check role_arn, {trusted}, and whom the role trusts", status=response.status)
