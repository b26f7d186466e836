"""`logout`: the end of agent and login."""

from __future__ import annotations

from typing import Annotated

import typer

from ctadata.cli import options
from ctadata.cli.output import say


def logout(
    ctx: typer.Context,
    local: Annotated[
        bool, typer.Option("--local", help="Do not ask the issuer: remove the login from this machine only.")
    ] = False,
    via: options.Via = None,
) -> None:
    """End agent and login.

    \b
      cta-data-direct logout
      cta-data-direct logout -P mine

    The issuer is asked to end the login, then it is removed from this machine,
    the token with it. Where the issuer cannot be asked, nothing is removed.
    """
    from ctadata.agent.logout import logout as end

    common = options.begin(ctx)
    profile = common.who_logs_in(via)
    rest = end(profile, revoke=not local)
    if not common.quiet:
        say(f"logged out at {profile.name}{f'; {rest}' if rest else ''}")
