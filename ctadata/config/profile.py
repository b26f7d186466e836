"""Profile: everything that is known about one site."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Profile:
    """One site: where its files are, who issues its tokens, and the rules of its homes.

    kind:    what the door is: `dcache`, or `webdav` for any other WebDAV server.
    door:    its origin, `https://host:port`.
    root:    put before every path, `/` for none.
    frontend: the origin of dCache's REST interface; None where it is not known.
    issuer, client_id, client_secret_file, scope, audience: the OpenID client that logs in.
    accept_issuers: issuers, beside `issuer`, whose tokens from outside may be sent to this door.
    token_source: `agent` (our own) is the only one so far.
    token_origins: origins, beside door and frontend, that may be given the token.
    home:    templates of the user's home below the root, `{user}` in them; the first that exists counts.
    user, user_claim: the user's name, or the claims of the token to take it from, in order.
    user_rule: how the name becomes `{user}`: `plain`, or `cta` (the CTA platform's transform).
    ca:      a PEM file or a directory of CA certificates; None for the system's.
    http_pools: whether a redirect may lead from https to http; then without the token.
    atomic_put: whether the door's own upload appears whole or not at all, so that no temporary name is needed.
    jobs:    files moved at a time.
    notice:  what to tell a user before an upload.
    """

    name: str
    door: str
    kind: str = "dcache"
    root: str = "/"
    frontend: str | None = None
    issuer: str | None = None
    client_id: str | None = None
    client_secret_file: Path | None = None
    scope: str = "openid offline_access"
    audience: str | None = None
    accept_issuers: tuple[str, ...] = ()
    token_source: str = "agent"  # noqa: S105  (the name of a source)
    token_origins: tuple[str, ...] = ()
    home: tuple[str, ...] = ()
    user: str | None = None
    user_claim: tuple[str, ...] = ("preferred_username", "email")
    user_rule: str = "plain"
    ca: Path | None = None
    http_pools: bool = False
    atomic_put: bool = False
    jobs: int = 8
    notice: str = ""
