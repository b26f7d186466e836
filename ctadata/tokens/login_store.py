"""What a profile's login left on disk: the access token, and what renews it.

A file that another issuer or client has left (the profile was changed since) counts as none: a refresh token goes
only to the issuer that gave it. So does one that was obtained for other origins than the profile now names: a door
that was not there when the user logged in gets no token, whoever has written it into the settings.
"""

from __future__ import annotations

import contextlib
import hashlib
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
"""The `login_store` that is the system's keyring."""

ROOM = 32 * 1024
"""Bytes on the disk for a login to come; refresh tokens of several KiB exist."""


@dataclass(frozen=True, slots=True)
class Login:
    """What renews an access token.

    refresh_token: None where the issuer gave none: the login then ends with the access token.
    client_secret: None for a public client, and where the profile names a file for it.
    origins: the origins that the user logged in for; none in what older versions have written.
    """

    issuer: str
    client_id: str
    refresh_token: Secret | None
    client_secret: Secret | None = None
    origins: tuple[str, ...] = ()


def load_login(files: ProfileFiles, profile: Profile, *, to_end: bool = False) -> Login | None:
    """The login of the profile; None where there is none. LocalError where its file is not safe.

    to_end: the caller ends it, so that one for other origins counts too.
    """
    told = _object(keyring_store.load(_key(files)) if profile.login_store == KEYRING else read_private(files.login))
    if not _is_of(told, profile) or (not to_end and missing_origins(profile, told.get("origins"))):
        return None
    return Login(
        issuer=told["issuer"],
        client_id=told["client_id"],
        refresh_token=_secret(told.get("refresh_token")),
        client_secret=_secret(told.get("client_secret")),
        origins=_origins(told),
    )


def save_login(files: ProfileFiles, login: Login, store: str = "file") -> None:
    """Keep the login, before its refresh token is used. StorageFull, LocalError; the old one then stays.

    store: the profile's `login_store`; a login that a file has of old is removed once the keyring has the new one.
    """
    with reserve_login(files, store) as save:
        save(login)


@contextlib.contextmanager
def reserve_login(files: ProfileFiles, store: str = "file") -> Iterator[Callable[[Login], None]]:
    """Room for a login before it is asked for: on a full disk a refresh token that rotates would be lost.

    Gives what keeps it, as `save_login`. StorageFull, LocalError, ConfigError (no keyring).
    """
    if store == KEYRING:
        yield lambda login: _save_in_keyring(files, login)
        return
    with reserve_file(files.login, ROOM) as write:
        yield lambda login: write(_written(login))


def _save_in_keyring(files: ProfileFiles, login: Login) -> None:
    keyring_store.save(_key(files), _written(login))
    files.login.unlink(missing_ok=True)


def _written(login: Login) -> str:
    content = {
        "issuer": login.issuer,
        "client_id": login.client_id,
        "refresh_token": login.refresh_token and login.refresh_token.reveal(),
        "client_secret": login.client_secret and login.client_secret.reveal(),
        **({"origins": login.origins} if login.origins else {}),
    }
    return json.dumps(content)


def delete_login(files: ProfileFiles, profile: Profile) -> None:
    """Remove token and login of the profile. LocalError."""
    if profile.login_store == KEYRING:
        keyring_store.remove(_key(files))
    for path in (files.login, files.token, files.token_metadata):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise local_error(error, path) from None


def load_token(files: ProfileFiles, profile: Profile, *, to_end: bool = False) -> Token | None:
    """The access token of the profile, good or not; None where there is none.

    to_end: see `load_login`.
    LocalError where its file is not safe, ConfigError where it holds no token.
    """
    text = read_private(files.token)
    if text is None or not text.strip():
        return None
    told = _load_json(files.token_metadata)
    if not to_end and missing_origins(profile, told.get("origins")):
        return None
    if told.get("sha256") != _digest(text):  # some other program wrote the token
        token = Token.parse(text)
        return token if token.issuer is None or same_issuer(token.issuer, profile.issuer) else None
    if not _is_of(told, profile):
        return None
    return Token.parse(text, parse_seconds(told.get("received")), parse_seconds(told.get("expires_in")))


def save_token(files: ProfileFiles, profile: Profile, token: Token, origins: Sequence[str] = ()) -> None:
    """Publish the access token. StorageFull, LocalError; the old one then stays.

    origins: those that the user logged in for; none for the profile's.
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
    """The origins that the token on disk was obtained for; none where no record says so. LocalError."""
    return _origins(_load_json(files.token_metadata))


def explain_mismatch(files: ProfileFiles, profile: Profile) -> str:
    """Why the token on disk does not count for this profile, in words; empty where it does, or there is none."""
    told = _load_json(files.token_metadata)
    if not told or read_private(files.token) is None:
        return ""
    if not _is_of(told, profile):
        return f"the login was at {sanitize(str(told.get('issuer')))}, and the profile now names {profile.issuer}"
    missing = missing_origins(profile, told.get("origins"))
    return describe_origin_mismatch(_origins(told), missing) if missing else ""


def explain_copy_mismatch(token: Token, profile: Profile) -> str:
    """The same for a token that was found in some file, where it is the copy of one that a login of ours has left."""
    digest = _digest(token.reveal())
    for about in ProfileFiles.of(profile.name).folder.parent.glob("*/token.json"):
        with contextlib.suppress(CtadataError):
            told = _load_json(about)
            if told.get("sha256") == digest and (missing := missing_origins(profile, told.get("origins"))):
                return describe_origin_mismatch(_origins(told), missing)
    return ""


def _origins(told: dict[str, Any]) -> tuple[str, ...]:
    found = told.get("origins")
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _is_of(told: dict[str, Any], profile: Profile) -> bool:
    return same_issuer(told.get("issuer"), profile.issuer) and told.get("client_id") == profile.client_id


def _load_json(path: Path) -> dict[str, Any]:
    """The object in a file of ours; empty where there is none, or it is broken."""
    return _object(read_private(path))


def _object(text: str | None) -> dict[str, Any]:
    try:
        content = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _key(files: ProfileFiles) -> str:
    """What the keyring has the login under."""
    return str(files.folder)


def _secret(value: object) -> Secret | None:
    return Secret(value) if isinstance(value, str) and value else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().encode()).hexdigest()
