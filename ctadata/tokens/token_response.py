"""Interpret the response of an issuer: a grant, an error response, or a temporary failure.

The agent needs three classes (RFC 6749 section 5.2, RFC 8628 section 3.5). A temporary failure is a retryable error
(TemporaryError, TimedOut). A login that is over is LoginNeeded. A client or profile that the issuer does not accept is
ConfigError. A response without JSON never comes from the issuer, whatever its status: a captive portal says 200, a
proxy 401.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ctadata.errors import Busy, ConfigError, CtadataError, LoginNeeded, ServerTrouble, TemporaryError
from ctadata.http.failures import parse_retry_after
from ctadata.http.redaction import sanitize
from ctadata.http.rest import JsonResponse
from ctadata.tokens.token import Secret, Token, parse_seconds

MAX_DESCRIPTION = 300
"""The characters of an issuer's description that are shown."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The result of a login or a refresh.

    Attributes:
        token: The access token.
        refresh_token: None if the issuer sent none.
        scope: The scopes that were granted; empty if the issuer does not say it.
    """

    token: Token
    refresh_token: Secret | None
    scope: str


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error response of OAuth 2.0 (RFC 6749 section 5.2).

    Attributes:
        code: The `error`, for example `invalid_grant`.
        description: The issuer's own words.
    """

    code: str
    description: str

    def __str__(self) -> str:
        """Return code and description on one line."""
        return f"{self.code}: {self.description}" if self.description else self.code


def parse_response(answer: JsonResponse, action: str) -> Mapping[str, Any] | ErrorResponse:
    """Return the JSON object of a success, or the error response.

    Args:
        answer: The response.
        action: The request, as the end of the sentence "the issuer failed ...".

    Raises:
        Busy: The issuer is busy (429, 503).
        ServerTrouble: The issuer failed (other 5xx).
        TemporaryError: The response is not the issuer's: a redirect, or no JSON.
    """
    trouble = _temporary_error(answer, action)
    if trouble is not None:
        raise trouble
    content = answer.json
    if not isinstance(content, dict):
        raise TemporaryError(
            f"a server on the way to the issuer answered the request {action}: {answer.status} and no JSON",
            status=answer.status,
        )
    if answer.status >= 400 or "error" in content:
        return ErrorResponse(
            _clean(content.get("error")) or str(answer.status), _clean(content.get("error_description"))
        )
    return content


def parse_success(answer: JsonResponse, action: str) -> Mapping[str, Any]:
    """Return the JSON object of a success.

    Args:
        answer: The response.
        action: The request, as the end of the sentence "the issuer failed ...".

    Raises:
        LoginNeeded: The login is over.
        ConfigError: The issuer does not accept the client or the request.
        TemporaryError: A temporary failure.
    """
    content = parse_response(answer, action)
    if isinstance(content, ErrorResponse):
        raise refusal_error(content, action)
    return content


def refusal_error(refusal: ErrorResponse, action: str) -> CtadataError:
    """Return the error for an error response.

    Args:
        refusal: The error response.
        action: The request, as the end of the sentence "the issuer failed ...".
    """
    if refusal.code == "invalid_grant":
        return LoginNeeded(f"the login is over, the issuer says ({refusal})", hint=_LOGIN_HINT)
    if refusal.code in ("temporarily_unavailable", "server_error", "slow_down"):
        return TemporaryError(f"the issuer failed {action} ({refusal})")
    return ConfigError(f"the issuer refused {action} ({refusal})", hint=_HINTS.get(refusal.code, ""))


def parse_grant(content: Mapping[str, Any], received: float) -> Grant:
    """Return the tokens of a successful response (RFC 6749 section 5.1).

    Args:
        content: The JSON object.
        received: The local time of the request, in seconds since 1970. The lifetime counts from then, to be safe.

    Raises:
        TemporaryError: The response holds no token.
    """
    text = content.get("access_token")
    if not isinstance(text, str):
        raise TemporaryError("the issuer's answer holds no token")
    refresh = content.get("refresh_token")
    return Grant(
        Token.parse(text, received, parse_seconds(content.get("expires_in"))),
        Secret(refresh) if isinstance(refresh, str) and refresh else None,
        str(content.get("scope") or ""),
    )


def _temporary_error(answer: JsonResponse, action: str) -> CtadataError | None:
    message = f"the issuer failed {action}: {answer.status} {answer.reason}".rstrip()
    if answer.status in (429, 503):
        return Busy(message, status=answer.status, retry_after=parse_retry_after(answer.headers.get("Retry-After")))
    if answer.status >= 500 or answer.status == 408:
        return ServerTrouble(message, status=answer.status)
    if not 200 <= answer.status < 300 and answer.status < 400:
        return TemporaryError(f"a server on the way to the issuer redirects the request {action}", status=answer.status)
    return None


def _clean(value: object) -> str:
    return sanitize(value, MAX_DESCRIPTION) if isinstance(value, str) else ""


_LOGIN_HINT = (
    "log in again; if another login of yours ended this one, ask the site for refresh tokens that can be reused"
)
_HINTS = {
    "invalid_client": "check client_id and the client's secret",
    "unauthorized_client": "check client_id and the client's secret",
    "invalid_scope": "check scope in the profile",
}
