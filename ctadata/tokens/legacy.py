"""The client's secret and the token that versions 0.6 and 0.7 left in the home directory. They are read, never changed.

0.6 wrote `~/.secret` and `~/.cta_token`, one plain line each. 0.7 wrote `secret` and `token` into `~/.config/cta-data`
(with `-dev` for the development site), the secret in base64. Everybody could read these files at least for a moment.
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
    """The login that an earlier version left.

    Attributes:
        secret: The client's secret, or None.
        token: A token that is still valid, or None.
        files: The files that they were read from.
    """

    secret: Secret | None = None
    token: Token | None = None
    files: tuple[Path, ...] = ()

    def __str__(self) -> str:
        """Return one line that says what was imported, who can read it, and how to delete it."""
        what = [name for name, found in (("the client's secret", self.secret), ("the token", self.token)) if found]
        names = " and ".join(map(str, self.files))
        open_to_others = [str(path) for path in self.files if path.stat().st_mode & 0o044]
        warning = f"others can read {' and '.join(open_to_others)}; " if open_to_others else ""
        remove = shlex.join(["rm", *map(str, self.files)])
        return f"imported {' and '.join(what)} of an earlier version from {names}; {warning}to remove: {remove}"


def find_legacy_login(profile: Profile, now: float, home: Path | None = None) -> LegacyLogin:
    """Return the login that an earlier version left for this profile. 0.7's files come before 0.6's.

    Args:
        profile: One of the two built-in profiles; others have no earlier version.
        now: The present, in seconds since 1970. An expired token is ignored.
        home: The user's local home directory. None asks the system.
    """
    home = home or local_home()
    secrets, tokens = _candidate_files(profile.name, home)
    secret, secret_file = _first_readable(secrets)
    text, token_file = _first_readable(tokens)
    token = _parse_usable_token(text, profile, now) if text else None
    files = [path for path, found in ((secret_file, secret), (token_file, token)) if path and found]
    return LegacyLogin(Secret(secret) if secret else None, token, tuple(files))


def _candidate_files(profile_name: str, home: Path) -> tuple[list[Path], list[Path]]:
    """Return the files with secrets, and those with tokens."""
    folder = home / ".config" / "cta-data"
    if profile_name == DEFAULT_PROFILE:
        return [folder / "secret", home / ".secret"], [folder / "token", home / ".cta_token"]
    if profile_name == DEVELOPMENT_PROFILE:
        return [folder / "secret-dev"], [folder / "token-dev"]
    return [], []


def _first_readable(paths: list[Path]) -> tuple[str, Path | None]:
    """Return the first line that looks like a secret, and its file."""
    for path in paths:
        try:
            text = (read_discovered(path, follow=True) or "").strip()
        except LocalError as error:
            log.warning("%s; ignored", error)
            continue
        plain = _decode(text) if path.parent.name == "cta-data" else text
        if _LINE.fullmatch(plain):
            return plain, path
    return "", None


def _decode(text: str) -> str:
    """Decode 0.7's base64. Other text stays as it is; a JWT has dots, so it is never base64."""
    try:
        return base64.b64decode(text, validate=True).decode("ascii").strip()
    except ValueError:
        return text


def _parse_usable_token(text: str, profile: Profile, now: float) -> Token | None:
    """Return the token if it is still valid and the profile's issuer gave it."""
    try:
        token = Token.parse(text)
    except ConfigError:
        return None
    if token.expires_at is None or token.expires_at <= now or not same_issuer(token.issuer, profile.issuer):
        return None
    return token
