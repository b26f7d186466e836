"""Logging in at a terminal: the address and the code, and the client's secret; what several commands share."""

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
    typer.Option("-s", "--secret", metavar="SECRET", help="The client's secret, where the site needs one; - reads it."),
]


def log_in_if_needed(resolved: Resolved, token_file: Path | None) -> None:
    """Before a transfer: start the agent where no token is found and somebody is here to log in; else LoginNeeded.

    It starts a process, so it must be called while no signals are blocked.
    """
    from ctadata.agent import control
    from ctadata.agent.token_backends import with_last_token_source
    from ctadata.tokens.provider_chain import TokenProvider

    seen = show_on_terminal()
    try:
        TokenProvider(resolved.profile, explicit=token_file, only_profile=resolved.explicit).bearer()
    except LoginNeeded:
        if seen is None or token_file is not None:
            raise
        profile = with_last_token_source(resolved.profile)
        call_with_secret(profile, None, lambda given: control.start(profile, secret=given, show=seen))


def call_with_secret(profile: Profile, given: str | None, work: Callable[[str | None], Result]) -> Result:
    """Do what may need the client's secret; ask for it where the issuer wants one and somebody is here."""
    secret = read_secret(given, profile.client_id)
    try:
        return work(secret)
    except ConfigError as error:
        if secret or not _wants_secret(error):
            raise
        return work(_prompt_for_secret(profile.client_id))


def show_on_terminal() -> Show | None:
    """`show` where somebody sees it, else None: nobody could approve."""
    return show_unless_no_input() if sys.stderr.isatty() else None


def show_unless_no_input() -> Show | None:
    """`show`, also into a pipe: somebody may read there; None where `--no-input` says that nobody does."""
    return None if os.environ.get("CTADATA_NO_INPUT") else show_instructions


def show_instructions(login: DeviceLogin) -> None:
    """Address, code and, on a terminal, a QR code; on stderr."""
    from ctadata.agent.login import instructions, qr_code

    say_raw(instructions(login))
    if sys.stderr.isatty():
        say_raw("\n" + qr_code(login.verification_uri_complete or login.verification_uri))
    say_raw(f"Waiting for you, {units.duration(login.expires_in)} at most; Ctrl-C stops.")


def read_secret(secret: str | None, client: str | None) -> str | None:
    """The secret given; `-` is asked for without an echo, or the first line of a pipe."""
    if secret is None:
        return None
    if secret != "-":  # noqa: S105
        say("warning: a secret on the command line shows in ps; -s - asks for it instead")
        return secret
    return _prompt_for_secret(client) if can_prompt() else open_stdin().readline().strip() or None


def _prompt_for_secret(client: str | None) -> str:
    return getpass(f"Secret of the client {client} (not shown): ", sys.stderr)


def _wants_secret(error: ConfigError) -> bool:
    """Whether the issuer refused us for want of a secret (RFC 6749 section 5.2), and somebody is here to give it."""
    refused = "invalid_client" in error.what or "unauthorized_client" in error.what
    return refused and can_prompt()
