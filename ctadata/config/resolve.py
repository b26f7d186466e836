"""Resolve one profile from arguments, environment, settings file and built-in values; a value remembers its origin."""

from __future__ import annotations

import dataclasses
import logging
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ctadata.config import jasmin
from ctadata.config.builtin import BUILT_IN, DEFAULT_PROFILE
from ctadata.config.file import Settings, load_settings, suggest
from ctadata.config.keys import BY_NAME, KEYS, Key
from ctadata.config.profile import Profile
from ctadata.config.variables import VARIABLES
from ctadata.errors import ConfigError
from ctadata.paths import local_home, shorten

COMMAND_LINE = "command line"
"""The origin of a value from the command line."""
BUILT_IN_VALUE = "built in"
"""The origin of a value of a built-in profile."""
DEFAULT_VALUE = "default"
"""The origin of a default value."""
_PREFIX = "CTADATA_"

NO_OVERRIDES: Mapping[str, str] = MappingProxyType({})
"""No values from the command line."""
log = logging.getLogger(__name__)


class Value(NamedTuple):
    """A value and its origin.

    Attributes:
        value: The value.
        origin: `command line`, `CTADATA_DOOR in the environment`, the path of a file, `built in`, or `default`.
    """

    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """A profile, and where it came from.

    Attributes:
        profile: The profile.
        values: Each key's value with its origin.
        chosen_by: The origin of the profile's name.
        explicit: Whether the caller has named the profile (-P, -d); then a token from the environment is not used.
        file: The path of the settings file.
        file_exists: Whether the settings file exists.
        known: The names of all profiles.
    """

    profile: Profile
    values: Mapping[str, Value]
    chosen_by: str
    explicit: bool
    file: Path
    file_exists: bool
    known: tuple[str, ...]


def resolve_profile(
    name: str | None = None,
    *,
    overrides: Mapping[str, str] = NO_OVERRIDES,
    env: Mapping[str, str] = os.environ,
    config_file: Path | None = None,
) -> Resolved:
    """Resolve one profile. `overrides` come first, then `env`, then the settings file, then the built-in values.

    The endpoint of an S3 store may stand in JASMIN's credentials file, if no other source names it.

    Args:
        name: The name of the profile; None to take it from the environment, the settings file, or else `cscs`.
        overrides: The texts of keys from the command line.
        env: The environment variables.
        config_file: The settings file; None for the one that `CTADATA_CONFIG` names, or else the default path.

    Raises:
        ConfigError: A value is wrong or missing; the error names the file, the variable or the key.
    """
    return resolve_in(load_settings(config_file or settings_file(env)), name, overrides=overrides, env=env)


def resolve_in(
    settings: Settings,
    name: str | None = None,
    *,
    overrides: Mapping[str, str] = NO_OVERRIDES,
    env: Mapping[str, str] = os.environ,
) -> Resolved:
    """Resolve one profile as `resolve_profile` does, with the settings of a file that need not be written yet.

    Raises:
        ConfigError: A value is wrong or missing; the error names the file, the variable or the key.
    """
    known = tuple(dict.fromkeys([*BUILT_IN, *settings.profiles]))
    chosen = _choose(name, env, settings)
    profile_name = str(chosen.value)
    if profile_name not in known:
        raise ConfigError(
            f"there is no profile {shorten(profile_name)!r}{suggest(profile_name, known)}",
            hint=f"known: {', '.join(known)}; chosen by: {chosen.origin}",
        )
    _refuse_unknown_keys(overrides)
    _warn_of_unknown_variables(env)
    values = {key.name: next(_candidates(key, profile_name, overrides, env, settings)) for key in KEYS}
    if (
        values["kind"].value == "s3"
        and values["endpoint"].value is None
        and (url := jasmin.read_store_url(local_home()))
    ):
        values["endpoint"] = Value(url, str(local_home() / jasmin.CREDENTIALS))
    return Resolved(
        profile=_profile(profile_name, values, settings),
        values=values,
        chosen_by=chosen.origin,
        explicit=name is not None,
        file=settings.path,
        file_exists=settings.exists,
        known=known,
    )


def profile_names(env: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the names of all profiles; ConfigError if the settings file cannot be read."""
    return tuple(dict.fromkeys([*BUILT_IN, *load_settings(settings_file(env)).profiles]))


def split_profile(text: str, profiles: Callable[[], Collection[str]] = profile_names) -> tuple[str | None, str]:
    """Return the profile that a path names before its first colon, or None, and the path, which starts from the root.

    `./a:b` and `/a:b` name none, because a slash stands before the colon.

    Args:
        text: The path.
        profiles: Returns the names of all profiles.
    """
    before, colon, path = text.partition(":")
    if not colon or not before or before == "home" or "/" in before or text.startswith("s3://"):
        return None, text
    if before not in profiles():
        return None, text
    return before, path if path.startswith(("/", "~/", "home:")) else f"/{path}"


def settings_file(env: Mapping[str, str]) -> Path | None:
    """Return the settings file that the environment names; None if it names none."""
    try:
        return Path(env["CTADATA_CONFIG"]).expanduser() if env.get("CTADATA_CONFIG") else None
    except RuntimeError:  # pathlib knows no such home directory
        raise ConfigError("this home directory is not known", path=f"CTADATA_CONFIG={env['CTADATA_CONFIG']}") from None


def read_piped_settings(env: Mapping[str, str] = os.environ) -> None:
    """Read the settings now if a pipe has them. A command calls this before it blocks the signals that end a wait.

    Raises:
        ConfigError: The pipe has no settings.
    """
    try:
        path = settings_file(env)
        is_pipe = path is not None and stat.S_ISFIFO(path.stat().st_mode)
    except (ConfigError, OSError, ValueError):  # the commands that need settings say so
        return
    if is_pipe:
        load_settings(path)


def _choose(name: str | None, env: Mapping[str, str], settings: Settings) -> Value:
    if name is not None:
        return Value(name, COMMAND_LINE)
    if env.get("CTADATA_PROFILE"):
        return Value(env["CTADATA_PROFILE"], "CTADATA_PROFILE in the environment")
    if settings.default is not None:
        return Value(settings.default, str(settings.path))
    return Value(DEFAULT_PROFILE, BUILT_IN_VALUE)


def _candidates(
    key: Key, name: str, overrides: Mapping[str, str], env: Mapping[str, str], settings: Settings
) -> Iterator[Value]:
    """Yield the values of one key, the strongest first; an empty variable does not count."""
    if key.name in overrides:
        yield _from_text(key, overrides[key.name], COMMAND_LINE)
    if env.get(key.variable):
        yield _from_text(key, env[key.variable], f"{key.variable} in the environment")
    table = settings.profiles.get(name, {})
    if key.name in table:
        yield _from_file(key, table[key.name], name, settings.path)
    if key.name in BUILT_IN.get(name, {}):
        yield Value(BUILT_IN[name][key.name], BUILT_IN_VALUE)
    yield Value(_DEFAULTS.get(key.name), DEFAULT_VALUE)


def _from_text(key: Key, text: str, origin: str) -> Value:
    try:
        return Value(key.parse_text(text, Path.cwd()), origin)
    except ValueError as error:
        raise ConfigError(f"{key.name}: {shorten(str(error))}", path=origin) from None


def _from_file(key: Key, raw: object, name: str, path: Path) -> Value:
    try:
        value = key.parse_toml(raw, path.absolute().parent)
    except ValueError as error:
        raise ConfigError(f"[profiles.{name}] {key.name}: {shorten(str(error))}", path=str(path)) from None
    return Value(_DEFAULTS.get(key.name) if value is None else value, str(path))


def _profile(name: str, values: Mapping[str, Value], settings: Settings) -> Profile:
    needed = "endpoint" if values["kind"].value == "s3" else "door"
    if values[needed].value is None:
        raise ConfigError(
            f'[profiles.{name}]: {needed} is missing, such as {needed} = "https://host:2880"', path=str(settings.path)
        )
    typed: dict[str, Any] = {key: value.value for key, value in values.items()}
    return Profile(name=name, **{**typed, "door": typed["door"] or ""})


def _refuse_unknown_keys(overrides: Mapping[str, str]) -> None:
    for name in overrides:
        if name not in BY_NAME:
            raise ConfigError(f"unknown key {name!r}{suggest(name, BY_NAME)}", path=COMMAND_LINE)


def _warn_of_unknown_variables(env: Mapping[str, str]) -> None:
    ours = {name for variable in VARIABLES if (name := variable.name).startswith(_PREFIX)}
    endings = [name.removeprefix(_PREFIX) for name in ours]
    for name in env:
        is_unknown = name.startswith(_PREFIX) and name not in ours
        if is_unknown and (guess := suggest(name.removeprefix(_PREFIX), endings, _PREFIX)):
            log.warning("%s in the environment has no effect%s", name, guess)


_DEFAULTS: Mapping[str, object] = {
    field.name: field.default
    for field in dataclasses.fields(Profile)
    if field.name in BY_NAME and field.default is not dataclasses.MISSING
}
