"""Get the values of a new profile: from options, from the profile that is there, and from a person."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from ctadata.cli.output import say
from ctadata.cli.prompts import ask
from ctadata.config.builtin import BUILT_IN
from ctadata.config.file import check_profile_name, suggest
from ctadata.config.keys import BY_NAME, KEYS, S3
from ctadata.config.profile import Profile
from ctadata.errors import UsageError

QUESTIONS = {
    "kind": "kind of the server: dcache, webdav or s3",
    "door": "door, the server with the files, as https://host:2880",
    "endpoint": "endpoint, the S3 server, as https://host:9021",
    "issuer": "issuer of the tokens, as https://host/realms/main/",
    "client_id": "client id of this program at the issuer",
    "home": "your home on the storage, as users/{user}",
    "token_source": "program that keeps the token fresh: agent or oidc-agent",
}
"""The question for each key that is asked for, in this order."""
_AT_S3 = ("kind", "endpoint", "home")
_WITH_LOGIN = ("client_id", "token_source")
"""Keys that are about the login at the issuer."""
_DEFAULTS = {
    field.name: None if field.default is dataclasses.MISSING else field.default for field in dataclasses.fields(Profile)
}


def option_of(key: str) -> str:
    """Return the option of `config init` for a key that is asked for."""
    return f"--{key.replace('_', '-')}"


def parse_values(texts: Mapping[str, str | None], assignments: list[str]) -> dict[str, object]:
    """Return the checked values of options.

    Args:
        texts: The text of each option by the name of its key; None if the option is not given.
        assignments: The texts of `--set`, as `ca=site.pem`.

    Returns:
        The values by their keys; None for an empty text, which leaves the key out.

    Raises:
        UsageError: A key is not known, or a value is wrong.
    """
    named = {option_of(key): (key, text) for key, text in texts.items() if text is not None}
    for each in assignments:
        key, sign, text = each.partition("=")
        if not sign or key not in BY_NAME:
            hint = "write --set KEY=VALUE; config --keys shows all keys"
            raise UsageError(f"--set {each}: there is no key {key!r}{suggest(key, BY_NAME)}", hint=hint)
        named[f"--set {key}"] = (key, text)
    values: dict[str, object] = {}
    for option, (key, text) in named.items():
        try:
            values[key] = BY_NAME[key].parse_text(text, Path.cwd()) if text else None
        except ValueError as error:
            raise UsageError(f"{option}: {error}") from None
    return values


def check_name(name: str) -> str:
    """Return the name of a profile; UsageError if it is not a valid one, or if `NAME:PATH` means something else."""
    if name.lower() in ("home", "s3", "http", "https"):
        raise UsageError(f"profile {name!r}: {name}: in a path is not a profile", hint="choose another name")
    try:
        return check_profile_name(name)
    except ValueError as error:
        raise UsageError(str(error)) from None


def ask_name() -> str:
    """Ask for the name of the profile, until it is a valid one."""
    while True:
        try:
            return check_name(ask("name of the profile [mine]: ") or "mine")
        except UsageError as error:
            say(str(error))


def collect_values(
    name: str, given: Mapping[str, object], before: Mapping[str, object], *, may_ask: bool
) -> dict[str, object]:
    """Return the values of the profile, in the order of the reference.

    Args:
        name: The name of the profile; empty if it is missing.
        given: The values of options, as `parse_values` returns them.
        before: The values that the settings file has for the profile, as TOML has them.
        may_ask: Whether to ask a person for the values that no option gives.

    Raises:
        UsageError: A value that the profile needs is missing, or an option is for another kind of server.
    """
    built_in = {**_DEFAULTS, **BUILT_IN.get(name, {})}
    known = {**built_in, "kind": S3 if given.get("endpoint") else built_in["kind"], **before}
    kind = str(_answer("kind", given, known, may_ask=may_ask))
    for key in given:
        if kind not in BY_NAME[key].kinds:
            kinds = " and ".join(BY_NAME[key].kinds)
            raise UsageError(f"the key {key} is for {kinds}, and this profile is {kind}")
    here = {key: value for key, value in before.items() if kind in BY_NAME[key].kinds}
    values = {**here, **given, "kind": kind}
    missing = [] if name else ["PROFILE"]
    for key in _AT_S3 if kind == S3 else [key for key in QUESTIONS if key != "endpoint"]:
        if key == "kind" or (key in _WITH_LOGIN and not values.get("issuer")):
            continue
        value = _answer(key, given, known, may_ask=may_ask)
        if value is None and _is_required(key):
            missing.append(option_of(key))
        if key in values or value != built_in[key]:
            values[key] = value
    if missing:
        raise UsageError(f"config init: missing: {', '.join(missing)}", hint="a terminal asks for them")
    return {key.name: values[key.name] for key in KEYS if values.get(key.name) not in (None, (), "")}


def _is_required(key: str) -> bool:
    """Whether a profile needs the key; `client_id` is asked for only if there is an issuer."""
    return key in ("kind", "door", "endpoint", "client_id")


def _answer(key: str, given: Mapping[str, object], known: Mapping[str, object], *, may_ask: bool) -> object:
    """Return the value of an option, or else a person's answer, or else the known value; None leaves the key out."""
    if key in given:
        return given[key]
    default = known.get(key) or None
    if not may_ask:
        return default
    shown = ", ".join(default) if isinstance(default, list | tuple) else default
    while True:
        text = ask(f"{QUESTIONS[key]}{f' [{shown}]' if shown else '' if _is_required(key) else ' [none]'}: ")
        if not text and (default or not _is_required(key)):
            return default
        if text in ("-", "none") and not _is_required(key):
            return None
        try:
            return BY_NAME[key].parse_text(text, Path.cwd())
        except ValueError as error:
            say(f"{key}: {error}")
