"""Log in at a terminal: show the address and the code, and ask for the client's secret."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
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

NoQr = Annotated[bool, typer.Option("--no-qr", help="Show the address and the code only, no QR code.")]
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


def show_on_terminal(*, qr: bool = True) -> Show | None:
    """Return the function that shows the code if stderr is a terminal, else None: nobody would see the code."""
    return show_unless_no_input(qr=qr) if sys.stderr.isatty() else None


def show_unless_no_input(*, qr: bool = True) -> Show | None:
    """Return the function that shows the code, also in a pipe; None with `--no-input`."""
    return None if os.environ.get("CTADATA_NO_INPUT") else functools.partial(_show_instructions, qr=qr)


def _show_instructions(login: DeviceLogin, *, qr: bool) -> AbstractContextManager[object]:
    """Show a QR code if the terminal has room, then address and code on stderr; return the block that counts down."""
    from ctadata.agent.login_screen import instructions, login_screen

    say_raw(login_screen(login, sys.stderr, os.environ) if qr else instructions(login))
    ends = time.monotonic() + login.expires_in
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown"):
        return _count_down(ends)
    say_raw(_waiting_line(login.expires_in))
    return contextlib.nullcontext()


def _waiting_line(left: float) -> str:
    return f"Waiting for you, {units.duration(left)} at most; Ctrl-C stops."


@contextlib.contextmanager
def _count_down(ends: float) -> Iterator[None]:
    """Show on the terminal's last line how long the code lives; wipe the line after the block.

    A line as wide as the terminal would begin a further one.
    """
    from ctadata.agent.login_screen import terminal_size

    over = threading.Event()

    def count() -> None:
        while True:
            _, columns = terminal_size(sys.stderr)
            line = _waiting_line(max(0.0, ends - time.monotonic()))[: columns - 1]
            _write_to_stderr(f"\r{line}\x1b[K")
            if over.wait(1):
                return

    counter = threading.Thread(target=count, name="ctadata-countdown", daemon=True)
    counter.start()
    try:
        yield
    finally:
        over.set()
        counter.join()
        _write_to_stderr("\r\x1b[K")


def _write_to_stderr(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


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
