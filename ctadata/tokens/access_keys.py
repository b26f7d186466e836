"""Where the access key of an S3 profile comes from; the first place that has one counts.

A file named on the command line, the profile's own (`credentials_file`, else what `credentials import` has kept),
`~/.credentials/jos-credentials.json`, `AWS_*` in the environment, `~/.aws`, and else nobody: public buckets need none.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ctadata.config.jasmin import CREDENTIALS
from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, LocalError, LoginNeeded
from ctadata.http.credentials import SigningKey
from ctadata.paths import escape_unprintable, local_home
from ctadata.tokens.access_key_text import AccessKey, parse_access_key
from ctadata.tokens.files import local_error, read_discovered, read_private, write_private
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Secret

_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION")
RENEW_HINT = "copy new ones, and: cta-data-direct credentials import"


@dataclass(frozen=True, slots=True)
class LocatedKey:
    """An access key, and the place that it was found in, in words; None for asking without one."""

    key: AccessKey | None
    origin: str


class AccessKeys:
    """The access key of a profile; safe to share between threads."""

    def __init__(
        self,
        profile: Profile,
        *,
        explicit: Path | None = None,
        env: Mapping[str, str] = os.environ,
        home: Path | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is read before the first request.

        explicit: a file with the key to use, before all other places.  now: the local clock, seconds since 1970.
        """
        self._profile = profile
        self._explicit = explicit
        self._env = env
        self._home = home or local_home()
        self._now = now
        self._lock = threading.Lock()
        self._found: LocatedKey | None = None

    @property
    def origin(self) -> str:
        """The place in use, in words; empty before the first request."""
        return self._found.origin if self._found else ""

    @property
    def token(self) -> None:
        """No token says who somebody is."""

    def bearer(self) -> None:
        """No token goes along: requests are signed."""

    def locate(self) -> LocatedKey:
        """The key in use; ConfigError, LocalError where a file that should have it cannot be used.

        One that has expired is looked for anew: another terminal may have imported the next one.
        """
        with self._lock:
            if self._found is None or self._left(self._found) <= 0:
                self._found = next(self._look())
            return self._found

    def current(self, region: str) -> SigningKey | None:
        """What signs a request now, None for sending it unsigned; LoginNeeded where the key has expired."""
        found = self.locate()
        if found.key is None:
            return None
        if self._left(found) <= 0:
            raise LoginNeeded(f"the temporary credentials from {found.origin} have expired", hint=RENEW_HINT)
        token = found.key.token
        return SigningKey(found.key.id, found.key.secret.reveal(), region, token.reveal() if token else None)

    def _left(self, found: LocatedKey) -> float:
        expires = found.key.expires if found.key else None
        return float("inf") if expires is None else expires - self._now()

    def _look(self) -> Iterator[LocatedKey]:
        """What there is, in order; the last one is nobody."""
        if self._profile.anonymous:
            yield LocatedKey(None, "nobody: the profile is anonymous")
        for path in filter(None, (self._explicit, self._profile.credentials_file)):
            yield LocatedKey(_named(path), escape_unprintable(str(path)))
        files = ProfileFiles.of(self._profile.name)
        if kept := load_access_key(files):
            self._check_endpoint(files)
            yield LocatedKey(kept, "credentials import")
        yield from self._unnamed()
        yield LocatedKey(None, "nobody: no access key was found")

    def _check_endpoint(self, files: ProfileFiles) -> None:
        """LoginNeeded where the kept key was imported for another server than the profile now names."""
        before = _json(files).get("endpoint")
        if isinstance(before, str) and self._profile.endpoint and before != self._profile.endpoint:
            said = f"the access key was imported for {before}, and the profile now names {self._profile.endpoint}"
            raise LoginNeeded(
                said, hint=f"if it is for that server too: cta-data-direct -P {self._profile.name} credentials import"
            )

    def _unnamed(self) -> Iterator[LocatedKey]:
        jos = self._home / CREDENTIALS
        with contextlib.suppress(ConfigError):
            if text := read_discovered(jos, follow=True):
                yield LocatedKey(parse_access_key(text), str(jos))
        if self._env.get("AWS_ACCESS_KEY_ID") and self._env.get("AWS_SECRET_ACCESS_KEY"):
            wanted = {name: self._env.get(name) or "" for name in _VARIABLES}
            yield LocatedKey(parse_access_key(json.dumps(wanted)), "AWS_ACCESS_KEY_ID in the environment")
        if (self._home / ".aws").is_dir() and (key := _of_aws(self._env, self._home)):
            yield LocatedKey(key, str(self._home / ".aws"))


def _named(path: Path) -> AccessKey:
    text = read_discovered(path, follow=True)
    if text is None:
        raise LocalError("there is no such file of credentials", path=escape_unprintable(str(path)))
    try:
        return parse_access_key(text)
    except ConfigError as error:
        error.path = escape_unprintable(str(path))
        raise


def _of_aws(env: Mapping[str, str], home: Path) -> AccessKey | None:
    """What `~/.aws` comes to, by the library that knows its ways (profiles, processes, single sign-on)."""
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
        session = botocore.session.Session(profile=env.get("AWS_PROFILE"), session_vars=files)
        resolver = session.get_component("credential_provider")
        for elsewhere in ("env", "container-role", "iam-role"):  # ours, and requests to addresses of clouds
            with contextlib.suppress(botocore.exceptions.UnknownCredentialError):
                resolver.remove(elsewhere)
        found = session.get_credentials()
        frozen = found.get_frozen_credentials() if found else None
    except Exception as error:  # noqa: BLE001  (each way has errors of its own, and their words are the library's)
        raise ConfigError(f"~/.aws cannot be used: {error}") from None
    if frozen is None or not frozen.access_key or not frozen.secret_key:
        return None
    return AccessKey(frozen.access_key, Secret(frozen.secret_key), Secret(frozen.token) if frozen.token else None)


# What `credentials import` keeps


def save_access_key(files: ProfileFiles, key: AccessKey, endpoint: str | None = None) -> None:
    """Keep the key of a profile, readable for its user alone; StorageFull, LocalError: the old one then stays.

    endpoint: the server that it is for.
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
    """The key that was kept, good or not; None where there is none. LocalError where its file is not safe."""
    text = read_private(files.access_key)
    return parse_access_key(text) if text else None


def _json(files: ProfileFiles) -> dict[str, object]:
    try:
        told = json.loads(read_private(files.access_key) or "{}")
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def forget_access_key(files: ProfileFiles) -> bool:
    """Remove what was kept; whether there was anything. LocalError."""
    try:
        files.access_key.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise local_error(error, files.access_key) from None
    return True
