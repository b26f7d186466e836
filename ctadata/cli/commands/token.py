"""`token inspect`: what a token says."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ctadata.cli import options
from ctadata.cli.output import data, data_json, open_stdin
from ctadata.errors import ConfigError, LoginNeeded, UsageError

LONGEST = 1 << 20
"""Bytes read of a file that should hold a token."""


def inspect_token(
    ctx: typer.Context,
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="Holds the token; - for stdin.")] = None,
    json: options.Json = False,
) -> None:
    """Explain a token: issuer, audience, end, scopes, groups, limits.

    \b
      cta-data-direct token inspect               the one that the next command uses
      cta-data-direct token inspect link.txt      a macaroon that you were given
      get-a-token | cta-data-direct token inspect -
      cta-data-direct token inspect --json | jq .claims.aud

    It is read here and sent nowhere; its text is not shown. No signature is
    checked: what is said is what the token claims.
    """
    from ctadata.paths import escape_unprintable
    from ctadata.tokens.inspection import describe_token, token_as_json

    common = options.begin(ctx)
    text = _read(file) if file is not None else _current(common)
    if json:
        data_json(token_as_json(text))
        return
    for name, words in describe_token(text, time.time()):
        data(escape_unprintable(f"{name:<16}{words}"))  # whoever made the token chose the words


def _read(file: str) -> str:
    if file == "-":
        raw = open_stdin().buffer.read(LONGEST)
    elif len(file) > 100 and not Path(file[:255]).exists():
        raise UsageError("this looks like a token, and arguments can be seen by every user", hint="pipe it in, with -")
    else:
        try:
            with Path(file).open("rb") as opened:
                raw = opened.read(LONGEST)
        except OSError as error:
            raise UsageError((error.strerror or "it cannot be read").lower(), path=file) from None
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise ConfigError("the token holds spaces, control characters or letters beyond ASCII") from None


def _current(common: options.Common) -> str:
    from ctadata.tokens.provider_chain import TokenProvider

    resolved = common.resolve()
    text = TokenProvider(resolved.profile, only_profile=resolved.explicit).bearer()
    if text is None:
        raise LoginNeeded(f"the profile {resolved.profile.name} has no login")
    return text
