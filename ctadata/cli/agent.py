"""The commands of the agent: start-agent, agent-status, stop-agent, get-token."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options
from ctadata.cli.output import data, data_json, rfc3339, say, say_raw
from ctadata.errors import ConfigError, LoginNeeded
from ctadata.progress import amounts

if TYPE_CHECKING:
    from ctadata.agent.status import Status
    from ctadata.tokens.device import DeviceLogin

Secret = Annotated[
    str | None,
    typer.Option("-s", "--secret", metavar="SECRET", help="The client's secret, where the site needs one; - reads it."),
]


def start_agent(ctx: typer.Context, secret: Secret = None) -> None:
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
    profile = common.resolve().profile
    given = _read_secret(secret, profile.client_id)
    try:
        status = control.start(profile, secret=given, show=_show)
    except ConfigError as error:
        if given or not _asks_for_secret(error):
            raise
        status = control.start(profile, secret=_prompt(profile.client_id), show=_show)
    if not common.quiet:
        who = f"as {status.user} " if status.user else ""
        say(f"logged in {who}at {profile.name}; process {status.pid} keeps the login fresh")


def agent_status(ctx: typer.Context, json: options.Json = False) -> None:
    """Tell how agent and login are.

    \b
      cta-data-direct agent-status
      cta-data-direct agent-status --json | jq .expires_at
      cta-data-direct agent-status -q || cta-data-direct start-agent

    The exit code is 4 where a login is needed.
    """
    from ctadata.agent import control

    common = options.begin(ctx)
    status = control.status(common.resolve().profile)
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
    """
    from ctadata.agent import control

    common = options.begin(ctx)
    profile = common.resolve().profile
    ended = control.stop(profile)
    if not common.quiet:
        say(f"the agent of {profile.name} has ended" if ended else f"no agent of {profile.name} is running")


def get_token(ctx: typer.Context, secret: Secret = None) -> None:
    """Print a valid token, for other programs.

    \b
      export BEARER_TOKEN=$(cta-data-direct get-token)

    It is the agent's, else a fresh one; on a terminal you may have to log in.
    Whoever has it can do what you can, until it expires.
    """
    from ctadata.agent import control

    profile = options.begin(ctx).resolve().profile
    show = _show if sys.stderr.isatty() else None
    token = control.get_token(profile, secret=_read_secret(secret, profile.client_id), show=show)
    data(token.reveal())


def _show(login: DeviceLogin) -> None:
    """Address, code and, on a terminal, a QR code; on stderr."""
    address = login.verification_uri_complete
    if address:
        lines = ["To log in, open in any browser, on any device:", "", f"  {address}", ""]
        lines.append(f"and approve it if it shows the code  {login.user_code}")
    else:
        lines = ["To log in, open in any browser, on any device:", "", f"  {login.verification_uri}", ""]
        lines.append(f"and enter the code  {login.user_code}")
    say_raw("\n".join(lines))
    if sys.stderr.isatty():
        from ctadata.agent.login import qr_code

        say_raw("\n" + qr_code(address or login.verification_uri))
    say_raw(f"Waiting for you, {amounts.duration(login.expires_in)} at most; Ctrl-C stops.")


def _read_secret(secret: str | None, client: str | None) -> str | None:
    """The secret given; `-` is asked for without an echo, or the first line of a pipe."""
    if secret is None:
        return None
    if secret != "-":  # noqa: S105
        say("warning: a secret on the command line shows in ps; -s - asks for it instead")
        return secret
    return _prompt(client) if sys.stdin.isatty() else sys.stdin.readline().strip() or None


def _prompt(client: str | None) -> str:
    from getpass import getpass

    return getpass(f"Secret of the client {client} (not shown): ", sys.stderr)


def _asks_for_secret(error: ConfigError) -> bool:
    """Whether the issuer refused us for want of a secret (RFC 6749 section 5.2), and somebody is here to give it."""
    refused = "invalid_client" in error.what or "unauthorized_client" in error.what
    return refused and sys.stdin.isatty() and sys.stderr.isatty()


def _status_lines(status: Status, now: float) -> list[tuple[str, str]]:
    host = f" of {status.host}" if status.host else ""
    lines = [
        ("profile", status.profile),
        ("agent", f"running, process {status.pid}{host}" if status.running else "not running"),
        ("user", status.user or "not known"),
        ("token", _token_line(status.expires_at, now)),
    ]
    if status.next_refresh is not None:
        lines.append(("next refresh", f"in {amounts.duration(max(0, status.next_refresh - now))}"))
    if status.expires_at is not None:
        lines.append(("token file", str(status.token_file)))
    if status.last_error:
        lines.append(("last error", status.last_error))
    if status.login_needed:
        lines.append(("to do", f"log in: cta-data-direct start-agent -P {status.profile}"))
    return lines


def _token_line(expires_at: float | None, now: float) -> str:
    if expires_at is None:
        return "none"
    if expires_at <= now:
        return f"expired at {rfc3339(expires_at)}"
    left = expires_at - now
    return "good for ever" if math.isinf(left) else f"good until {rfc3339(expires_at)}, {amounts.duration(left)}"
