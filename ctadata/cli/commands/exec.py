"""`exec`: run another program with a token file that stays fresh; `env`: name that file to a shell."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from ctadata.cli import options
from ctadata.cli.login import show_where_seen, with_secret
from ctadata.cli.output import data, say

EXEC_SETTINGS = {"allow_interspersed_args": False}
"""What follows the name of the program is the program's."""


def exec_(
    ctx: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND", help="The program and its arguments.")],
) -> None:
    """Run a program that finds a fresh token.

    \b
      cta-data-direct exec -- python analysis.py
      cta-data-direct exec -- sh -c 'wc -c <"$BEARER_TOKEN_FILE"'

    BEARER_TOKEN_FILE names a file whose token is renewed for as long as the
    program runs, with an agent or without one. The exit code is the program's.
    """
    from ctadata.agent import control
    from ctadata.agent.exec import run

    profile, seen = options.begin(ctx).who_logs_in(), show_where_seen()
    with_secret(profile, None, lambda given: control.get_token(profile, secret=given, show=seen))
    raise typer.Exit(run(profile, command))


def env(ctx: typer.Context) -> None:
    """Print what a shell sets for other programs.

    \b
      eval "$(cta-data-direct env)"

    They name the file in which the agent keeps a fresh token
    (BEARER_TOKEN_FILE). Without an agent the token there ends in a while.
    """
    from ctadata.agent import control

    common = options.begin(ctx)
    profile, seen = common.who_logs_in(), show_where_seen()
    with_secret(profile, None, lambda given: control.get_token(profile, secret=given, show=seen))
    status = control.status(profile)
    data(f"export BEARER_TOKEN_FILE={shlex.quote(str(status.token_file))}")
    data("unset BEARER_TOKEN")
    if not status.running and not common.quiet:
        say(f"no agent keeps this token fresh: cta-data-direct start-agent -P {profile.name}")
