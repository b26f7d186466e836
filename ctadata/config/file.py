"""Find and parse the user's settings file, and check its form; `resolve` reads the values.

::

    default = "mine"

    [profiles.mine]
    door = "https://door.example.org:2880"

    [profiles.cscs]
    jobs = 16
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ctadata.config.keys import BY_NAME
from ctadata.errors import ConfigError
from ctadata.local_inputs import CHECK, open_input
from ctadata.paths import shorten, user_directory
from ctadata.permissions import refuse_untrusted_file
from ctadata.system import wait_for_pipe

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""The form of a profile's name, which is also a file name of the agent."""

MAX_BYTES = 1 << 20
"""The largest settings file, in bytes."""

_SETTINGS_OF_PIPES: dict[tuple[int, int], bytes] = {}
"""The settings that pipes have delivered, by device and inode: a command reads its settings more than once."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The content of the settings file.

    Attributes:
        path: The path of the file.
        exists: Whether the file exists.
        default: The name of the default profile; None if the file names none.
        profiles: The raw values of each profile, by the names of profile and key.
    """

    path: Path
    exists: bool = False
    default: str | None = None
    profiles: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def default_path() -> Path:
    """Return the path of the settings file if the user names none."""
    return user_directory("config") / "config.toml"


def load_settings(named: Path | None) -> Settings:
    """Read the settings file and check its form.

    Args:
        named: The file that the user names, which must exist; None for the default path, where it may be missing.

    Raises:
        ConfigError: The file cannot be read or parsed, or other users may change it. The error names the file, the
            table and the key.
    """
    path = named if named is not None else default_path()
    text = read_settings(path, named=named is not None)
    if text is not None:
        return parse_settings(path, text)
    if named is None:
        return Settings(path)
    raise ConfigError("there is no such settings file", path=shorten(str(path)))


def read_settings(path: Path, *, named: bool, hint: str = "") -> str | None:
    """Return the text of a settings file; None if there is none.

    Args:
        path: The path of the file.
        named: Whether the user has named this file, and so trusts those who may write it.
        hint: What the user can do about a file that others may write; empty: name it.

    Raises:
        ConfigError: The file cannot be read, or other users may change it.
    """
    shown = shorten(str(path))
    try:
        return read_checked(path, named=named, hint=hint or f"name it: CTADATA_CONFIG={path}")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"the settings cannot be read: {error.strerror}", path=shown) from None
    except UnicodeDecodeError:
        raise ConfigError("the settings are not UTF-8 text", path=shown) from None


def parse_settings(path: Path, text: str) -> Settings:
    """Return the content of a settings file with this text.

    Args:
        path: The path of the file; relative paths in it start from its directory.
        text: The text.

    Raises:
        ConfigError: The text is not TOML, or has another form; the error names the table and the key.
    """
    return _settings(path, _parse(path, text))


def check_profile_name(name: str) -> str:
    """Return the name of a profile; ValueError if it has other characters than a name may have."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"profile {shorten(name)!r}: a name holds letters, digits, '.', '_' and '-' only")
    return name


def read_checked(path: Path, *, named: bool, hint: str) -> str:
    """Return the text of a file that may decide where the token goes. A pipe is read once, by the first call.

    Args:
        path: The path of the file.
        named: As for `refuse_untrusted_file`.
        hint: As for `refuse_untrusted_file`.

    Raises:
        OSError: The file cannot be read.
        UnicodeDecodeError: It is not UTF-8.
        ConfigError: Other users may change it, it is larger than `MAX_BYTES`, or it is a terminal, or a pipe that
            nobody writes to.
    """
    with open_input(path) as fd:
        status = os.fstat(fd)
        refuse_untrusted_file(status, path, what="these settings", named=named, hint=hint)
        if os.isatty(fd):
            raise ConfigError("a terminal is no settings file", path=str(path))
        content = _read_pipe(fd, status, path) if stat.S_ISFIFO(status.st_mode) else _read(fd)
    if len(content) > MAX_BYTES:
        raise ConfigError(f"a settings file has at most {MAX_BYTES >> 20} MiB", path=str(path))
    return content.decode()


def _read_pipe(fd: int, status: os.stat_result, path: Path) -> bytes:
    pipe = (status.st_dev, status.st_ino)
    if pipe not in _SETTINGS_OF_PIPES:
        content = _read(fd)
        if not content:
            raise ConfigError("this is a pipe, and nobody writes to it", hint="name a file", path=str(path))
        _SETTINGS_OF_PIPES[pipe] = content
    return _SETTINGS_OF_PIPES[pipe]


def _read(fd: int) -> bytes:
    """Read all there is. Unlike `read_blocks`, it ends at once at a FIFO that nobody has opened to write."""
    content = b""
    while len(content) <= MAX_BYTES:
        try:
            block = os.read(fd, MAX_BYTES + 1 - len(content))
        except BlockingIOError:  # the writer of a pipe has not written yet
            wait_for_pipe(fd, CHECK)
            continue
        if not block:
            break
        content += block
    return content


def _parse(path: Path, text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else shorten(str(error))
        raise ConfigError(f"this is not TOML: {reason}", path=str(path)) from None


def _settings(path: Path, document: Mapping[str, object]) -> Settings:
    for key in document:
        if key not in ("default", "profiles"):
            raise ConfigError(f"unknown key {shorten(key)!r}{suggest(key, ('default', 'profiles'))}", path=str(path))
    default, profiles = document.get("default"), document.get("profiles", {})
    if default is not None and not isinstance(default, str):
        raise ConfigError(
            f"default: must be the name of a profile in quotes, not {shorten(repr(default))}", path=str(path)
        )
    if not isinstance(profiles, dict):
        raise ConfigError("profiles: must be tables, such as [profiles.mine]", path=str(path))
    for name, table in profiles.items():
        _check_table(path, name, table)
    return Settings(path, exists=True, default=default, profiles=profiles)


def _check_table(path: Path, name: str, table: object) -> None:
    try:
        check_profile_name(name)
    except ValueError as error:
        raise ConfigError(str(error), path=str(path)) from None
    if not isinstance(table, dict):
        raise ConfigError(f"profiles.{name}: must be a table [profiles.{name}]", path=str(path))
    for key in table:
        if key not in BY_NAME:
            raise ConfigError(f"[profiles.{name}]: unknown key {shorten(key)!r}{suggest(key, BY_NAME)}", path=str(path))


def suggest(word: str, known: Collection[str], prefix: str = "") -> str:
    """Return the question for the nearest known word, `; did you mean door?`; empty if no word is near.

    Args:
        word: The unknown word.
        known: The known words.
        prefix: A text that the message puts before the suggested word.
    """
    match = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {prefix}{match[0]}?" if match else ""
