"""An OpenID issuer that behaves like Keycloak: discovery, keys, device flow, refresh, revocation (agents.md 6)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote_plus

from ctadata.sandbox.approval import approval_page, record_decision
from ctadata.sandbox.device_flow import DeviceFlow, OAuthError
from ctadata.sandbox.exchange import Exchange
from ctadata.sandbox.faults import RefuseOffline, WrongIssuer
from ctadata.sandbox.login import ANY_AUDIENCE
from ctadata.sandbox.tokens import SESSION_IDLE, Session, Sessions, Signer

REALM = "/realms/sandbox"
CONNECT = f"{REALM}/protocol/openid-connect"
DISCOVERY = f"{REALM}/.well-known/openid-configuration"
DEVICE_PAGE = f"{REALM}/device"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
SCOPES = ("openid", "profile", "email", "offline_access", "storage.read", "storage.create", "storage.modify")
Form = Mapping[str, str]


@dataclass(frozen=True)
class Client:
    """A registered client.

    Attributes:
        identifier: The client id.
        secret: The client secret; None for a public client.
    """

    identifier: str
    secret: str | None = None


@dataclass(frozen=True)
class Policy:
    """The behaviour of the issuer.

    Attributes:
        user: The user who approves logins.
        approve: Whether logins are approved at once.
        token_lifetime: Seconds that an access token is valid.
        device_lifetime: Seconds that the codes of a login are valid.
        interval: Seconds between two polls; None to announce none.
        rotate: Whether refresh tokens rotate.
    """

    user: str
    approve: bool
    token_lifetime: int
    device_lifetime: int
    interval: int | None
    rotate: bool


class Issuer:
    """The endpoints of the issuer.

    Attributes:
        flow: The logins under way.
        sessions: The sessions with their refresh tokens.
    """

    def __init__(
        self,
        url: Callable[[], str],
        clients: list[Client],
        policy: Policy,
        signer: Signer,
        clock: Callable[[], float],
    ) -> None:
        """Create an issuer.

        Args:
            url: Return the issuer's identifier.
            clients: The registered clients.
            policy: The behaviour.
            signer: Signs the tokens.
            clock: Return the seconds since 1970.
        """
        self._url = url
        self._clients = {client.identifier: client for client in clients}
        self._policy = policy
        self._signer = signer
        self._clock = clock
        self.flow = DeviceFlow(clock, policy.device_lifetime, 5 if policy.interval is None else policy.interval)
        self.sessions = Sessions(clock, policy.rotate)

    def disconnected(self, connection: int, broken: bool) -> None:
        """Do nothing: no state of the issuer depends on a connection."""

    def answer(self, exchange: Exchange) -> None:
        """Answer one request."""
        request = exchange.request
        try:
            if request.path == DEVICE_PAGE:
                self._page(exchange)
            elif request.method in ("GET", "HEAD"):
                self._document(exchange)
            elif request.method == "POST":
                self._endpoint(exchange)
            else:
                _json(exchange, 405, {"error": "HTTP 405 Method Not Allowed"})
        except OAuthError as error:
            _json(exchange, error.status, {"error": error.code, "error_description": error.description})

    # ---- documents

    def _document(self, exchange: Exchange) -> None:
        path = exchange.request.path
        if path == DISCOVERY:
            _json(exchange, 200, self._discovery(exchange))
        elif path == f"{CONNECT}/certs":
            _json(exchange, 200, self._signer.public())
        else:
            _json(exchange, 404, {"error": "Unable to find matching target resource method"})

    def _discovery(self, exchange: Exchange) -> dict[str, object]:
        base = self._url().removesuffix(REALM)
        wrong = exchange.fault(WrongIssuer)
        return {
            "issuer": self._url() if wrong is None else wrong.issuer,
            "authorization_endpoint": f"{base}{CONNECT}/auth",
            "token_endpoint": f"{base}{CONNECT}/token",
            "device_authorization_endpoint": f"{base}{CONNECT}/auth/device",
            "revocation_endpoint": f"{base}{CONNECT}/revoke",
            "jwks_uri": f"{base}{CONNECT}/certs",
            "grant_types_supported": [DEVICE_GRANT, "refresh_token"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "RS256"],
            "scopes_supported": list(SCOPES),
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "code_challenge_methods_supported": ["plain", "S256"],
        }

    def _page(self, exchange: Exchange) -> None:
        if exchange.request.method == "POST":
            form = _form(exchange)
            user = form.get("user") or self._policy.user
            page = record_decision(self.flow, form.get("user_code", ""), user, form.get("answer", "deny"))
        else:
            code = exchange.request.query.get("user_code", [""])[0]
            page = approval_page(self.flow, code, self._policy.user)
        exchange.reply(200, "OK", [("Content-Type", "text/html;charset=UTF-8")], page)

    # ---- endpoints

    def _endpoint(self, exchange: Exchange) -> None:
        form = _form(exchange)
        path = exchange.request.path
        if path == f"{CONNECT}/auth/device":
            _json(exchange, 200, self._begin(exchange, self._client(exchange, form), form))
        elif path == f"{CONNECT}/token":
            _json(exchange, 200, self._token(self._client(exchange, form), form))
        elif path == f"{CONNECT}/revoke":
            self._client(exchange, form)
            self.sessions.revoke(form.get("token", ""))
            exchange.reply(200, "OK")
        else:
            _json(exchange, 404, {"error": "Unable to find matching target resource method"})

    def _client(self, exchange: Exchange, form: Form) -> str:
        """Return the id of the requesting client; check its secret if it has one (RFC 6749 section 2.3.1)."""
        identifier, secret = form.get("client_id"), form.get("client_secret")
        header = exchange.request.header("Authorization") or ""
        if header.lower().startswith("basic "):
            identifier, secret = _basic(header[6:])
        client = self._clients.get(identifier or "")
        if client is None:
            raise OAuthError("invalid_client", "Invalid client or Invalid client credentials", 401)
        if client.secret is not None and secret != client.secret:
            raise OAuthError("unauthorized_client", "Invalid client or Invalid client credentials", 401)
        return client.identifier

    def _begin(self, exchange: Exchange, client_id: str, form: Form) -> dict[str, object]:
        scope = form.get("scope", "")
        if "offline_access" in scope.split() and exchange.fault(RefuseOffline):
            raise OAuthError("invalid_scope", f"Invalid scopes: {scope}")
        if form.get("code_challenge_method", "S256") != "S256":
            raise OAuthError("invalid_request", "Invalid parameter: code challenge method is not matching")
        grant = self.flow.begin(client_id, scope, form.get("code_challenge"))
        if self._policy.approve:
            self.flow.approve(grant.user_code, self._policy.user)
        page = self._url() + DEVICE_PAGE.removeprefix(REALM)
        answer: dict[str, object] = {
            "device_code": grant.device_code,
            "user_code": grant.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={grant.user_code}",
            "expires_in": self._policy.device_lifetime,
        }
        return answer if self._policy.interval is None else {**answer, "interval": self._policy.interval}

    def _token(self, client_id: str, form: Form) -> dict[str, object]:
        kind = form.get("grant_type")
        if kind == DEVICE_GRANT:
            grant = self.flow.poll(client_id, form.get("device_code", ""), form.get("code_verifier"))
            session = self.sessions.open(client_id, grant.user or "", grant.scope)
        elif kind == "refresh_token":
            session = self.sessions.refresh(client_id, form.get("refresh_token", ""))
        else:
            raise OAuthError("unsupported_grant_type", "Unsupported grant_type")
        return self._tokens(session, form.get("audience"))

    def _tokens(self, session: Session, audience: str | None) -> dict[str, object]:
        lifetime = self._policy.token_lifetime
        claims = self.claims(session.user, lifetime, session.scope)
        claims |= {"azp": session.client_id, "sid": session.identifier}
        if audience:
            claims["aud"] = audience
        answer: dict[str, object] = {
            "access_token": self._signer.sign(claims),
            "expires_in": lifetime,
            "refresh_expires_in": 0 if session.ends is None else SESSION_IDLE,
            "refresh_token": session.current,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "session_state": session.identifier,
            "scope": session.scope,
        }
        if "openid" in session.scope.split():
            answer["id_token"] = self._signer.sign({**claims, "aud": session.client_id})
        return answer

    def claims(self, user: str, lifetime: float, scope: str) -> dict[str, object]:
        """Return the claims of an access token.

        Args:
            user: The user.
            lifetime: Seconds that the token is valid.
            scope: The scopes of the token.
        """
        now = int(self._clock())
        return {
            "iss": self._url(),
            "sub": f"sandbox:{user}",
            "aud": ANY_AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now + int(lifetime),
            "scope": scope,
            "wlcg.ver": "1.0",
            "preferred_username": user,
            "email": f"{user}@sandbox.example",
        }


def _form(exchange: Exchange) -> dict[str, str]:
    values = parse_qs(exchange.body().decode("utf-8", "replace"), keep_blank_values=True)
    return {name: value[-1] for name, value in values.items()}


def _basic(encoded: str) -> tuple[str, str]:
    try:
        identifier, _, secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise OAuthError("invalid_client", "Invalid client or Invalid client credentials", 401) from error
    return unquote_plus(identifier), unquote_plus(secret)


def _json(exchange: Exchange, status: int, body: Mapping[str, object]) -> None:
    reasons = {
        200: "OK",
        400: "Bad Request",
        401: "Unauthorized",
        404: "Not Found",
        405: "Method Not Allowed",
    }
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    exchange.reply(status, reasons[status], headers, json.dumps(body).encode())
