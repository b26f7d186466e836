"""The commands of the agent: start-agent, agent-status, stop-agent, get-token, agent-log, logout."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.agent.log import last_lines
from ctadata.cli import options
from ctadata.cli.login import NoQr, Secret, call_with_secret, show_on_terminal, show_unless_no_input
from ctadata.cli.output import format_rfc3339, say, write_json, write_line
from ctadata.errors import LoginNeeded, UsageError
from ctadata.progress import units
from ctadata.tokens.profile_files import ProfileFiles

if TYPE_CHECKING:
    from ctadata.agent.status import Status


def start_agent(
    ctx: typer.Context,
    secret: Secret = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Copy the token to $XDG_RUNTIME_DIR/bt_u<uid>, for other programs.")
    ] = False,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Run the agent in this process, for systemd and containers.")
    ] = False,
    one_shot: Annotated[
        bool, typer.Option("--one-shot", help="Print a token, as get-token does, and start nothing.")
    ] = False,
    no_qr: NoQr = False,
    via: options.Via = None,
) -> None:
    """Log in, and keep the login fresh.

    \b
      cta-data-direct start-agent              the default site
      cta-data-direct start-agent -P mine      the site of the profile "mine"
      cta-data-direct start-agent -s -         ask for the client's secret

    The command shows an address and a code. Open the address in any browser,
    on any device, and approve the code. A background process, the agent, then
    renews the token until stop-agent, also after you close this terminal. If
    an agent runs already, it goes on. Windows has no agent: each command
    renews the token when needed, and so does --foreground in a window.
    """
    from ctadata.agent import control

    common = options.begin(ctx)
    if foreground and one_shot:
        raise UsageError("--foreground and --one-shot exclude each other")
    profile = common.who_logs_in(via)
    if one_shot:
        shown = show_unless_no_input(qr=not no_qr)
        token = call_with_secret(profile, secret, lambda secret: control.get_token(profile, secret=secret, show=shown))
        write_line(token.reveal())
        return
    messages = _LoginMessages(common.quiet)
    if foreground:
        seen = show_on_terminal(qr=not no_qr)
        call_with_secret(
            profile,
            secret,
            lambda secret: control.run_in_foreground(
                profile, secret=secret, show=seen, publish=publish, ready=messages.print_foreground
            ),
        )
        return
    shown = show_unless_no_input(qr=not no_qr)
    messages.print_started(
        call_with_secret(
            profile, secret, lambda secret: control.start(profile, secret=secret, show=shown, publish=publish)
        )
    )


@dataclass(frozen=True, slots=True)
class _LoginMessages:
    """The messages that say which process keeps the login fresh."""

    quiet: bool

    def print_started(self, status: Status) -> None:
        self._print(status.sentence())

    def print_foreground(self, status: Status) -> None:
        self._print(status.sentence("this process"))

    def _print(self, sentence: str) -> None:
        if not self.quiet:
            say(sentence)


def agent_status(ctx: typer.Context, json: options.Json = False, via: options.Via = None) -> None:
    """Show the state of the agent and of the login.

    \b
      cta-data-direct agent-status
      cta-data-direct agent-status --json | jq .expires_at
      cta-data-direct agent-status -q || cta-data-direct start-agent

    The exit code is 4 if you have to log in.
    """
    from ctadata.agent import control

    common = options.begin(ctx)
    status = control.status(common.who_logs_in(via))
    if json:
        write_json(status.as_json())
    elif not common.quiet:
        for name, value in _status_lines(status, time.time()):
            write_line(f"{name:<14}{value}")
    if status.login_needed:
        raise typer.Exit(LoginNeeded.exit_code)


def stop_agent(ctx: typer.Context) -> None:
    """Stop the agent; its last token stays until it expires.

    \b
      cta-data-direct stop-agent
      cta-data-direct stop-agent -P mine

    The login stays: a later command that needs a token renews it itself. To
    end the login too, use cta-data-direct logout.
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
        float | None,
        typer.Option(
            "--min-life", metavar="SECONDS", min=0, help="The token must be good for this long; 60 by default."
        ),
    ] = None,
    no_qr: NoQr = False,
    via: options.Via = None,
) -> None:
    """Print a valid token, for other programs.

    \b
      export BEARER_TOKEN=$(cta-data-direct get-token)

    This is the agent's token; without an agent, a new one. On a terminal you
    may have to log in. Give the token to nobody: until it expires, it opens
    all that you can open.
    """
    from ctadata.agent import control

    profile = options.begin(ctx).who_logs_in(via)
    seen = show_on_terminal(qr=not no_qr)
    token = call_with_secret(
        profile,
        secret,
        lambda secret: control.get_token(profile, secret=secret, show=seen, min_life=min_life or control.MIN_LIFE),
    )
    write_line(token.reveal())


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
        yield "note", "BEARER_TOKEN is set: most programs use that token, even if it is old"


def _token_line(expires_at: float | None, now: float) -> str:
    if expires_at is None:
        return "none"
    if expires_at <= now:
        return f"expired at {format_rfc3339(expires_at)}"
    left = expires_at - now
    return "good for ever" if math.isinf(left) else f"good until {format_rfc3339(expires_at)}, {units.duration(left)}"


def agent_log(
    ctx: typer.Context,
    lines: Annotated[int, typer.Option("-n", "--lines", metavar="N", min=1, help="The number of lines.")] = 50,
) -> None:
    """Show what the agent did: refreshes, failures, its end.

    \b
      cta-data-direct agent-log
      cta-data-direct agent-log -n 1000 | grep -i failure
    """
    common = options.begin(ctx)
    profile = common.resolve().profile
    log = last_lines(ProfileFiles.of(profile.name), lines)
    for line in log:
        write_line(line)
    if not log and not common.quiet:
        say(f"no agent of {profile.name} has written anything yet")


def logout(
    ctx: typer.Context,
    local: Annotated[
        bool, typer.Option("--local", help="Remove the login from this machine only, and send the issuer nothing.")
    ] = False,
    via: options.Via = None,
) -> None:
    """End the agent and the login.

    \b
      cta-data-direct logout
      cta-data-direct logout -P mine

    The command first asks the issuer to end the login, and then removes the
    login and the token from this machine. If the issuer does not answer, it
    removes nothing.
    """
    from ctadata.agent.logout import logout as end

    common = options.begin(ctx)
    profile = common.who_logs_in(via)
    rest = end(profile, revoke=not local)
    if not common.quiet:
        say(f"logged out at {profile.name}{f'; {rest}' if rest else ''}")
