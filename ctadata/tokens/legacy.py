"""What earlier versions left in the home directory: the client's secret, and a token; read once, never changed.

0.6 wrote `~/.secret` and `~/.cta_token`, one plain line each; 0.7 `~/.config/cta-data/secret` and `token` (with `-dev`
for the development site), the secret in base64. All were readable for everybody at least for a moment.
"""

from __future__ import annotations

import base64
import logging
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from ctadata.config.builtin import DEFAULT_PROFILE, DEVELOPMENT_PROFILE
from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, LocalError
from ctadata.paths import local_home
from ctadata.tokens.files import read_discovered
from ctadata.tokens.token import Secret, Token, same_issuer

log = logging.getLogger(__name__)

_LINE = re.compile(r"[!-~]{4,16384}")


@dataclass(frozen=True, slots=True)
class LegacyLogin:
    """What was found; `files` are those that it was taken from."""

    secret: Secret | None = None
    token: Token | None = None
    files: tuple[Path, ...] = ()

    def __str__(self) -> str:
        """What was imported, who can read it, and how to remove it: one line."""
        what = [name for name, found in (("the client's secret", self.secret), ("the token", self.token)) if found]
        names = " and ".join(map(str, self.files))
        open_to_others = [str(path) for path in self.files if path.stat().st_mode & 0o044]
        warning = f"others can read {' and '.join(open_to_others)}; " if open_to_others else ""
        remove = shlex.join(["rm", *map(str, self.files)])
        return f"imported {' and '.join(what)} of an earlier version from {names}; {warning}to remove: {remove}"


def find_legacy_login(profile: Profile, now: float, home: Path | None = None) -> LegacyLogin:
    """What an earlier version has left for this profile; the newer version's first, empty files passed over.

    now: seconds since 1970; a token that has expired is worth nothing.
    """
    home = home or local_home()
    secrets, tokens = _candidate_files(profile.name, home)
    secret, secret_file = _first(secrets)
    text, token_file = _first(tokens)
    token = _token(text, profile, now) if text else None
    files = [path for path, found in ((secret_file, secret), (token_file, token)) if path and found]
    return LegacyLogin(Secret(secret) if secret else None, token, tuple(files))


def _candidate_files(profile_name: str, home: Path) -> tuple[list[Path], list[Path]]:
    """The files with secrets, and those with tokens."""
    folder = home / ".config" / "cta-data"
    if profile_name == DEFAULT_PROFILE:
        return [folder / "secret", home / ".secret"], [folder / "token", home / ".cta_token"]
    if profile_name == DEVELOPMENT_PROFILE:
        return [folder / "secret-dev"], [folder / "token-dev"]
    return [], []


def _first(paths: list[Path]) -> tuple[str, Path | None]:
    """The first file with something in it."""
    for path in paths:
        try:
            text = (read_discovered(path, follow=True) or "").strip()
        except LocalError as error:
            log.warning("%s; passed over", error)
            continue
        plain = _decoded(text) if path.parent.name == "cta-data" else text
        if _LINE.fullmatch(plain):
            return plain, path
    return "", None


def _decoded(text: str) -> str:
    """0.7's base64; what is none stays as it is (a JWT, with its dots, never is)."""
    try:
        return base64.b64decode(text, validate=True).decode("ascii").strip()
    except ValueError:
        return text


def _token(text: str, profile: Profile, now: float) -> Token | None:
    """The token, if it can still be used."""
    try:
        token = Token.parse(text)
    except ConfigError:
        return None
    if token.expires_at is None or token.expires_at <= now or not same_issuer(token.issuer, profile.issuer):
        return None
    return token
