"""Log in at a terminal: show the address and the code, and ask for the client's secret."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ctadata.cli.output import open_stdin, say, say_raw
from ctadata.cli.prompts import can_prompt
from ctadata.config.profile import Profile
from ctadata.config.resolve import Resolved
from ctadata.errors import ConfigError, LoginNeeded
from ctadata.progress import units

if TYPE_CHECKING:
    from ctadata.tokens.device import DeviceLogin, Show

Result = TypeVar("Result")

Secret = Annotated[
    str | None,
    typer.Option("-s", "--secret", metavar="SECRET", help="The client's secret, if the site needs one; - asks for it."),
]


def log_in_if_needed(resolved: Resolved, token_file: Path | None) -> None:
    """Start the agent, with a login by the user, if no token is found.

    It starts a process that lives on, so call it while no signals are blocked.

    Args:
        resolved: The profile, and whether the user named it.
        token_file: The file with the token; None takes the token from the profile.

    Raises:
        LoginNeeded: There is no token, and stderr is no terminal or a token file is named.
    """
    from ctadata.agent import control
    from ctadata.agent.token_backends import with_last_token_source
    from ctadata.tokens.provider_chain import TokenProvider

    show = show_on_terminal()
    try:
        TokenProvider(resolved.profile, explicit=token_file, only_profile=resolved.explicit).bearer()
    except LoginNeeded:
        if show is None or token_file is not None:
            raise
        profile = with_last_token_source(resolved.profile)
        call_with_secret(profile, None, lambda secret: control.start(profile, secret=secret, show=show))


def call_with_secret(profile: Profile, text: str | None, work: Callable[[str | None], Result]) -> Result:
    """Call `work` with the client's secret, and ask for the secret if the issuer demands one.

    Args:
        profile: The profile that logs in.
        text: The value of `--secret`: the secret, `-` to read it, or None.
        work: The login. It is called again with the secret if the issuer refused the login without it and a person
            can be asked.

    Raises:
        ConfigError: The issuer refused the client.
    """
    secret = read_secret(text, profile.client_id)
    try:
        return work(secret)
    except ConfigError as error:
        if secret or not _wants_secret(error):
            raise
        return work(_prompt_for_secret(profile.client_id))


def show_on_terminal() -> Show | None:
    """Return the function that shows the code if stderr is a terminal, else None: nobody would see the code."""
    return show_unless_no_input() if sys.stderr.isatty() else None


def show_unless_no_input() -> Show | None:
    """Return the function that shows the code, also in a pipe; None with `--no-input`."""
    return None if os.environ.get("CTADATA_NO_INPUT") else show_instructions


def show_instructions(login: DeviceLogin) -> None:
    """Show the address, the code and, on a terminal, a QR code on stderr."""
    from ctadata.agent.login import instructions, qr_code

    say_raw(instructions(login))
    if sys.stderr.isatty():
        say_raw("\n" + qr_code(login.verification_uri_complete or login.verification_uri))
    say_raw(f"Waiting for you, {units.duration(login.expires_in)} at most; Ctrl-C stops.")


def read_secret(secret: str | None, client: str | None) -> str | None:
    """Return the secret of `--secret`; `-` asks for it without an echo, or reads the first line of a pipe."""
    if secret is None:
        return None
    if secret != "-":  # noqa: S105
        say("warning: a secret on the command line shows in ps; -s - asks for it instead")
        return secret
    return _prompt_for_secret(client) if can_prompt() else open_stdin().readline().strip() or None


def _prompt_for_secret(client: str | None) -> str:
    return getpass(f"Secret of the client {client} (not shown): ", sys.stderr)


def _wants_secret(error: ConfigError) -> bool:
    """Whether the issuer refused the client without a secret (RFC 6749 section 5.2), and a person can be asked."""
    refused = "invalid_client" in error.what or "unauthorized_client" in error.what
    return refused and can_prompt()
