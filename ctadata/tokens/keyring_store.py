"""The system's keyring (`login_store = "keyring"`) as the place of the login, through the library keyring.

A backend that writes plain files is refused, and nothing falls back to a file. Without a usable keyring the login fails
before the user has to approve it.
"""

from __future__ import annotations

import importlib
from typing import Any

from ctadata.errors import ConfigError, LocalError
from ctadata.http.redaction import sanitize

SERVICE = "ctadata"
_UNSAFE = ("keyrings.alt", "keyring.backends.null", "keyring.backends.fail")
"""Modules of backends that protect no secret: plain files, no storage, or none at all."""


def probe() -> str:
    """Write, read and delete an entry, and return the name of the keyring.

    Raises:
        ConfigError: The library is missing, or the keyring cannot be used.
    """
    library = _library()
    backend = library.get_keyring()
    name = f"{type(backend).__module__}.{type(backend).__qualname__}"
    if name.startswith(_UNSAFE):
        raise ConfigError(f"no keyring can be used here (only {name})", hint=_HINT)
    import secrets

    value = secrets.token_hex(8)
    try:
        library.set_password(SERVICE, "probe", value)
        stored = library.get_password(SERVICE, "probe")
        library.delete_password(SERVICE, "probe")
    except Exception as error:  # noqa: BLE001  (each backend has its own errors)
        raise ConfigError(f"the keyring {name} does not work: {_error_text(error)}", hint=_HINT) from None
    if stored != value:
        raise ConfigError(f"the keyring {name} does not store what is written to it", hint=_HINT)
    return str(getattr(backend, "name", "") or name)


def load(key: str) -> str | None:
    """Return the text that is stored under a key; None if there is none.

    Raises:
        ConfigError: The library is missing.
        LocalError: The keyring cannot be read.
    """
    library = _library()
    try:
        stored = library.get_password(SERVICE, key)
    except Exception as error:  # noqa: BLE001
        raise LocalError(f"the keyring cannot be read: {_error_text(error)}", hint="is it locked?") from None
    return stored if isinstance(stored, str) else None


def save(key: str, text: str) -> None:
    """Store a text under a key. The old text stays if this fails.

    Raises:
        ConfigError: The library is missing.
        LocalError: The keyring cannot be written.
    """
    library = _library()
    try:
        library.set_password(SERVICE, key, text)
    except Exception as error:  # noqa: BLE001
        raise LocalError(f"the keyring cannot be written: {_error_text(error)}", hint="is it locked?") from None


def remove(key: str) -> None:
    """Delete the text under a key.

    Raises:
        ConfigError: The library is missing.
        LocalError: The keyring cannot be written.
    """
    if load(key) is None:
        return
    library = _library()
    try:
        library.delete_password(SERVICE, key)
    except Exception as error:  # noqa: BLE001
        raise LocalError(f"the keyring cannot be written: {_error_text(error)}", hint="is it locked?") from None


def _library() -> Any:
    try:
        return importlib.import_module("keyring")
    except ImportError:
        raise ConfigError(
            "login_store is keyring, but the library keyring is not installed",
            hint="pip install 'ctadata[keyring]', or login_store = \"file\"",
        ) from None


def _error_text(error: Exception) -> str:
    return sanitize(f"{type(error).__name__} {error}".rstrip(". "), 200)


_HINT = 'login_store = "file" keeps the login in a private file instead'
