"""wsgidav behind cheroot over TLS; what it lacks, a check of bearer tokens, is put before it.

python wsgi_door.py CERTIFICATE.pem FOLDER ISSUER JWKS-URI CA.pem AUDIENCE READY-FD

Listens on a free port of 127.0.0.1 and writes one line of JSON to READY-FD: {"url": "https://localhost:PORT"}.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from wsgidav.wsgidav_app import WsgiDAVApp

READS = {"GET", "HEAD", "OPTIONS", "PROPFIND"}
ANY_AUDIENCE = "https://wlcg.cern.ch/jwt/v1/any"  # WLCG Common JWT Profiles 1.0
Respond = Callable[..., Any]


class BearerCheck:
    """WSGI middleware: 401 without a valid token of the issuer, 403 where its scope is not enough (RFC 6750 3.1)."""

    def __init__(self, app: Callable[..., Iterable[bytes]], issuer: str, jwks_uri: str, ca: str, audience: str) -> None:
        self.app, self.jwks_uri, self.ca, self.issuer, self.audience = app, jwks_uri, ca, issuer, audience

    def __call__(self, environ: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return _refuse(respond, "401 Unauthorized", "invalid_request", "no bearer token in the request")
        try:
            claims = jwt.decode(token.strip(), self._keys(), algorithms=["RS256", "ES256"]).claims
            self._rules().validate(claims)
        except (JoseError, ValueError) as error:
            return _refuse(respond, "401 Unauthorized", "invalid_token", str(error))
        needed = "storage.read:/" if environ["REQUEST_METHOD"] in READS else "storage.modify:/"
        if needed not in claims.get("scope", "").split():
            return _refuse(respond, "403 Forbidden", "insufficient_scope", f"needs {needed}")
        return self.app(environ, respond)

    def _rules(self) -> jwt.JWTClaimsRegistry:
        """The rules, made for each request: in joserfc 1.1 their clock stands still from then on."""
        return jwt.JWTClaimsRegistry(
            leeway=0,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "values": [self.audience, ANY_AUDIENCE]},
            exp={"essential": True},
        )

    def _keys(self) -> KeySet:
        """The issuer's keys as they are now: its keys change when it restarts, and a test server may ask each time."""
        trust = HTTPSHandler(context=ssl.create_default_context(cafile=self.ca))
        with build_opener(ProxyHandler({}), trust).open(self.jwks_uri, timeout=60) as answer:
            return KeySet.import_key_set(json.load(answer))


def _refuse(respond: Respond, status: str, error: str, why: str) -> Iterable[bytes]:
    challenge = f'Bearer realm="wsgidav", error="{error}", error_description="{why}"'
    respond(status, [("WWW-Authenticate", challenge), ("Content-Length", "0")])
    return [b""]


def main(certificate: str, folder: str, issuer: str, jwks_uri: str, ca: str, audience: str, ready: int) -> None:
    """Serve until the process is ended."""
    settings = {
        "provider_mapping": {"/": folder},
        "simple_dc": {"user_mapping": {"*": True}},  # who may come in was decided before
        "logging": {"enable": False},
        "verbose": 1,
    }
    door = Server(("127.0.0.1", 0), BearerCheck(WsgiDAVApp(settings), issuer, jwks_uri, ca, audience), numthreads=20)
    door.ssl_adapter = BuiltinSSLAdapter(certificate, certificate)
    door.prepare()
    with os.fdopen(ready, "w") as said:
        said.write(json.dumps({"url": f"https://localhost:{door.bind_addr[1]}"}) + "\n")
    door.serve()


if __name__ == "__main__":
    main(*sys.argv[1:7], int(sys.argv[7]))
