"""`env`: what a shell has to set for other programs to find the token."""

from __future__ import annotations

import shlex

import typer

from ctadata.cli import options
from ctadata.cli.login import show_where_seen, with_secret
from ctadata.cli.output import data, say


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
