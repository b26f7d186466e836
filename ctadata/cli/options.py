"""The options that every command knows, before or after its name; and what a command starts with."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli.output import PLATFORM, PROGRAM, say
from ctadata.config.builtin import DEVELOPMENT_PROFILE
from ctadata.errors import UsageError

if TYPE_CHECKING:
    from ctadata.config.profile import Profile as ProfileOf
    from ctadata.config.resolve import Resolved
    from ctadata.session import Session


@dataclass(slots=True)
class Common:
    """What was said before or after the command.

    profile: None where nobody named one.   verbose: how often -v.
    platform: whether this command goes through the platform's services, which know no profiles.
    """

    profile: str | None = None
    verbose: int = 0
    quiet: bool = False
    platform: bool = False

    @property
    def site(self) -> str:
        """What receipts call the place; ConfigError."""
        return PLATFORM_SITE if self.platform else self.resolve().profile.name

    def resolve(self, overrides: Mapping[str, str] | None = None) -> Resolved:
        """The profile to use; ConfigError, UsageError where the platform's services are meant."""
        from ctadata.config.resolve import resolve_profile

        if self.platform:
            raise UsageError("the download service knows no login of its own", hint="cta-data-direct logs in")

        return resolve_profile(self.profile, overrides=overrides or {})

    def who_logs_in(self, via: str | None = None) -> ProfileOf:
        """The profile for the commands of the agent: `via` says who keeps the login, else the last agent does.

        UsageError where nobody logs in.
        """
        from ctadata.agent.token_backends import with_last_token_source

        profile = self.resolve({"token_source": via} if via else None).profile
        if profile.kind == "s3":
            raise UsageError(
                f"the profile {profile.name} is an S3 store: it takes an access key, and no login",
                hint=f"cta-data-direct -P {profile.name} credentials import",
            )
        return profile if via else with_last_token_source(profile)

    @contextlib.contextmanager
    def session(self, stop: threading.Event, token_file: Path | None, jobs: str | None = None) -> Iterator[Session]:
        """The session of a command; with -v it tells at its end whose token was used."""
        with self._open(stop, token_file, {} if jobs is None else {"jobs": jobs}) as session:
            try:
                yield session
            finally:
                if self.verbose and session.source_of_token:
                    what = "access key" if session.profile.kind == "s3" else "token"
                    say(f"profile {session.profile.name}, {what} from {session.source_of_token}")

    def _open(self, stop: threading.Event, token_file: Path | None, overrides: Mapping[str, str]) -> Session:
        if self.platform:
            from ctadata.cli.platform import open_platform_session

            return open_platform_session(self.profile, stop, token_file, overrides)
        from ctadata.session import Session

        return Session.open(self.resolve(overrides), token_file=token_file, stop=stop)


PLATFORM_SITE = "platform"
AT_PLATFORM = {
    *("list", "stat", "exists", "tree", "du", "find", "checksum", "get-home", "get", "cat", "put", "sync", "verify"),
    *("mkdir", "upload-personal-certificate", "upload-shared-certificate", "certificate-status"),
}
"""What `cta-data` does through the platform's services; all else is as in `cta-data-direct`."""


def begin(ctx: typer.Context) -> Common:
    """What the user said of profile and words; the log is set up for it."""
    from ctadata.cli.log import start_log

    common = get_common(ctx)
    verbose = 2 if os.environ.get("CTADATA_DEBUG", "0") not in ("", "0") else common.verbose
    start_log(verbose, quiet=common.quiet)
    return common


def get_common(ctx: typer.Context) -> Common:
    """What was said so far, and where the command of this context goes."""
    common = ctx.find_root().ensure_object(Common)
    assert isinstance(common, Common)
    common.platform = PROGRAM == PLATFORM and ctx.info_name in AT_PLATFORM
    return common


def _take_profile(ctx: typer.Context, value: str | None) -> None:
    common = get_common(ctx)
    if value is None:
        return
    if common.profile not in (None, value):
        raise UsageError(f"two profiles are named, {common.profile} and {value}")
    common.profile = value


def _take_dev(ctx: typer.Context, value: bool) -> None:
    if value:
        _take_profile(ctx, DEVELOPMENT_PROFILE)


def _take_verbose(ctx: typer.Context, value: int) -> None:
    get_common(ctx).verbose += value


def _take_quiet(ctx: typer.Context, value: bool) -> None:
    common = get_common(ctx)
    common.quiet = common.quiet or value


def _take_no_input(value: bool) -> None:
    if value:
        os.environ["CTADATA_NO_INPUT"] = "1"


def _take_no_color(value: bool) -> None:
    if value:
        os.environ["CTADATA_NO_COLOR"] = "1"


def _complete_profile(incomplete: str) -> list[str]:
    """The profiles whose name begins so."""
    from ctadata.config.resolve import resolve_profile

    try:
        known = resolve_profile(env={**os.environ, "CTADATA_PROFILE": ""}).known
    except Exception:  # noqa: BLE001  (nobody wants words at a TAB)
        return []
    return [name for name in known if name.startswith(incomplete)]


# Each is taken by its callback, wherever it stands; no command has it as a parameter.
Profile = Annotated[
    str | None,
    typer.Option(
        "-P",
        "--profile",
        metavar="NAME",
        help="The site to use.",
        callback=_take_profile,
        expose_value=False,
        is_eager=True,
        autocompletion=_complete_profile,
    ),
]
Dev = Annotated[
    bool,
    typer.Option(
        "-d",
        "--dev",
        help=f"The development site, as -P {DEVELOPMENT_PROFILE}.",
        callback=_take_dev,
        expose_value=False,
        is_eager=True,
    ),
]
Verbose = Annotated[
    int,
    typer.Option(
        "-v",
        "--verbose",
        count=True,
        show_default=False,
        help="Tell what is done; twice: every step.",
        callback=_take_verbose,
        expose_value=False,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("-q", "--quiet", help="Errors only.", callback=_take_quiet, expose_value=False),
]
NoInput = Annotated[
    bool,
    typer.Option(
        "--no-input",
        help="Ask nothing; what would be asked fails.",
        callback=_take_no_input,
        expose_value=False,
        is_eager=True,
    ),
]
NoColor = Annotated[
    bool,
    typer.Option(
        "--no-color",
        help="No colours.",
        callback=_take_no_color,
        expose_value=False,
        is_eager=True,
    ),
]

# Parameters that several commands have.
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="A file with the token to use, before all others."),
]
Jobs = Annotated[
    str | None,
    typer.Option("-j", "--jobs", metavar="N", help="So many at a time, 1 to 64, whatever the servers answer."),
]
Via = Annotated[
    str | None,
    typer.Option("--via", metavar="NAME", help="Who keeps the login: agent (our own), or oidc-agent."),
]
Login = Annotated[bool, typer.Option("--login", help="Log in first where there is no token, and start the agent.")]
NoClobber = Annotated[bool, typer.Option("--no-clobber", help="Keep files that are there and differ; exit 8.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
