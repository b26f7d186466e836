"""Find the access key of an S3 profile. The first place that has one counts.

The order is: a file named on the command line, the profile's `credentials_file`, its `credential_process`, its
`aws_profile`, its login, the key that `credentials import` stored, `~/.credentials/jos-credentials.json`, `AWS_*` in
the environment, and `~/.aws`. Without a key, requests are unsigned, which is enough for public buckets. If the profile
names a role and no login, the key gets a temporary key of that role. Temporary keys that come by themselves are renewed
before they end.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctadata.config.jasmin import CREDENTIALS
from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, CtadataError, LocalError, LoginNeeded
from ctadata.http.credentials import SigningKey
from ctadata.paths import local_home
from ctadata.printable import escape_unprintable
from ctadata.tokens.access_key_text import AccessKey, parse_access_key
from ctadata.tokens.files import local_error, read_discovered, read_private, write_private
from ctadata.tokens.key_process import run_key_process
from ctadata.tokens.origins import origin_of
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Secret

if TYPE_CHECKING:
    from ctadata.tokens.sts import SecurityTokenService

log = logging.getLogger(__name__)
_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION")
RENEW_HINT = "copy new ones, and: cta-data-direct credentials import"


@dataclass(frozen=True, slots=True)
class LocatedKey:
    """An access key, and its origin in words.

    Attributes:
        key: None for unsigned requests.
        origin: The place where the key was found, for messages.
        renewed: Whether another key comes by itself before this one ends.
    """

    key: AccessKey | None
    origin: str
    renewed: bool = False


RENEW_AHEAD = 300.0
"""Seconds before the end of a key from which the next one is fetched; a fifth of a shorter life."""


class AccessKeys:
    """The access key of a profile. Threads may share it."""

    def __init__(
        self,
        profile: Profile,
        *,
        explicit: Path | None = None,
        env: Mapping[str, str] = os.environ,
        home: Path | None = None,
        now: Callable[[], float] = time.time,
        login: Callable[[], str | None] | None = None,
    ) -> None:
        """Store the settings. The first request reads files.

        Args:
            profile: An S3 profile.
            explicit: A file with the key to use, before all other places.
            env: The environment.
            home: The user's local home directory. None asks the system.
            now: Returns the local time in seconds since 1970.
            login: Returns the token of the profile's login, for which the server gives keys. None if there is no login.
        """
        self._profile = profile
        self._login = login
        self._renew_after = 0.0
        self._explicit = explicit
        self._env = env
        self._home = home or local_home()
        self._now = now
        self._lock = threading.Lock()
        self._found: LocatedKey | None = None

    @property
    def origin(self) -> str:
        """The origin of the key in use, in words; empty before the first request."""
        return self._found.origin if self._found else ""

    @property
    def token(self) -> None:
        """None: an S3 profile has no token that names its user."""

    def bearer(self) -> None:
        """Return None: requests are signed, and carry no token."""

    def locate(self) -> LocatedKey:
        """Return the key in use. An expired key is looked up again: another terminal may have imported a new one.

        Raises:
            ConfigError: A file that should have the key holds none.
            LocalError: A file that should have the key cannot be read, or others can read it.
            LoginNeeded: The stored key was imported for another server.
        """
        with self._lock:
            if self._found is None or self._seconds_left(self._found) <= 0:
                self._take(self._next_key())
            elif self._found.renewed and self._now() >= self._renew_after:
                self._renew(self._found)
            assert self._found is not None
            return self._found

    def _take(self, found: LocatedKey) -> None:
        life = self._seconds_left(found)
        self._found, self._renew_after = found, self._now() + life - min(RENEW_AHEAD, life / 5)

    def _renew(self, found: LocatedKey) -> None:
        """Fetch the next key; if that fails while the old one is valid, try again a little later."""
        try:
            self._take(self._next_key())
        except CtadataError as error:
            log.warning("the next access key does not come yet: %s", error)
            self._renew_after = self._now() + min(RENEW_AHEAD, self._seconds_left(found)) / 5

    def _next_key(self) -> LocatedKey:
        found = next(self._candidates())
        if found.key is None or self._profile.role_arn is None or self._profile.issuer:
            return found
        return LocatedKey(
            self._service().with_key(found.key), f"{self._profile.role_arn}, by {found.origin}", renewed=True
        )

    def _service(self) -> SecurityTokenService:
        from ctadata.http.rest import JsonClient  # imported late: few profiles need it
        from ctadata.tokens.sts import SecurityTokenService

        profile = self._profile
        url = str(origin_of(profile.sts_endpoint or profile.endpoint or "", "sts_endpoint"))
        return SecurityTokenService(
            JsonClient(ca=profile.ca), url + "/", profile.region or "us-east-1", profile.role_arn
        )

    def current(self, region: str) -> SigningKey | None:
        """Return the key that signs a request now; None sends it unsigned.

        Args:
            region: The region to sign for.

        Raises:
            LoginNeeded: The key has expired.
        """
        found = self.locate()
        if found.key is None:
            return None
        if self._seconds_left(found) <= 0:
            raise LoginNeeded(f"the temporary credentials from {found.origin} have expired", hint=RENEW_HINT)
        token = found.key.token
        secret, revealed = found.key.secret.reveal(), token.reveal() if token else None
        return SigningKey(found.key.id, secret, region, revealed, found.key.expires)

    def _seconds_left(self, found: LocatedKey) -> float:
        expires = found.key.expires if found.key else None
        return float("inf") if expires is None else expires - self._now()

    def _candidates(self) -> Iterator[LocatedKey]:
        """Yield all keys in their order. The last one is no key."""
        if self._profile.anonymous:
            yield LocatedKey(None, "none: the profile is anonymous")
        for path in filter(None, (self._explicit, self._profile.credentials_file)):
            yield LocatedKey(_read_key_file(path), escape_unprintable(str(path)))
        yield from self._places_of_profile()
        files = ProfileFiles.of(self._profile.name)
        if stored := load_access_key(files):
            self._check_endpoint(files)
            yield LocatedKey(stored, "credentials import")
        yield from self._usual_places()
        yield LocatedKey(None, "none: no access key was found")

    def _places_of_profile(self) -> Iterator[LocatedKey]:
        """Yield the keys that the profile itself names."""
        profile = self._profile
        if profile.credential_process:
            key = run_key_process(profile.credential_process)
            yield LocatedKey(key, "credential_process of the profile", renewed=key.expires is not None)
        if profile.aws_profile:
            key_of_profile = _read_aws_config(self._env, self._home, profile.aws_profile)
            if key_of_profile is None:
                raise ConfigError(f"the profile {profile.aws_profile} of ~/.aws has no access key")
            origin = f"the profile {profile.aws_profile} of ~/.aws"
            yield LocatedKey(key_of_profile, origin, renewed=key_of_profile.expires is not None)
        if profile.issuer and self._login and (token := self._login()):
            yield LocatedKey(self._service().with_web_identity(token), "the login of the profile", renewed=True)

    def _check_endpoint(self, files: ProfileFiles) -> None:
        """Raise LoginNeeded if the stored key was imported for another server than the profile names now."""
        before = _json(files).get("endpoint")
        if isinstance(before, str) and self._profile.endpoint and before != self._profile.endpoint:
            raise LoginNeeded(
                f"the access key was imported for {before}, and the profile now names {self._profile.endpoint}",
                hint=f"if the key is for that server too: cta-data-direct -P {self._profile.name} credentials import",
            )

    def _usual_places(self) -> Iterator[LocatedKey]:
        jos = self._home / CREDENTIALS
        with contextlib.suppress(ConfigError):
            if text := read_discovered(jos, follow=True):
                yield LocatedKey(parse_access_key(text), str(jos))
        if self._env.get("AWS_ACCESS_KEY_ID") and self._env.get("AWS_SECRET_ACCESS_KEY"):
            wanted = {name: self._env.get(name) or "" for name in _VARIABLES}
            yield LocatedKey(parse_access_key(json.dumps(wanted)), "AWS_ACCESS_KEY_ID in the environment")
        if (self._home / ".aws").is_dir() and (key := _read_aws_config(self._env, self._home)):
            yield LocatedKey(key, str(self._home / ".aws"))


def _read_key_file(path: Path) -> AccessKey:
    text = read_discovered(path, follow=True)
    if text is None:
        raise LocalError("the credentials file does not exist", path=escape_unprintable(str(path)))
    try:
        return parse_access_key(text)
    except ConfigError as error:
        error.path = escape_unprintable(str(path))
        raise


def _read_aws_config(env: Mapping[str, str], home: Path, profile: str | None = None) -> AccessKey | None:
    """Return the key that `~/.aws` leads to. botocore evaluates profiles, processes and single sign-on.

    Args:
        env: The environment.
        home: The user's home directory.
        profile: The profile to read; None takes AWS_PROFILE, or the default one.
    """
    try:
        import botocore.exceptions
        import botocore.session
    except ImportError:
        return None
    files = {
        "config_file": (None, None, env.get("AWS_CONFIG_FILE") or str(home / ".aws" / "config"), None),
        "credentials_file": (
            None,
            None,
            env.get("AWS_SHARED_CREDENTIALS_FILE") or str(home / ".aws" / "credentials"),
            None,
        ),
    }
    try:
        session = botocore.session.Session(profile=profile or env.get("AWS_PROFILE"), session_vars=files)
        resolver = session.get_component("credential_provider")
        for provider in ("env", "container-role", "iam-role"):  # we read env; the others ask a cloud's addresses
            with contextlib.suppress(botocore.exceptions.UnknownCredentialError):
                resolver.remove(provider)
        found = session.get_credentials()
        frozen = found.get_frozen_credentials() if found else None
    except Exception as error:  # noqa: BLE001  (each of botocore's providers has errors of its own)
        raise ConfigError(f"~/.aws cannot be used: {error}") from None
    if frozen is None or not frozen.access_key or not frozen.secret_key:
        return None
    end = getattr(found, "_expiry_time", None)  # botocore has no public name for it
    expires = end.timestamp() if end else None
    token = Secret(frozen.token) if frozen.token else None
    return AccessKey(frozen.access_key, Secret(frozen.secret_key), token, expires)


# The key that `credentials import` stores


def save_access_key(files: ProfileFiles, key: AccessKey, endpoint: str | None = None) -> None:
    """Store the key of a profile in a file that only its user can read.

    Args:
        files: The profile's files.
        key: The key to store.
        endpoint: The address of the server that the key is for. None stores none.

    Raises:
        StorageFull: The disk has no room. The old key stays.
        LocalError: The file cannot be written. The old key stays.
    """
    files.prepare()
    content = {
        "access_key_id": key.id,
        "secret_access_key": key.secret.reveal(),
        "session_token": key.token and key.token.reveal(),
        "expires": key.expires,
        **({"endpoint": endpoint} if endpoint else {}),
    }
    write_private(files.access_key, json.dumps(content))


def load_access_key(files: ProfileFiles) -> AccessKey | None:
    """Return the stored key, valid or not; None if there is none.

    Raises:
        LocalError: Others can read the file.
        ConfigError: The file holds no key.
    """
    text = read_private(files.access_key)
    return parse_access_key(text) if text else None


def _json(files: ProfileFiles) -> dict[str, object]:
    try:
        content = json.loads(read_private(files.access_key) or "{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def forget_access_key(files: ProfileFiles) -> bool:
    """Delete the stored key, and return whether there was one.

    Raises:
        LocalError: The file cannot be deleted.
    """
    try:
        files.access_key.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise local_error(error, files.access_key) from None
    return True
