"""The command `token inspect`: explain a token."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ctadata.cli import options
from ctadata.cli.output import open_stdin, write_json, write_line
from ctadata.errors import ConfigError, LoginNeeded, UsageError
from ctadata.printable import escape_unprintable
from ctadata.tokens.inspection import describe_token, token_as_json
from ctadata.tokens.provider_chain import TokenProvider

LONGEST = 1 << 20
"""The largest number of bytes that are read from a file with a token."""


def inspect_token(
    ctx: typer.Context,
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="A file with the token; - is stdin.")] = None,
    json: options.Json = False,
) -> None:
    """Explain a token: issuer, audience, end, scopes, groups, limits.

    \b
      cta-data-direct token inspect               the token of the profile
      cta-data-direct token inspect link.txt      a macaroon that you were given
      get-a-token | cta-data-direct token inspect -
      cta-data-direct token inspect --json | jq .claims.aud

    The token is read here, sent nowhere and not shown. Its signature is not
    checked: the output is what the token claims.
    """
    common = options.begin(ctx)
    text = _read(file) if file is not None else _current(common)
    if json:
        write_json(token_as_json(text))
        return
    for name, words in describe_token(text, time.time()):
        write_line(escape_unprintable(f"{name:<16}{words}"))  # the token's maker chose this text


def _read(file: str) -> str:
    if file == "-":
        raw = open_stdin().buffer.read(LONGEST)
    elif len(file) > 100 and not Path(file[:255]).exists():
        raise UsageError("this looks like a token, and every user can see arguments", hint="pipe the token in, with -")
    else:
        try:
            with Path(file).open("rb") as opened:
                raw = opened.read(LONGEST)
        except OSError as error:
            raise UsageError((error.strerror or "it cannot be read").lower(), path=file) from None
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise ConfigError("the token contains spaces, control characters or letters beyond ASCII") from None


def _current(common: options.Common) -> str:
    resolved = common.resolve()
    text = TokenProvider(resolved.profile, only_profile=resolved.explicit).bearer()
    if text is None:
        raise LoginNeeded(f"the profile {resolved.profile.name} has no login")
    return text
