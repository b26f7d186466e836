"""`credentials`: the access key of an S3 profile: taken from what was copied, told of, forgotten."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options
from ctadata.cli.output import data, data_json, open_stdin, rfc3339, say
from ctadata.cli.prompts import pasted
from ctadata.errors import ConfigError, UsageError
from ctadata.progress import units

if TYPE_CHECKING:
    from ctadata.config.profile import Profile

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def import_credentials(
    ctx: typer.Context,
    lifetime: Annotated[
        str | None,
        typer.Option("--lifetime", metavar="TIME", help="How long they are good, as 8h, where they do not say."),
    ] = None,
) -> None:
    """Keep the access key that comes on standard input.

    \b
      cta-data-direct -P mine credentials import --lifetime 8h    then paste, and Ctrl-D
      cta-data-direct -P mine credentials import < copied.txt

    What data stores give to copy is understood as it is: the lines for bash,
    for cmd and for PowerShell, and JSON. It is kept readable for you alone.
    """
    from dataclasses import replace

    from ctadata.tokens.access_key_text import parse_access_key
    from ctadata.tokens.access_keys import save_access_key
    from ctadata.tokens.profile_files import ProfileFiles

    profile = _profile(ctx)
    life = None if lifetime is None else seconds_in(lifetime)
    stdin = open_stdin()
    is_terminal = stdin.isatty()
    text = pasted("paste the credentials, which are not shown, then Ctrl-D") if is_terminal else stdin.read()
    key = parse_access_key(text)
    if key.expires is None and life is not None:
        key = replace(key, expires=time.time() + life)
    if key.expires is not None and key.expires <= time.time():
        raise ConfigError("these credentials have expired already", hint="copy new ones")
    save_access_key(ProfileFiles.of(profile.name), key, profile.endpoint)
    say(f"kept for the profile {profile.name}: the access key {key.id}{_lasts(key.expires)}")


def show_credentials(ctx: typer.Context, json: options.Json = False, token_file: options.TokenFile = None) -> None:
    """Tell which access key counts, where it comes from, and how long it is good.

    \b
      cta-data-direct -P mine credentials show

    In this order: --token-file, credentials_file of the profile, what was
    imported, ~/.credentials/jos-credentials.json, AWS_ACCESS_KEY_ID and its
    kin, ~/.aws; and else none, for public buckets. Secrets are never shown.
    """
    from ctadata.tokens.access_keys import AccessKeys

    profile = _profile(ctx)
    found = AccessKeys(profile, explicit=token_file).locate()
    key = found.key
    if json:
        told = {"profile": profile.name, "origin": found.origin, "access_key_id": key and key.id}
        data_json({**told, "temporary": bool(key and key.token), "expires": rfc3339(key.expires) if key else None})
    elif key is None:
        data(f"no access key ({found.origin})")
    else:
        kind = "temporary access key" if key.token else "access key"
        data(f"{kind} {key.id} from {found.origin}{_lasts(key.expires)}")


def forget_credentials(ctx: typer.Context) -> None:
    """Forget the access key that was imported.

    \b
      cta-data-direct -P mine credentials forget
    """
    from ctadata.tokens.access_keys import forget_access_key
    from ctadata.tokens.profile_files import ProfileFiles

    profile = _profile(ctx)
    there = forget_access_key(ProfileFiles.of(profile.name))
    say(f"forgotten: the access key of the profile {profile.name}" if there else "there was nothing to forget")


def _profile(ctx: typer.Context) -> Profile:
    profile = options.begin(ctx).resolve().profile
    if profile.kind != "s3":
        raise UsageError(f"the profile {profile.name} is no S3 store", hint="name one that is: -P NAME")
    return profile


def _lasts(expires: float | None) -> str:
    if expires is None:
        return ""
    left = expires - time.time()
    return f", good for {units.duration(left)} more" if left > 0 else ", which has expired"


def seconds_in(text: str) -> float:
    """`90s`, `15m`, `3h`, `7d`, or a number of seconds; UsageError."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "s")
    if not (number.isascii() and number.isdigit() and 0 < int(number) < 10**9):
        raise UsageError(f"{text!r} is no time", hint="it is written as 90s, 15m, 3h or 7d")
    return float(int(number) * _UNITS[unit])
