"""The commands `credentials import`, `show` and `forget`: the access key of an S3 profile."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated

import typer

from ctadata.agent.renew_on_demand import login_of
from ctadata.cli import options
from ctadata.cli.output import format_rfc3339, open_stdin, say, write_json, write_line
from ctadata.cli.prompts import read_pasted
from ctadata.cli.signals import stop_on_signals
from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, UsageError
from ctadata.progress import units
from ctadata.tokens.access_key_text import parse_access_key
from ctadata.tokens.access_keys import AccessKeys, forget_access_key, save_access_key
from ctadata.tokens.profile_files import ProfileFiles

LONGEST = 1 << 20
"""The largest number of characters that are read of a text with an access key."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def import_credentials(
    ctx: typer.Context,
    lifetime: Annotated[
        str | None,
        typer.Option("--lifetime", metavar="TIME", help="The lifetime of a key whose text names none, as 8h."),
    ] = None,
) -> None:
    """Keep the access key that comes on standard input.

    \b
      cta-data-direct -P mine credentials import --lifetime 8h    then paste, and Ctrl-D
      cta-data-direct -P mine credentials import < copied.txt

    Paste the text as your data store shows it: lines for bash, cmd or
    PowerShell, or JSON. The key is kept in a file that only you can read.
    """
    profile = _profile(ctx)
    life = None if lifetime is None else seconds_in(lifetime)
    stdin = open_stdin()
    if stdin.isatty():
        text = read_pasted("paste the credentials (they are not shown), then press Ctrl-D")
    else:
        text = stdin.read(LONGEST)
    key = parse_access_key(text)
    if key.expires is None and life is not None:
        key = replace(key, expires=time.time() + life)
    if key.expires is not None and key.expires <= time.time():
        raise ConfigError("these credentials have expired already", hint="copy new ones from your data store")
    save_access_key(ProfileFiles.of(profile.name), key, profile.endpoint)
    say(f"access key {key.id} kept for the profile {profile.name}{_lasts(key.expires)}")


def show_credentials(ctx: typer.Context, json: options.Json = False, token_file: options.TokenFile = None) -> None:
    """Show the access key in use, its origin and its lifetime.

    \b
      cta-data-direct -P mine credentials show

    The first of these is used: --token-file; credentials_file,
    credential_process, aws_profile and the login of the profile; the imported
    key; ~/.credentials/jos-credentials.json; the variables AWS_ACCESS_KEY_ID
    and so on; ~/.aws. Without any, requests carry no key, which is enough for
    public buckets. Secrets are never shown.
    """
    profile = _profile(ctx)
    with stop_on_signals() as stop:
        login = login_of(options.get_common(ctx).resolve(), stop)
        found = AccessKeys(profile, explicit=token_file, login=login).locate()
    key = found.key
    if json:
        fields = {"profile": profile.name, "origin": found.origin, "access_key_id": key and key.id}
        write_json(
            {**fields, "temporary": bool(key and key.token), "expires": format_rfc3339(key.expires) if key else None}
        )
    elif key is None:
        write_line(f"no access key ({found.origin})")
    else:
        kind = "temporary access key" if key.token else "access key"
        write_line(f"{kind} {key.id} from {found.origin}{_lasts(key.expires)}")


def forget_credentials(ctx: typer.Context) -> None:
    """Forget the access key that was imported.

    \b
      cta-data-direct -P mine credentials forget
    """
    profile = _profile(ctx)
    existed = forget_access_key(ProfileFiles.of(profile.name))
    say(f"access key of the profile {profile.name} removed" if existed else "no access key was kept")


def _profile(ctx: typer.Context) -> Profile:
    profile = options.begin(ctx).resolve().profile
    if profile.kind != "s3":
        raise UsageError(f"the profile {profile.name} is no S3 store", hint="choose an S3 profile with -P NAME")
    return profile


def _lasts(expires: float | None) -> str:
    if expires is None:
        return ""
    left = expires - time.time()
    return f", good for {units.duration(left)} more" if left > 0 else ", expired"


def seconds_in(text: str) -> float:
    """Return the seconds that `90s`, `15m`, `3h`, `7d` or a bare number mean.

    Raises:
        UsageError: The text is no time, or not between 1 and 10**9 - 1 of its unit.
    """
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "s")
    if not (number.isascii() and number.isdigit() and 0 < int(number) < 10**9):
        raise UsageError(f"{text!r} is no time", hint="write it as 90s, 15m, 3h or 7d")
    return float(int(number) * _UNITS[unit])
