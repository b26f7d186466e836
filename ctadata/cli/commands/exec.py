"""`exec`: run another program with a token file that stays fresh."""

from __future__ import annotations

from typing import Annotated

import typer

from ctadata.cli import options
from ctadata.cli.login import show_where_seen, with_secret

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
