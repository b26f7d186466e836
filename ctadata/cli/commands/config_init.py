"""The command `config init`: ask for a profile, try it as `doctor` does, and write it into the settings file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options
from ctadata.cli.commands.doctor import finding_lines
from ctadata.cli.output import PROGRAM, say, say_raw, write_line, write_text
from ctadata.cli.profile_questions import QUESTIONS, ask_name, check_name, collect_values, option_of, parse_values
from ctadata.cli.prompts import ask, can_prompt, confirm
from ctadata.cli.signals import stop_on_signals
from ctadata.cli.transfer_options import DryRun
from ctadata.config.builtin import BUILT_IN
from ctadata.config.edit import profile_table, put_profile
from ctadata.config.file import default_path, parse_settings, read_settings
from ctadata.config.resolve import Resolved, resolve_in, settings_file
from ctadata.errors import AlreadyExists, ConfigError, UsageError
from ctadata.permissions import refuse_open_folders
from ctadata.tokens.files import write_private

if TYPE_CHECKING:
    from ctadata.doctor.finding import Finding


def _take_name(ctx: typer.Context, value: str | None) -> str | None:
    options.take_profile(ctx, value)
    return value


def init(
    ctx: typer.Context,
    named: Annotated[  # noqa: ARG001  (the callback stores it, as that of -P does)
        str | None,
        typer.Argument(metavar="PROFILE", show_default=False, help="The name of the profile.", callback=_take_name),
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="The kind of the server: dcache, webdav or s3.")
    ] = None,
    door: Annotated[
        str | None, typer.Option("--door", metavar="URL", help="The server with the files, as https://host:2880.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="The S3 server, as https://host:9021.")
    ] = None,
    issuer: Annotated[
        str | None, typer.Option("--issuer", metavar="URL", help="The OpenID provider that issues the tokens.")
    ] = None,
    client_id: Annotated[
        str | None, typer.Option("--client-id", metavar="ID", help="The client id of this program at the issuer.")
    ] = None,
    home: Annotated[
        str | None, typer.Option("--home", metavar="PATH", help="Your home on the storage, as users/{user}.")
    ] = None,
    token_source: Annotated[
        str | None,
        typer.Option(
            "--token-source", metavar="NAME", help="The program that keeps the token fresh: agent or oidc-agent."
        ),
    ] = None,
    more: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another key of the profile, as ca=site.pem; repeatable."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Change a profile that exists; its other keys stay.")
    ] = False,
    untested: Annotated[bool, typer.Option("--untested", help="Write the profile without trying it.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Write a profile for a site, and try it first.

    \b
      cta-data-direct config init                ask for everything
      cta-data-direct config init mysite --door https://dcache.example.org:2880
      cta-data-direct config init store --endpoint https://s3.example.org
      cta-data-direct config init mysite --replace --home users/{user}
      cta-data-direct config init -n             print the profile only

    On a terminal the command asks for what no option names. It then tries the
    profile as doctor does, and writes it into the settings file that config
    names. The rest of the file stays as it is. No secret is written: start-agent
    and credentials import keep those in files of their own.
    """
    common = options.begin(ctx)
    texts = {"kind": kind, "door": door, "endpoint": endpoint, "issuer": issuer, "client_id": client_id}
    given = parse_values({**texts, "home": home, "token_source": token_source}, more or [])
    path = settings_file(os.environ) or default_path()
    profiles = parse_settings(path, _read(path)).profiles
    may_ask = can_prompt()
    if may_ask:
        say_raw("Enter takes the value in brackets; Ctrl-C ends, and nothing is written.")
    name = check_name(common.profile) if common.profile else ask_name() if may_ask else ""
    is_built_in = name in BUILT_IN
    if (name in profiles or is_built_in) and not replace:
        if not may_ask:
            raise _exists(name, path, is_built_in=is_built_in)
        where = "is built in" if is_built_in else f"exists in {path}"
        replace = confirm(f"the profile {name} {where}; change it?")
        if not replace:
            raise typer.Exit(1)
    values = collect_values(name, given, profiles.get(name, {}), may_ask=may_ask)
    if dry_run:
        _resolve(path, name, values)
        write_text(profile_table(name, values))
        return
    findings: list[Finding] = []
    while not untested:
        findings = _try(_resolve(path, name, values))
        failed = [each.what for each in findings if each.verdict == "fail" and not _is_before_login(each)]
        if not failed:
            break
        say(f"{', '.join(failed)}: failed")
        answer = (
            ask("y: write it all the same; KEY=VALUE: change a key, and try again; Enter: end: ") if may_ask else ""
        )
        if answer.lower() in ("y", "yes"):
            break
        if "=" not in answer:
            hint = "" if may_ask else " (--untested writes it without a try)"
            say(f"nothing is written{hint}; to try again: {_command_line(name, values, replace=replace)}")
            raise typer.Exit(1)
        values = _change(name, values, answer)
    _write(path, name, values, replace=replace)
    say(f"profile {name} written to {path}; next: {PROGRAM} -P {name} {_next_command(values, findings)}")


def _resolve(path: Path, name: str, values: Mapping[str, object]) -> Resolved:
    """Return the profile as the settings file would give it; ConfigError if a value is wrong."""
    return resolve_in(parse_settings(path, put_profile(_read(path), name, values, path)), name, env={})


def _change(name: str, values: dict[str, object], assignment: str) -> dict[str, object]:
    """Return the values after a change; a mistake in it changes nothing, and is shown."""
    try:
        return collect_values(name, {**values, **parse_values({}, [assignment])}, {}, may_ask=False)
    except UsageError as error:
        say(str(error))
        return values


def _read(path: Path) -> str:
    """Return the text of the settings file, which may be missing; refuse a file that other users may have written."""
    if path.exists() and not path.is_file():
        raise ConfigError("the settings are no regular file, so no profile can be written there", path=str(path))
    return read_settings(path, named=False, hint="choose another file: CTADATA_CONFIG=FILE") or ""


def _exists(name: str, path: Path, *, is_built_in: bool = False) -> AlreadyExists:
    if is_built_in:
        return AlreadyExists(f"the profile {name} is built in", hint="--replace changes it; its other keys stay")
    return AlreadyExists(f"the profile {name} exists", hint="--replace changes it", path=str(path))


def _try(resolved: Resolved) -> list[Finding]:
    """Run the checks of the doctor, and show each finding.

    Raises:
        typer.Exit: Ctrl-C stopped them.
    """
    from ctadata.doctor.doctor import diagnose
    from ctadata.session import Session

    say(f"trying {resolved.profile.address}")
    findings = []
    with stop_on_signals() as stop, Session.open(resolved, stop=stop) as session:
        for finding in diagnose(session):
            findings.append(finding)
            for line in [] if _is_before_login(finding) else finding_lines(finding):  # the last line says what is next
                write_line(line)
    return findings


def _is_before_login(finding: Finding) -> bool:
    return finding.needs_login and finding.what in ("token", "key")


def _write(path: Path, name: str, values: Mapping[str, object], *, replace: bool) -> None:
    """Put the profile into the settings file, which may have changed since it was read.

    Raises:
        AlreadyExists: The file has the profile, and it may not be changed.
        ConfigError: Other users may write the file.
        LocalError: The file cannot be written.
    """
    text = _read(path)
    if name in parse_settings(path, text).profiles and not replace:
        raise _exists(name, path)
    target = path.resolve()  # a symlink to the file stays
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    refuse_open_folders(path, what="these settings")
    write_private(target, put_profile(text, name, values, path))


def _next_command(values: Mapping[str, object], findings: Sequence[Finding]) -> str:
    """Return the command that the user needs next: a login, or else a listing."""
    if any(each.what in ("token", "key") and each.verdict == "ok" for each in findings):
        return "list"
    if values.get("issuer"):
        return "start-agent"
    return "credentials import" if values["kind"] == "s3" and not values.get("anonymous") else "list"


def _command_line(name: str, values: Mapping[str, object], *, replace: bool) -> str:
    """Return the command line that gives the same values."""
    words = [PROGRAM, "config", "init", name, *(["--replace"] if replace else [])]
    for key, value in values.items():
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        words += [option_of(key), text] if key in QUESTIONS else ["--set", f"{key}={text}"]
    return shlex.join(words)
