"""Store the login of a profile on disk: the access token, and the refresh token that renews it.

A login of another issuer or client is ignored, for example after the profile was changed: a refresh token goes only to
the issuer that gave it. A login for other origins than the profile's is ignored too: a door that was not in the profile
when the user logged in gets no token, whatever the settings say.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctadata.config.profile import Profile
from ctadata.errors import CtadataError
from ctadata.http.redaction import sanitize
from ctadata.tokens import keyring_store
from ctadata.tokens.files import local_error, read_private, reserve_file, write_private
from ctadata.tokens.origins import describe_origin_mismatch, missing_origins, origin_texts
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Secret, Token, parse_seconds, same_issuer

KEYRING = "keyring"
"""The value of `login_store` for the system's keyring."""

ROOM = 32 * 1024
"""Bytes to reserve on disk for a new login. Refresh tokens of several KiB exist."""


@dataclass(frozen=True, slots=True)
class Login:
    """The secrets that renew an access token.

    Attributes:
        issuer: The issuer that gave them.
        client_id: The client that they were given to.
        refresh_token: None if the issuer gave none. The login then ends with the access token.
        client_secret: None for a public client, and if the profile names a file with the secret.
        origins: The origins that the user logged in for. Empty in files of older versions.
    """

    issuer: str
    client_id: str
    refresh_token: Secret | None
    client_secret: Secret | None = None
    origins: tuple[str, ...] = ()


def load_login(files: ProfileFiles, profile: Profile, *, any_origin: bool = False) -> Login | None:
    """Return the login of the profile; None if there is none for it.

    Args:
        files: The profile's files.
        profile: The profile, which has to match the login.
        any_origin: Also return a login for other origins. The caller is about to end it.

    Raises:
        LocalError: Others can read the file, or the keyring cannot be read.
    """
    record = _parse_object(
        keyring_store.load(_keyring_key(files)) if profile.login_store == KEYRING else read_private(files.login)
    )
    if not _matches_profile(record, profile) or (not any_origin and missing_origins(profile, record.get("origins"))):
        return None
    return Login(
        issuer=record["issuer"],
        client_id=record["client_id"],
        refresh_token=_secret(record.get("refresh_token")),
        client_secret=_secret(record.get("client_secret")),
        origins=_origins(record),
    )


def save_login(files: ProfileFiles, login: Login, store: str = "file") -> None:
    """Store the login. Call it before the new refresh token is used for the first time.

    Args:
        files: The profile's files.
        login: The login.
        store: The profile's `login_store`. The keyring replaces an older file, which is then deleted.

    Raises:
        StorageFull: The disk has no room. The old login stays.
        LocalError: The file or keyring cannot be written. The old login stays.
    """
    with reserve_login(files, store) as save:
        save(login)


@contextlib.contextmanager
def reserve_login(files: ProfileFiles, store: str = "file") -> Iterator[Callable[[Login], None]]:
    """Reserve disk space for a login, and yield a function that stores it like `save_login`.

    The space is reserved before the request: with a full disk, a new refresh token that rotates would be lost.

    Args:
        files: The profile's files.
        store: The profile's `login_store`.

    Raises:
        StorageFull: The disk has no room.
        LocalError: The file cannot be written.
    """
    if store == KEYRING:
        yield lambda login: _save_in_keyring(files, login)
        return
    with reserve_file(files.login, ROOM) as write:
        yield lambda login: write(_serialize(login))


def _save_in_keyring(files: ProfileFiles, login: Login) -> None:
    keyring_store.save(_keyring_key(files), _serialize(login))
    files.login.unlink(missing_ok=True)


def _serialize(login: Login) -> str:
    content = {
        "issuer": login.issuer,
        "client_id": login.client_id,
        "refresh_token": login.refresh_token and login.refresh_token.reveal(),
        "client_secret": login.client_secret and login.client_secret.reveal(),
        **({"origins": login.origins} if login.origins else {}),
    }
    return json.dumps(content)


def delete_login(files: ProfileFiles, profile: Profile) -> None:
    """Delete the token and the login of the profile.

    Raises:
        LocalError: A file or the keyring entry cannot be deleted.
    """
    if profile.login_store == KEYRING:
        keyring_store.remove(_keyring_key(files))
    for path in (files.login, files.token, files.token_metadata):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise local_error(error, path) from None


def load_token(files: ProfileFiles, profile: Profile, *, any_origin: bool = False) -> Token | None:
    """Return the access token of the profile, expired or not; None if there is none for it.

    Args:
        files: The profile's files.
        profile: The profile, which has to match the token.
        any_origin: Also return a token for other origins. The caller is about to end the login.

    Raises:
        LocalError: Others can read the file.
        ConfigError: The file holds no token.
    """
    text = read_private(files.token)
    if text is None or not text.strip():
        return None
    record = _load_json(files.token_metadata)
    if not any_origin and missing_origins(profile, record.get("origins")):
        return None
    if record.get("sha256") != _digest(text):  # another program wrote the token
        token = Token.parse(text)
        return token if token.issuer is None or same_issuer(token.issuer, profile.issuer) else None
    if not _matches_profile(record, profile):
        return None
    return Token.parse(text, parse_seconds(record.get("received")), parse_seconds(record.get("expires_in")))


def save_token(files: ProfileFiles, profile: Profile, token: Token, origins: Sequence[str] = ()) -> None:
    """Store the access token, for this package and for other programs.

    Args:
        files: The profile's files.
        profile: The profile that it was obtained for.
        token: The token.
        origins: The origins that the user logged in for. Empty for the profile's.

    Raises:
        StorageFull: The disk has no room. The old token stays.
        LocalError: The file cannot be written. The old token stays.
    """
    text = token.reveal()
    about = {
        "issuer": profile.issuer,
        "client_id": profile.client_id,
        "received": token.received,
        "expires_in": token.expires_in,
        "sha256": _digest(text),
        "origins": list(origins) or origin_texts(profile),
    }
    write_private(files.token, text)
    write_private(files.token_metadata, json.dumps(about))


def login_origins(files: ProfileFiles) -> tuple[str, ...]:
    """Return the origins that the stored token was obtained for; empty if no record says so.

    Raises:
        LocalError: Others can read the file.
    """
    return _origins(_load_json(files.token_metadata))


def explain_mismatch(files: ProfileFiles, profile: Profile) -> str:
    """Return why the stored token does not belong to this profile; empty if it does, or if there is none.

    Raises:
        LocalError: Others can read the file.
    """
    record = _load_json(files.token_metadata)
    if not record or read_private(files.token) is None:
        return ""
    if not _matches_profile(record, profile):
        return f"the login was at {sanitize(str(record.get('issuer')))}, and the profile now names {profile.issuer}"
    missing = missing_origins(profile, record.get("origins"))
    return describe_origin_mismatch(_origins(record), missing) if missing else ""


def explain_copy_mismatch(token: Token, profile: Profile) -> str:
    """Return why a token from another file must not be sent; empty if it may.

    The check is for copies of tokens that a login on this machine stored.
    """
    for about in ProfileFiles.of(profile.name).folder.parent.glob("*/token.json"):
        with contextlib.suppress(CtadataError):
            record = _load_json(about)
            missing = missing_origins(profile, record.get("origins"))
            if missing and record.get("sha256") == _digest(token.reveal()):
                return describe_origin_mismatch(_origins(record), missing)
    return ""


def _origins(record: dict[str, Any]) -> tuple[str, ...]:
    found = record.get("origins")
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _matches_profile(record: dict[str, Any], profile: Profile) -> bool:
    return same_issuer(record.get("issuer"), profile.issuer) and record.get("client_id") == profile.client_id


def _load_json(path: Path) -> dict[str, Any]:
    """Return the object in one of our files; empty if the file is missing or broken."""
    return _parse_object(read_private(path))


def _parse_object(text: str | None) -> dict[str, Any]:
    try:
        content = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _keyring_key(files: ProfileFiles) -> str:
    """Return the key of the login in the keyring."""
    return str(files.folder)


def _secret(value: object) -> Secret | None:
    return Secret(value) if isinstance(value, str) and value else None


def _digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.strip().encode()).hexdigest()
