"""The hub of the tests: who a token belongs to, and the pages that a browser without one is sent to."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import requests
from flask import Blueprint, Response, jsonify, redirect, request

Model = dict[str, Any]
SERVICES = ("downloadservice", "certificateservice")
NO_SCOPE = (
    "Access denied, token scopes are insufficient. "
    "If you need access to this service, please contact CTA-CH DC team at EPFL."
)


@dataclass
class Hub:
    """Tokens and whose they are; with `api`, a real hub's address, that hub is asked instead."""

    api: str = ""
    models: dict[str, Model] = field(default_factory=dict)

    def issue(self, name: str, *, admin: bool = False, services: tuple[str, ...] = SERVICES) -> str:
        """A token of this user for these services."""
        token = secrets.token_hex(16)
        scopes = [f"access:services!service={service}" for service in services]
        self.models[token] = {"kind": "user", "name": name, "admin": admin, "scopes": scopes, "groups": []}
        return token

    def user(self, token: str) -> Model | None:
        """Whose token it is."""
        if not self.api:
            return self.models.get(token)
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{self.api}/user", headers={"Authorization": f"token {token}"}, timeout=60)
            return answer.json() if answer.status_code == 200 else None


def given_token() -> str:
    """A token in the query beats one in the header, whose scheme is spelt `Bearer`."""
    return request.args.get("token") or bearer("Bearer ")


def bearer(*schemes: str) -> str:
    """The token of the header, where it begins with one of these."""
    header = request.headers.get("Authorization", "")
    return next((header.removeprefix(scheme) for scheme in schemes if header.startswith(scheme)), "")


def may_use(user: Model, service: str) -> bool:
    """Whether a token of this user is for the service."""
    scope = f"access:services!service={service}"
    return scope in user["scopes"] or "access:services" in user["scopes"]


def to_login(service: str) -> Response:
    """Where a browser is sent."""
    state = secrets.token_urlsafe(12)
    answer = redirect(f"/hub/api/oauth2/authorize?client_id=service-{service}&response_type=code&state={state}")
    answer.set_cookie(f"service-{service}-oauth-state", state, httponly=True)
    return answer


def pages(hub: Hub) -> Blueprint:
    """The hub's own addresses."""
    at = Blueprint("hub", __name__, url_prefix="/hub")

    @at.get("/api/user")
    def user() -> Response | tuple[Response, int]:
        model = hub.user(bearer("token ", "Bearer "))
        return jsonify(model) if model else (jsonify(status=403, message="Forbidden"), 403)

    @at.get("/api/oauth2/authorize")
    def authorize() -> Response:
        return redirect("/hub/login?next=%2Fhub%2Fapi%2Foauth2%2Fauthorize")

    @at.get("/login")
    def login() -> str:
        return "<!DOCTYPE html><html><head><title>JupyterHub</title></head><body><form>Sign in</form></body></html>"

    return at
