"""What an issuer's answer means: a grant, a refusal, or trouble that passes.

Three classes, as the agent needs them (RFC 6749 section 5.2, RFC 8628 section 3.5): trouble that passes is a
retryable error (TemporaryError, TimedOut), a login that is over is LoginNeeded, a client or profile that the issuer
does not take is ConfigError. An answer that is no JSON is never the issuer's word, whatever its status: a captive
portal says 200, a proxy 401.
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

LONGEST_WORDS = 300
"""Characters of an issuer's description that are shown."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a login or a refresh brought; refresh_token is None where the issuer sent none."""

    token: Token
    refresh_token: Secret | None
    scope: str


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error of OAuth: its code, and the issuer's own words."""

    code: str
    description: str

    def __str__(self) -> str:
        """Code and words on one line."""
        return f"{self.code}: {self.description}" if self.description else self.code


def parse_response(answer: JsonResponse, doing: str) -> Mapping[str, Any] | ErrorResponse:
    """The JSON object of a success, or the refusal; Busy, ServerTrouble, TemporaryError for what passes.

    doing: what was asked for, as it ends the sentence "the issuer failed ...".
    """
    trouble = _trouble(answer, doing)
    if trouble is not None:
        raise trouble
    content = answer.json
    if not isinstance(content, dict):
        raise TemporaryError(
            f"something between us and the issuer answered {doing}: {answer.status} and no JSON", status=answer.status
        )
    if answer.status >= 400 or "error" in content:
        return ErrorResponse(
            _words(content.get("error")) or str(answer.status), _words(content.get("error_description"))
        )
    return content


def parse_success(answer: JsonResponse, doing: str) -> Mapping[str, Any]:
    """The JSON object of a success; LoginNeeded, ConfigError or what passes (see the head of the module)."""
    content = parse_response(answer, doing)
    if isinstance(content, ErrorResponse):
        raise refusal_error(content, doing)
    return content


def refusal_error(refusal: ErrorResponse, doing: str) -> CtadataError:
    """The error that a refusal amounts to."""
    if refusal.code == "invalid_grant":
        return LoginNeeded(f"the login is over, says the issuer ({refusal})", hint=_LOGIN_HINT)
    if refusal.code in ("temporarily_unavailable", "server_error", "slow_down"):
        return TemporaryError(f"the issuer failed {doing} ({refusal})")
    return ConfigError(f"the issuer refused {doing} ({refusal})", hint=_HINTS.get(refusal.code, ""))


def parse_grant(content: Mapping[str, Any], received: float) -> Grant:
    """The tokens of a successful answer (RFC 6749 section 5.1); TemporaryError where there is none in it.

    received: when it was asked for, local clock: the lifetime counts from then, to be on the safe side.
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


def _trouble(answer: JsonResponse, doing: str) -> CtadataError | None:
    words = f"the issuer failed {doing}: {answer.status} {answer.reason}".rstrip()
    if answer.status in (429, 503):
        return Busy(words, status=answer.status, retry_after=parse_retry_after(answer.headers.get("Retry-After")))
    if answer.status >= 500 or answer.status == 408:
        return ServerTrouble(words, status=answer.status)
    if not 200 <= answer.status < 300 and answer.status < 400:
        return TemporaryError(f"something between us and the issuer redirects {doing}", status=answer.status)
    return None


def _words(value: object) -> str:
    return sanitize(value, LONGEST_WORDS) if isinstance(value, str) else ""


_LOGIN_HINT = "log in again; if it was another login of yours that ended this one, ask for tokens that can be reused"
_HINTS = {
    "invalid_client": "check client_id and the client's secret",
    "unauthorized_client": "check client_id and the client's secret",
    "invalid_scope": "check scope in the profile",
}
