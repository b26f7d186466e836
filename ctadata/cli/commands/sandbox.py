"""`sandbox`: a small storage of one's own, to try things out without an account. Only here the sandbox is imported."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options
from ctadata.cli.output import data, say_raw
from ctadata.cli.signals import SIGNALS, signals_blocked
from ctadata.errors import AlreadyExists, CtadataError, LocalError

if TYPE_CHECKING:
    from ctadata.sandbox import Sandbox

_MARK = "# the settings of a sandbox, which end with it"


def _is_name(user: str) -> str:
    if "/" in user or user in ("", ".", "..") or not user.isprintable():
        raise typer.BadParameter(f"{user!r} is no user name")
    return user


def sandbox(
    ctx: typer.Context,
    approve: Annotated[bool, typer.Option("--approve", help="Every login is approved at once.")] = False,
    user: Annotated[str, typer.Option("--user", metavar="NAME", callback=_is_name, help="Who logs in.")] = "ada",
    token_lifetime: Annotated[
        int, typer.Option("--token-lifetime", metavar="SECONDS", min=1, help="How long a token lives.")
    ] = 300,
    write_config: Annotated[
        Path | None,
        typer.Option(
            "--write-config", metavar="FILE", help="Where to write the settings to use it; a new file elsewhere if not."
        ),
    ] = None,
) -> None:
    """Run a small storage of your own, to try things out.

    It is a miniature of CTA's: a door, two pools and a login of its own, on this
    machine only. No account is needed; it forgets everything at its end, which
    is Ctrl-C. In one terminal:

    \b
      cta-data-direct sandbox --write-config /tmp/sandbox.toml

    and in another one:

    \b
      export CTADATA_CONFIG=/tmp/sandbox.toml
      cta-data-direct start-agent                   approve it in the browser
      cta-data-direct put README.md home:
      cta-data-direct list -l home:
      cta-data-direct get lst/users/ada/README.md copy.md
      cta-data-direct stop-agent

    It writes the profile to use to stdout, and is ready when the file of
    settings is there.
    """
    common = options.begin(ctx)
    with (
        signals_blocked(),
        _running(approve=approve, user=user, token_lifetime=token_lifetime) as box,
        _written(f'default = "sandbox"\n\n{box.profile_toml()}', write_config) as path,
    ):
        for line in box.profile_toml().splitlines():
            data(line)
        if not common.quiet:
            say_raw(_welcome(path, approve=approve))
        signal.sigwait(SIGNALS)


@contextlib.contextmanager
def _running(*, approve: bool, user: str, token_lifetime: int) -> Iterator[Sandbox]:
    try:
        from ctadata.sandbox import Sandbox
    except ImportError as error:
        raise CtadataError(
            f"the sandbox needs {error.name}, which is not installed", hint="pip install 'ctadata[sandbox]'"
        ) from None
    with Sandbox(approve=approve, user=user, token_lifetime=token_lifetime) as box:
        yield box


@contextlib.contextmanager
def _written(settings: str, named: Path | None) -> Iterator[Path]:
    """The settings in a file, whole from its first moment, as long as the block lasts; AlreadyExists."""
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
    """A sandbox that was killed has left its file, and the next one takes it; nobody's settings are overwritten."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        if not file.readline().startswith(_MARK.encode()):
            raise AlreadyExists("it is there already, and no sandbox wrote it", hint="name another", path=str(path))


def _welcome(path: Path, *, approve: bool) -> str:
    login = "approved at once" if approve else "approve it in the browser"
    return f"""\
The sandbox is running; Ctrl-C ends it. In another terminal:

  export CTADATA_CONFIG={os.fspath(path)}
  cta-data-direct start-agent        # {login}
  cta-data-direct list"""
