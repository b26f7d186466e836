"""The commands of the agent: start-agent, agent-status, stop-agent, get-token, agent-log, logout."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options
from ctadata.cli.login import Secret, show_unless_told, show_where_seen, with_secret
from ctadata.cli.output import data, data_json, rfc3339, say
from ctadata.errors import LoginNeeded, UsageError
from ctadata.progress import units

if TYPE_CHECKING:
    from ctadata.agent.status import Status


def start_agent(
    ctx: typer.Context,
    secret: Secret = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Copy the token to $XDG_RUNTIME_DIR/bt_u<uid>, for other programs.")
    ] = False,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Be the agent, in this process: for systemd and containers.")
    ] = False,
    one_shot: Annotated[bool, typer.Option("--one-shot", help="Start nothing; print a token, as get-token.")] = False,
    via: options.Via = None,
) -> None:
    """Log in, and keep the login fresh.

    \b
      cta-data-direct start-agent              the usual site
      cta-data-direct start-agent -P mine      another one
      cta-data-direct start-agent -s -         with a secret, which it asks for

    It shows an address and a code: approve it in any browser, on any device.
    A process in the background then keeps the token fresh, also when this
    terminal is closed, until stop-agent. One that runs already is left alone.
    """
    from ctadata.agent import control

    common = options.begin(ctx)
    if foreground and one_shot:
        raise UsageError("--foreground and --one-shot exclude each other")
    profile = common.who_logs_in(via)
    if one_shot:
        shown = show_unless_told()
        token = with_secret(profile, secret, lambda given: control.get_token(profile, secret=given, show=shown))
        data(token.reveal())
        return
    told = _Told(profile.name, common.quiet)
    if foreground:
        seen = show_where_seen()
        with_secret(
            profile,
            secret,
            lambda given: control.run_in_foreground(profile, secret=given, show=seen, publish=publish, ready=told.here),
        )
        return
    shown = show_unless_told()
    told.started(
        with_secret(profile, secret, lambda given: control.start(profile, secret=given, show=shown, publish=publish))
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """Says that an agent is in charge."""

    profile: str
    quiet: bool

    def started(self, status: Status) -> None:
        host = f" of {status.host}" if status.elsewhere else ""
        self._say(status, f"process {status.pid}{host} keeps the login fresh")

    def here(self, status: Status) -> None:
        self._say(status, "this process keeps the login fresh")

    def _say(self, status: Status, words: str) -> None:
        if not self.quiet:
            say(f"logged in {f'as {status.user} ' if status.user else ''}at {self.profile}; {words}")


def agent_status(ctx: typer.Context, json: options.Json = False, via: options.Via = None) -> None:
    """Tell how agent and login are.

    \b
      cta-data-direct agent-status
      cta-data-direct agent-status --json | jq .expires_at
      cta-data-direct agent-status -q || cta-data-direct start-agent

    The exit code is 4 where a login is needed.
    """
    from ctadata.agent import control

    common = options.begin(ctx)
    status = control.status(common.who_logs_in(via))
    if json:
        data_json(status.as_json())
    elif not common.quiet:
        for name, value in _status_lines(status, time.time()):
            data(f"{name:<14}{value}")
    if status.login_needed:
        raise typer.Exit(LoginNeeded.exit_code)


def stop_agent(ctx: typer.Context) -> None:
    """End the agent; its last token stays until it expires.

    \b
      cta-data-direct stop-agent
      cta-data-direct stop-agent -P mine

    The login stays: a command that needs a token after that renews it itself.
    To end the login too: cta-data-direct logout.
    """
    from ctadata.agent import control

    common = options.begin(ctx)
    profile = common.resolve().profile
    ended = control.stop(profile)
    if not common.quiet:
        say(f"the agent of {profile.name} has ended" if ended else f"no agent of {profile.name} is running")


def get_token(
    ctx: typer.Context,
    secret: Secret = None,
    min_life: Annotated[
        float | None, typer.Option("--min-life", metavar="SECONDS", min=0, help="How long it has to live; else 60.")
    ] = None,
    via: options.Via = None,
) -> None:
    """Print a valid token, for other programs.

    \b
      export BEARER_TOKEN=$(cta-data-direct get-token)

    It is the agent's, else a fresh one; on a terminal you may have to log in.
    Whoever has it can do what you can, until it expires.
    """
    from ctadata.agent import control

    profile = options.begin(ctx).who_logs_in(via)
    seen = show_where_seen()
    token = with_secret(
        profile,
        secret,
        lambda given: control.get_token(profile, secret=given, show=seen, min_life=min_life or control.MIN_LIFE),
    )
    data(token.reveal())


def _status_lines(status: Status, now: float) -> Iterator[tuple[str, str]]:
    host = f" of {status.host}" if status.host else ""
    yield "profile", status.profile
    yield "agent", f"running, process {status.pid}{host}" if status.running else "not running"
    yield "issuer", status.issuer or "none"
    yield "user", status.user or "not known"
    yield "token", _token_line(status.expires_at, now)
    if status.next_refresh is not None:
        yield "next refresh", f"in {units.duration(max(0, status.next_refresh - now))}"
    if status.token_file.exists():
        yield "token file", str(status.token_file)
    if status.published and status.published.exists():
        yield "published", str(status.published)
    yield "login", f"kept in {status.login_place}" if status.login_place else "none"
    if status.last_error:
        yield "last error", status.last_error
    if status.login_needed:
        yield "to do", f"log in: cta-data-direct start-agent -P {status.profile}"
    if os.environ.get("BEARER_TOKEN"):
        yield "mind", "BEARER_TOKEN is set: most programs use that one, however old it is"


def _token_line(expires_at: float | None, now: float) -> str:
    if expires_at is None:
        return "none"
    if expires_at <= now:
        return f"expired at {rfc3339(expires_at)}"
    left = expires_at - now
    return "good for ever" if math.isinf(left) else f"good until {rfc3339(expires_at)}, {units.duration(left)}"


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
