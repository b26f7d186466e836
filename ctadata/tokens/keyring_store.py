"""The system's keyring (`login_store = "keyring"`): a locked place for the login, by the library of that name.

Never a file in disguise, and never replaced by one: where there is no keyring that can be used, that is an error, and
it is found out before anybody logs in.
"""

from __future__ import annotations

import importlib
import secrets
from typing import Any

from ctadata.errors import ConfigError, LocalError
from ctadata.http.redaction import sanitize

SERVICE = "ctadata"
_UNSAFE = ("keyrings.alt", "keyring.backends.null", "keyring.backends.fail")
"""Modules whose backends keep no secret: plain files, nowhere, or none at all."""


def probe() -> str:
    """Write, read and remove something; what the keyring is called. ConfigError where that does not work."""
    library = _library()
    backend = library.get_keyring()
    name = f"{type(backend).__module__}.{type(backend).__qualname__}"
    if name.startswith(_UNSAFE):
        raise ConfigError(f"no keyring can be used here (only {name})", hint=_HINT)
    value = secrets.token_hex(8)
    try:
        library.set_password(SERVICE, "probe", value)
        found = library.get_password(SERVICE, "probe")
        library.delete_password(SERVICE, "probe")
    except Exception as error:  # noqa: BLE001  (each backend has errors of its own)
        raise ConfigError(f"the keyring {name} does not work: {_words(error)}", hint=_HINT) from None
    if found != value:
        raise ConfigError(f"the keyring {name} does not keep what it is given", hint=_HINT)
    return str(getattr(backend, "name", "") or name)


def load(key: str) -> str | None:
    """What is kept under a key; None where nothing is. ConfigError, LocalError."""
    library = _library()
    try:
        found = library.get_password(SERVICE, key)
    except Exception as error:  # noqa: BLE001
        raise LocalError(f"the keyring cannot be read: {_words(error)}", hint="is it locked?") from None
    return found if isinstance(found, str) else None


def save(key: str, text: str) -> None:
    """Keep a text; the old one stays where that fails. ConfigError, LocalError."""
    library = _library()
    try:
        library.set_password(SERVICE, key, text)
    except Exception as error:  # noqa: BLE001
        raise LocalError(f"the keyring cannot be written: {_words(error)}", hint="is it locked?") from None


def remove(key: str) -> None:
    """Forget what is kept under a key. ConfigError, LocalError."""
    if load(key) is None:
        return
    library = _library()
    try:
        library.delete_password(SERVICE, key)
    except Exception as error:  # noqa: BLE001
        raise LocalError(f"the keyring cannot be written: {_words(error)}", hint="is it locked?") from None


def _library() -> Any:
    try:
        return importlib.import_module("keyring")
    except ImportError:
        raise ConfigError(
            "login_store is keyring, but the library keyring is not installed",
            hint="pip install 'ctadata[keyring]', or login_store = \"file\"",
        ) from None


def _words(error: Exception) -> str:
    return sanitize(f"{type(error).__name__} {error}".rstrip(". "), 200)


_HINT = 'login_store = "file" keeps the login in a private file instead'
