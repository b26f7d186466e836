"""The options that all commands know, before or after the command's name, and the session that they choose."""

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

OPEN_FILES = 4096
"""The number of files that a command with a session may open, if the system allows it. Some systems begin with 256."""


@dataclass(slots=True)
class Common:
    """The values of the common options.

    Attributes:
        profile: The profile that the user named; None if there is none.
        verbose: The number of `-v`.
        quiet: `-q` is given.
        platform: The command goes through the platform's services, which have no profiles.
    """

    profile: str | None = None
    verbose: int = 0
    quiet: bool = False
    platform: bool = False

    @property
    def site(self) -> str:
        """The name of the site in receipts: the profile's, or `platform`.

        Raises:
            ConfigError: The profile is not known.
        """
        return PLATFORM_SITE if self.platform else self.resolve().profile.name

    def resolve(self, overrides: Mapping[str, str] | None = None) -> Resolved:
        """Return the profile to use, with the origin of each setting.

        Args:
            overrides: Settings that options of the command set.

        Raises:
            ConfigError: The profile or a setting is not valid.
            UsageError: The command goes through the platform's services.
        """
        from ctadata.config.resolve import resolve_profile

        if self.platform:
            raise UsageError("the download service has no login of its own", hint="log in with cta-data-direct")

        return resolve_profile(self.profile, overrides=overrides or {})

    def who_logs_in(self, via: str | None = None) -> ProfileOf:
        """Return the profile for a command of the agent.

        Args:
            via: The program that keeps the login, `agent` or `oidc-agent`; None takes the one that kept it last.

        Raises:
            UsageError: The profile is an S3 store without an issuer, which has no login.
        """
        from ctadata.agent.token_backends import with_last_token_source

        profile = self.resolve({"token_source": via} if via else None).profile
        if profile.kind == "s3" and not profile.issuer:
            raise UsageError(
                f"the profile {profile.name} is an S3 store: it needs an access key, and no login",
                hint=f"cta-data-direct -P {profile.name} credentials import",
            )
        return profile if via else with_last_token_source(profile)

    @contextlib.contextmanager
    def session(
        self, stop: threading.Event, token_file: Path | None, jobs: str | None = None, at_once: int = 1
    ) -> Iterator[Session]:
        """Open the session of a command; with `-v`, print its limit if it is shared, and at its end the token's origin.

        The process may then open `OPEN_FILES` files, if the system allows it. Programs that `exec` and other commands
        start have no session, and keep the limit of the user's shell.

        Args:
            stop: The event that ends the work.
            token_file: The file with the token; None takes the token from the profile.
            jobs: The text of `--jobs`; None takes the setting of the profile.
            at_once: The number of tasks that share the limit of requests to one server.
        """
        from ctadata.system import raise_open_file_limit

        raise_open_file_limit(OPEN_FILES)
        with self._open(stop, token_file, {} if jobs is None else {"jobs": jobs}, at_once) as session:
            if self.verbose and at_once > 1:
                count = "1 request" if session.limit.most == 1 else f"{session.limit.most} requests"
                say(f"at most {count} to one server at a time, because {at_once} tasks run at once")
            try:
                yield session
            finally:
                if self.verbose and session.source_of_token:
                    what = "access key" if session.profile.kind == "s3" else "token"
                    say(f"profile {session.profile.name}, {what} from {session.source_of_token}")

    def _open(
        self, stop: threading.Event, token_file: Path | None, overrides: Mapping[str, str], at_once: int
    ) -> Session:
        if self.platform:
            from ctadata.cli.platform import open_platform_session

            return open_platform_session(self.profile, stop, token_file, overrides, at_once)
        from ctadata.session import Session

        return Session.open(self.resolve(overrides), token_file=token_file, stop=stop, at_once=at_once)


PLATFORM_SITE = "platform"
AT_PLATFORM = {
    *("list", "stat", "exists", "tree", "du", "find", "checksum", "get-home", "get", "cat", "put", "sync", "verify"),
    *("mkdir", "upload-personal-certificate", "upload-shared-certificate", "certificate-status"),
}
"""The commands that `cta-data` runs through the platform's services; the others are those of `cta-data-direct`."""


def begin(ctx: typer.Context) -> Common:
    """Return the common options, and start the log that they ask for.

    Raises:
        ConfigError: The settings come through a pipe, which has none.
    """
    from ctadata.cli.log import start_log

    common = get_common(ctx)
    verbose = 2 if os.environ.get("CTADATA_DEBUG", "0") not in ("", "0") else common.verbose
    start_log(verbose, quiet=common.quiet)
    if os.environ.get("CTADATA_CONFIG") and not common.platform:
        from ctadata.config.resolve import read_piped_settings

        read_piped_settings()
    return common


def get_common(ctx: typer.Context) -> Common:
    """Return the common options that are parsed so far."""
    common = ctx.find_root().ensure_object(Common)
    assert isinstance(common, Common)
    common.platform = PROGRAM == PLATFORM and ctx.info_name in AT_PLATFORM
    return common


def take_profile(ctx: typer.Context, value: str | None) -> None:
    """Store the name of the profile; UsageError if another one was named before."""
    common = get_common(ctx)
    if value is None:
        return
    if common.profile not in (None, value):
        raise UsageError(f"two profiles are named, {common.profile} and {value}")
    common.profile = value


def _take_dev(ctx: typer.Context, value: bool) -> None:
    if value:
        take_profile(ctx, DEVELOPMENT_PROFILE)


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
    """The profiles whose names begin like the incomplete word."""
    from ctadata.config.resolve import resolve_profile

    try:
        profiles = resolve_profile(env={**os.environ, "CTADATA_PROFILE": ""}).known
    except Exception:  # noqa: BLE001  (completion prints no messages)
        return []
    return [name for name in profiles if name.startswith(incomplete)]


# The callbacks store these options in `Common`, wherever they stand; commands do not have them as parameters.
Profile = Annotated[
    str | None,
    typer.Option(
        "-P",
        "--profile",
        metavar="NAME",
        help="The profile of the site to use.",
        callback=take_profile,
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
        help="Show the steps; twice: show all details.",
        callback=_take_verbose,
        expose_value=False,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("-q", "--quiet", help="Show errors only.", callback=_take_quiet, expose_value=False),
]
NoInput = Annotated[
    bool,
    typer.Option(
        "--no-input",
        help="Ask no questions; a command that needs an answer fails.",
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

# Options that several commands share.
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="Read the token from FILE, and from nowhere else."),
]
Jobs = Annotated[
    str | None,
    typer.Option(
        "-j",
        "--jobs",
        metavar="N",
        help="The number of files in work at a time, 1 to 128; the usual number follows the servers' answers.",
    ),
]
Via = Annotated[
    str | None,
    typer.Option("--via", metavar="NAME", help="The program that keeps the login: agent (ours) or oidc-agent."),
]
Login = Annotated[bool, typer.Option("--login", help="If there is no token, log in first and start the agent.")]
NoClobber = Annotated[
    bool, typer.Option("--no-clobber", help="Keep existing files that differ; the exit code is then 8.")
]
Human = Annotated[
    bool,
    typer.Option("-h", "-H", "--human-readable", help="Print sizes with units in a pipe too, as on a terminal."),
]
ColumnNames = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="NAMES",
        help="Show these columns: kind, size, time, locality, checksum, etag, path; commas separate them.",
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        "--include", metavar="PATTERN", help="Take only names that match ('*.h5', 'run_*/log/', '**/a'); repeatable."
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="PATTERN", help="Leave out names that match, also included ones; repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object a line.")]
