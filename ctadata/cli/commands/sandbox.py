"""The command `sandbox`: a small storage on this machine. No other module of the client imports the sandbox."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options
from ctadata.cli.output import say_raw, write_line
from ctadata.cli.signals import SIGNALS
from ctadata.errors import AlreadyExists, CtadataError, LocalError
from ctadata.system import ENDING_SIGNALS, Signals

if TYPE_CHECKING:
    from ctadata.sandbox import Sandbox

_MARK = "# the settings of a sandbox, which end with it"


def _is_name(user: str) -> str:
    if "/" in user or user in ("", ".", "..") or not user.isprintable():
        raise typer.BadParameter(f"{user!r} is no user name")
    return user


def sandbox(
    ctx: typer.Context,
    approve: Annotated[bool, typer.Option("--approve", help="Approve every login at once.")] = False,
    user: Annotated[
        str, typer.Option("--user", metavar="NAME", callback=_is_name, help="The name of the user who logs in.")
    ] = "ada",
    token_lifetime: Annotated[
        int, typer.Option("--token-lifetime", metavar="SECONDS", min=1, help="The lifetime of a token.")
    ] = 300,
    shell: Annotated[
        bool, typer.Option("--shell", help="Open a shell that uses the sandbox, and end with it; logins are approved.")
    ] = False,
    write_config: Annotated[
        Path | None,
        typer.Option(
            "--write-config",
            metavar="FILE",
            help="Write the sandbox's settings to this file; by default to a temporary one.",
        ),
    ] = None,
) -> None:
    """Run a small storage of your own, to try things out.

    It is a miniature dCache with a door, two pools and its own login server. It
    listens on this machine only, needs no account, and has the files of which
    README and guides speak. The simplest way is a shell in which their examples
    work as they are typed; exit ends the sandbox and deletes everything in it:

    \b
      cta-data-direct sandbox --shell

    Or in one terminal, until Ctrl-C:

    \b
      cta-data-direct sandbox --write-config /tmp/sandbox.toml

    In another terminal:

    \b
      export CTADATA_CONFIG=/tmp/sandbox.toml
      cta-data-direct start-agent                   approve it in a browser
      cta-data-direct get lst/run1/events.h5
      cta-data-direct put events.h5 home:
      cta-data-direct stop-agent

    It prints its profile to stdout. It is ready as soon as the settings file
    exists.
    """
    common = options.begin(ctx)
    if shell:
        with (
            _running(approve=True, user=user, token_lifetime=token_lifetime) as box,
            _written(f'default = "sandbox"\n\n{box.profile_toml()}', write_config) as path,
        ):
            raise typer.Exit(_run_shell(path, quiet=common.quiet))
    with (
        Signals(SIGNALS) as signals,
        _running(approve=approve, user=user, token_lifetime=token_lifetime) as box,
        _written(f'default = "sandbox"\n\n{box.profile_toml()}', write_config) as path,
    ):
        for line in box.profile_toml().splitlines():
            write_line(line)
        if not common.quiet:
            say_raw(_welcome(path, approve=approve))
        signals.wait()


@contextlib.contextmanager
def _running(*, approve: bool, user: str, token_lifetime: int) -> Iterator[Sandbox]:
    try:
        from ctadata.sandbox import Sandbox, add_example_files
    except ImportError as error:
        raise CtadataError(
            f"the sandbox needs {error.name}, which is not installed",
            hint=f"{shlex.quote(sys.executable)} -m pip install trustme joserfc",
        ) from None
    with Sandbox(approve=approve, user=user, token_lifetime=token_lifetime) as box:
        add_example_files(box)
        yield box


def _run_shell(settings: Path, *, quiet: bool) -> int:
    """Run the user's shell in a new directory with the example files, and return its exit code.

    Logins in the shell are kept apart from those of the user, and end with it.
    """
    from ctadata.sandbox import write_local_examples

    with tempfile.TemporaryDirectory(prefix="ctadata-try-") as folder:
        here = Path(folder) / "here"
        write_local_examples(here)
        own = ("CTADATA_", "BEARER_TOKEN", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME")
        env = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        env |= {
            "CTADATA_CONFIG": os.path.abspath(settings),  # noqa: PTH100
            "XDG_STATE_HOME": f"{folder}/state",
            "XDG_CACHE_HOME": f"{folder}/cache",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }
        if not quiet:
            say_raw(_SHELL_WELCOME)
        process = subprocess.Popen([os.environ.get("SHELL") or "/bin/sh"], env=env, cwd=here)
        handlers = {
            signal.SIGINT: lambda *_: None,  # Ctrl-C is for the shell
            signal.SIGTERM: lambda *_: process.send_signal(ENDING_SIGNALS[-1]),  # which a shell does not ignore
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            code = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            subprocess.run(
                [sys.executable, "-m", "ctadata", "stop-agent", "-q"], env=env, cwd=folder, check=False,
                capture_output=True,
            )  # fmt: skip
        return code if code >= 0 else 128 - code


_SHELL_WELCOME = """\
This shell uses a small storage on this machine; exit ends it and deletes all
files. Every login is approved at once. For example:

  cta-data-direct start-agent
  cta-data-direct list -r lst
  cta-data-direct get lst/run1/events.h5
  cta-data-direct put results.txt plots/
"""


@contextlib.contextmanager
def _written(settings: str, named: Path | None) -> Iterator[Path]:
    """Write the settings to a file, and delete the file after the block.

    The file appears under its name when it is complete.

    Args:
        settings: The text of the file.
        named: The path that the user chose; None means a file in a new temporary directory.

    Raises:
        AlreadyExists: The path exists, and no sandbox wrote it.
    """
    with tempfile.TemporaryDirectory(prefix="ctadata-") as folder:
        path = named or Path(folder) / "config.toml"
        settings = f"{_MARK}\n{settings}"
        try:
            _refuse_others(path)
            with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as part:
                part.write(settings)
            Path(part.name).replace(path)
        except OSError as error:
            raise LocalError(f"local: {error.strerror}", path=str(path)) from None
        try:
            yield path
        finally:
            with contextlib.suppress(OSError):
                if path.read_text() == settings:
                    path.unlink()


def _refuse_others(path: Path) -> None:
    """Raise AlreadyExists if the file is not a sandbox's; the file of a sandbox that was killed may be replaced."""
    from ctadata.local_inputs import open_input

    with contextlib.suppress(FileNotFoundError), open_input(path) as fd:
        is_file, mark = stat.S_ISREG(os.fstat(fd).st_mode), _MARK.encode()
        if not is_file or os.read(fd, len(mark)) != mark:
            raise AlreadyExists("the file exists, and no sandbox wrote it", hint="choose another name", path=str(path))


def _welcome(path: Path, *, approve: bool) -> str:
    login = "approved at once" if approve else "approve it in a browser"
    return f"""\
The sandbox is running; Ctrl-C ends it. In another terminal:

  export CTADATA_CONFIG={os.fspath(path)}
  cta-data-direct start-agent        # {login}
  cta-data-direct list"""
