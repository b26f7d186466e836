"""The command `browse`: two panes of files, here and at a site, on the terminal or in a web browser."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.log import start_log
from ctadata.cli.output import say, write_line
from ctadata.cli.signals import stop_on_signals
from ctadata.errors import ConfigError, UsageError


def browse(
    ctx: typer.Context,
    path: Annotated[
        str | None,
        command_context.path_argument(
            "The directory of the right pane; by default your home on the storage.", "[PATH]"
        ),
    ] = None,
    local: Annotated[
        str | None,
        typer.Option("--local", metavar="DIR", show_default=False, help="The directory of the left pane."),
    ] = None,
    web: Annotated[bool, typer.Option("--web", help="Show it in a web browser on this machine.")] = False,
    port: Annotated[
        str | None,
        typer.Option("--port", metavar="N", show_default=False, help="The port of --web; by default a free one."),
    ] = None,
    token_file: options.TokenFile = None,
) -> None:
    """Browse files in two panes, here and there, and copy them.

    \b
      cta-data-direct browse                   this machine, and your home
      cta-data-direct browse lst/run1          the right pane begins there
      cta-data-direct browse store:bucket/     another profile, S3 too
      cta-data-direct browse --web             the same in a web browser

    F5 copies, F6 renames or moves, F7 makes a directory, F8 deletes, Tab
    changes the pane, F1 shows all keys; the mouse works too. The last line is
    the command that does the same as the key.

    --web prints an address on this machine with a code that opens it once.
    From another machine, reach it with ssh -L PORT:127.0.0.1:PORT.
    """
    common = options.get_common(ctx)
    start_log(0, quiet=True)  # lines of a log would spoil the screen
    common.resolve()
    if web:
        _serve(common, path, local, port, token_file)
        return
    if port is not None:
        raise UsageError("--port is the port of --web, which is missing")
    if not (sys.stdin.isatty() and sys.stderr.isatty()) and "TEXTUAL_DRIVER" not in os.environ:
        raise UsageError("browse draws on a terminal, and this is none", hint="--web shows it in a web browser")
    _show(common, path, local, token_file)


def _show(common: options.Common, path: str | None, local: str | None, token_file: Path | None) -> None:
    try:
        from ctadata.browse.app import Browser, Start
    except ImportError as error:
        raise _missing(error) from None
    from ctadata.session import Session

    resolved = common.resolve()
    name = resolved.profile.name

    def open_session(profile: str, stop: threading.Event) -> Session:
        chosen = resolved if profile == name else options.Common(profile).resolve()
        return Session.open(chosen, token_file=token_file if profile == name else None, stop=stop)

    with stop_on_signals() as stop:
        browser = Browser(open_session, resolved.known, Start(None, local), Start(name, path), stop)
        try:
            browser.run()
        finally:
            browser.close()
    if browser.failure:
        raise browser.failure


def _serve(
    common: options.Common, path: str | None, local: str | None, port: str | None, token_file: Path | None
) -> None:
    try:
        from ctadata.browse.web import serve
    except ImportError as error:
        raise _missing(error) from None
    number = 0 if port is None else int(port) if port.isascii() and port.isdigit() and len(port) < 6 else -1
    if not 0 <= number < 65536:
        raise UsageError(f"{port!r} is no port", hint="such as --port 8080")
    words = [sys.executable, "-m", "ctadata", "-P", common.resolve().profile.name, "browse"]
    words += ["--local", local] if local else []
    words += ["--token-file", str(token_file.absolute())] if token_file else []
    words += ["--", path] if path else []

    def show(address: str) -> None:
        say("open this address in a web browser on this machine; it opens once. Ctrl-C ends it")
        write_line(address)
        sys.stdout.flush()

    serve(words, number, show)


def _missing(error: ImportError) -> ConfigError:
    return ConfigError(f"browse needs {error.name}, which is not installed", hint="pip install 'ctadata[browse]'")
