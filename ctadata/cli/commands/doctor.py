"""The command `doctor`: find out which part between here and the storage does not work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.commands.config import as_toml
from ctadata.cli.output import say, write_json, write_line
from ctadata.cli.signals import stop_on_signals
from ctadata.config.resolve import Resolved
from ctadata.errors import LocalError
from ctadata.http.redaction import redact

if TYPE_CHECKING:
    from ctadata.doctor.finding import Finding


def doctor(
    ctx: typer.Context,
    path: Annotated[
        str | None, command_context.path_argument("A file to read; by default the doctor looks for one.", "[PATH]")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Try an upload in your home too; the file is deleted again.")
    ] = False,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", metavar="FILE", help="Write a report without secrets to this file, to send to the site."
        ),
    ] = None,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Check everything that a transfer needs, and say what to do.

    \b
      cta-data-direct doctor
      cta-data-direct doctor --write lst/run1/events.h5
      cta-data-direct doctor --bundle report.txt      a report for the site

    It checks TLS, the clock, the token, a listing, your home, the REST
    frontend, the servers that move the bytes, and checksums; at an S3 store
    the access key. The exit code is 1 if a check fails.
    """
    from ctadata.doctor.doctor import diagnose
    from ctadata.doctor.finding import Verdict

    common = options.begin(ctx)
    resolved = common.resolve()
    findings: list[Finding] = []
    with stop_on_signals() as stop, common.session(stop, token_file) as session:
        for finding in diagnose(session, path_text=path, write=write):
            findings.append(finding)
            _print_finding(finding, json=json)
    if bundle is not None:
        _write(bundle, _report(resolved, findings))
        say(f"the report is in {bundle}; read it before you send it")
    if any(finding.verdict is Verdict.FAIL for finding in findings):
        raise typer.Exit(1)


def _print_finding(finding: Finding, *, json: bool) -> None:
    if json:
        fields = {"what": finding.what, "verdict": str(finding.verdict), "words": finding.words}
        write_json({**fields, "advice": finding.advice or None})
    else:
        for line in finding_lines(finding):
            write_line(line)


def finding_lines(finding: Finding) -> Iterator[str]:
    """Yield the lines that show a finding to a person."""
    yield f"{finding.verdict:<4}  {finding.what:<10}  {redact(finding.words)}"
    if finding.advice:
        yield f"{'':18}{redact(finding.advice)}"


def _report(resolved: Resolved, findings: Sequence[Finding]) -> str:
    """Return the text of a report: versions, settings without secrets, findings."""
    import platform
    from importlib.metadata import version

    versions = [f"{name} {version(name)}" for name in ("ctadata", "pycurl", "requests", "typer")]
    lines = [
        ", ".join([*versions, f"Python {platform.python_version()}", platform.platform()]),
        "",
        *as_toml(resolved),
        "",
        *(line for finding in findings for line in finding_lines(finding)),
    ]
    return "\n".join(redact(line) for line in lines) + "\n"


def _write(bundle: Path, text: str) -> None:
    try:
        bundle.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LocalError(f"local: {error.strerror}", path=str(bundle)) from error
