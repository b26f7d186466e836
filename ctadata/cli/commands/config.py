"""The command `config`: the settings in force, and the origin of each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated

import typer

from ctadata.cli import options
from ctadata.cli.output import write_json, write_line
from ctadata.config.edit import toml_key, toml_value
from ctadata.config.keys import BY_NAME, KEYS
from ctadata.config.resolve import DEFAULT_VALUE, Resolved
from ctadata.config.variables import VARIABLES
from ctadata.errors import UsageError
from ctadata.http.redaction import redact


def config(
    ctx: typer.Context,
    json: options.Json = False,
    keys: Annotated[bool, typer.Option("--keys", help="Explain every key and variable.")] = False,
) -> None:
    """Show each setting and where it comes from.

    \b
      cta-data-direct config                     the profile in use
      cta-data-direct -P cscs-dev config         the profile cscs-dev
      cta-data-direct config --keys              all keys and variables
      cta-data-direct config > config.toml       begin a settings file
      cta-data-direct config init                ask for a new profile, try it,
                                                 and write it

    An argument overrides an environment variable, a variable overrides the
    settings file, and the file overrides the built-in value. Secrets are not
    shown.
    """
    if ctx.invoked_subcommand is not None:
        if json or keys:
            raise UsageError(f"config {ctx.invoked_subcommand} has no option {'--json' if json else '--keys'}")
        return
    common = options.begin(ctx)
    if keys:
        lines = explain_keys()
    else:
        resolved = common.resolve()
        if json:
            write_json(as_json(resolved))
            return
        lines = as_toml(resolved)
    for line in lines:
        write_line(line)


def as_toml(resolved: Resolved) -> Iterator[str]:
    """Yield the lines of the profile as a TOML table, with the origin of each value in a comment.

    Keys that are about other kinds of servers are left out if they are not set.
    """
    absent = "" if resolved.file_exists else " (not there)"
    yield f"# profile {resolved.profile.name} (by: {resolved.chosen_by}); known: {', '.join(resolved.known)}"
    yield f"# settings file: {resolved.file}{absent}"
    for name, shown in environment().items():
        yield f"# {name}={shown} in the environment"
    yield ""
    yield f"[profiles.{toml_key(resolved.profile.name)}]"
    for key, value in resolved.values.items():
        if resolved.profile.kind not in BY_NAME[key].kinds and value.origin == DEFAULT_VALUE:
            continue
        if value.value is None:
            yield f"# {key} is not set"
        else:
            yield f"{key} = {toml_value(value.value)}  # {value.origin}"


def as_json(resolved: Resolved) -> dict[str, object]:
    """Return the profile, its values and their origins as a JSON object."""
    return {
        "profile": resolved.profile.name,
        "chosen_by": resolved.chosen_by,
        "known": list(resolved.known),
        "file": str(resolved.file),
        "file_exists": resolved.file_exists,
        "values": {
            key: {"value": _plain(value.value), "origin": value.origin} for key, value in resolved.values.items()
        },
        "environment": environment(),
    }


def environment() -> dict[str, str]:
    """Return the variables that are set and that the client reads, without their secrets.

    A proxy's address may contain a password, so each value is redacted.
    """
    return {
        variable.name: "***" if variable.secret else redact(os.environ[variable.name])
        for variable in VARIABLES
        if os.environ.get(variable.name)
    }


def explain_keys() -> Iterator[str]:
    """Yield the lines that explain the keys of a profile and the environment variables."""
    by_key = {key.variable for key in KEYS}
    others = [variable for variable in VARIABLES if variable.name not in by_key]
    width = max(len(variable.name) for variable in others) + 2
    yield "Keys of a profile, in the settings file under [profiles.NAME]. Each is also a variable, CTADATA_<KEY>;"
    yield "there, commas separate several values."
    for key in KEYS:
        yield f"  {key.name:<{width}}{key.meaning}"
    yield ""
    yield "Environment:"
    for variable in others:
        yield f"  {variable.name:<{width}}{variable.meaning}"


def _plain(value: object) -> object:
    """Return a value in a type that JSON and TOML have."""
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, (bool, int, str)) or value is None else str(value)
