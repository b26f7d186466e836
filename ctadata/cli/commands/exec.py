"""The commands `exec` and `env`: give other programs a token file whose token stays fresh."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from ctadata.cli import options
from ctadata.cli.login import call_with_secret, show_on_terminal
from ctadata.cli.output import say, write_line


def exec_(
    ctx: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND", help="The program and its arguments.")],
) -> None:
    """Run a program that finds a fresh token.

    \b
      cta-data-direct exec -- python analysis.py
      cta-data-direct exec -- sh -c 'wc -c <"$BEARER_TOKEN_FILE"'

    The variable BEARER_TOKEN_FILE names a file with the token. The token is
    renewed while the program runs, with an agent or without one. The exit code
    is the program's.
    """
    from ctadata.agent import control
    from ctadata.agent.exec import run

    profile, seen = options.begin(ctx).who_logs_in(), show_on_terminal()
    call_with_secret(profile, None, lambda secret: control.get_token(profile, secret=secret, show=seen))
    raise typer.Exit(run(profile, command))


def env(ctx: typer.Context) -> None:
    """Print the lines that a shell evaluates for other programs.

    \b
      eval "$(cta-data-direct env)"

    They set BEARER_TOKEN_FILE to the file in which the agent keeps a fresh
    token. Without an agent, that token expires and nothing renews it.
    """
    from ctadata.agent import control

    common = options.begin(ctx)
    profile, seen = common.who_logs_in(), show_on_terminal()
    call_with_secret(profile, None, lambda secret: control.get_token(profile, secret=secret, show=seen))
    status = control.status(profile)
    write_line(f"export BEARER_TOKEN_FILE={shlex.quote(str(status.token_file))}")
    write_line("unset BEARER_TOKEN")
    if not status.running and not common.quiet:
        say(f"no agent renews this token; start one: cta-data-direct start-agent -P {profile.name}")
