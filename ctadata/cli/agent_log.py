"""`agent-log`: what the agent did."""

from __future__ import annotations

from typing import Annotated

import typer

from ctadata.cli import options
from ctadata.cli.output import data, say


def agent_log(
    ctx: typer.Context,
    lines: Annotated[int, typer.Option("-n", "--lines", metavar="N", min=1, help="How many lines.")] = 50,
) -> None:
    """Show what the agent did last: refreshes, failures, its end.

    \b
      cta-data-direct agent-log
      cta-data-direct agent-log -n 1000 | grep -i failure
    """
    from ctadata.agent.log import last_lines
    from ctadata.tokens.profile_files import ProfileFiles

    common = options.begin(ctx)
    profile = common.resolve().profile
    found = last_lines(ProfileFiles.of(profile.name), lines)
    for line in found:
        data(line)
    if not found and not common.quiet:
        say(f"no agent of {profile.name} has written anything yet")
