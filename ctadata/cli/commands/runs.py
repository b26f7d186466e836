"""The commands `runs`, `runs list` and `runs show`: the transfers that go on, and the last ones."""

from __future__ import annotations

import dataclasses
import time
from typing import Annotated

import typer

from ctadata.cli import options
from ctadata.cli.entry_lines import size_text, time_text
from ctadata.cli.output import PROGRAM, format_rfc3339, say, write_json, write_line
from ctadata.cli.run_records import LOST, RUNNING, RunRecord, find_record, read_records
from ctadata.errors import UsageError
from ctadata.printable import escape_unprintable
from ctadata.process_identity import host_name
from ctadata.progress import units

RunId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        show_default=False,
        help="The first word of a line of runs, or its beginning.",
        autocompletion=lambda: [record.id for record in read_records()],
    ),
]


def runs(ctx: typer.Context, json: options.Json = False) -> None:
    """List or show running transfers, and the last ones.

    \b
      cta-data-direct runs                 the same as runs list
      cta-data-direct runs show 6f1a2c
    """
    if ctx.invoked_subcommand is None:
        list_runs(ctx, json)
    elif json:
        raise UsageError(f"--json stands after runs {ctx.invoked_subcommand}")


def list_runs(ctx: typer.Context, json: options.Json = False) -> None:
    """List the transfers that go on, and the last ones.

    \b
      cta-data-direct runs list

    Each line has the id, the beginning, the state, the percentage, files, bytes
    and the command line, then the receipt. A run whose process is gone without
    a word has ended so. The last 100 runs are kept, of all machines that share
    your home; only you can read them.
    """
    common = options.begin(ctx)
    records = read_records()
    for record in records:
        if json:
            write_json(_as_json(record))
        else:
            write_line(_line(record))
    if not records and not common.quiet:
        say("there is no record of a run")


def show_run(ctx: typer.Context, run: RunId, json: options.Json = False) -> None:
    """Show a transfer that goes on, or one of the last ones.

    \b
      cta-data-direct runs show 6f1a2c
    """
    options.begin(ctx)
    record = find_record(run)
    if json:
        write_json(_as_json(record))
        return
    for name, text in _facts(record):
        if text:
            write_line(f"{name:<12}{escape_unprintable(text)}")


def _line(record: RunRecord) -> str:
    receipt = f"  receipt {record.receipt}" if record.receipt else ""
    cells = (
        record.id,
        time_text(record.began),
        f"{record.state:<7}",
        f"{record.percent:>3}%",
        units.files(record.files_done),
        size_text(record.moved),
        escape_unprintable(f"{record.command.removeprefix(f'{PROGRAM} ')}{receipt}"),
    )
    return "  ".join(cells)


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    """Return the lines of `runs show`: what a user asks for, and how to go on."""
    seconds = (record.ended or (time.time() if record.state == RUNNING else record.updated)) - record.began
    failed = f", {record.files_failed} failed" if record.files_failed else ""
    moved = f"{units.size(record.moved)} of {units.size(record.size)}"
    code = "" if record.exit_code is None else f", exit code {record.exit_code}"
    is_here = record.host == host_name() and record.state == RUNNING
    left = (record.size - record.moved) / record.rate if record.rate and record.state == RUNNING else 0.0
    return [
        ("run", record.id),
        ("state", f"{record.state}{code}"),
        ("command", record.command),
        ("directory", record.directory),
        ("profile", record.profile),
        ("process", f"{record.pid} on {record.host}"),
        ("began", time_text(record.began)),
        ("took", units.duration(seconds)),
        ("files", f"{record.files_done} of {record.files}{failed}"),
        ("bytes", f"{moved}, {record.percent}%"),
        ("rate", f"{units.rate(record.rate)}, {units.duration(left)} left" if left else ""),
        ("seen", time_text(record.updated) if record.state in (RUNNING, LOST) else ""),
        ("destination", record.destination or ""),
        ("receipt", record.receipt or ""),
        ("log", record.log or ""),
        ("end", record.message),
        ("to stop it", f"kill {record.pid}" if is_here else ""),
        ("to go on", "the same command continues where this one ended" if record.state == LOST else ""),
    ]


def _as_json(record: RunRecord) -> dict[str, object]:
    times = {name: format_rfc3339(getattr(record, name)) for name in ("began", "updated", "ended")}
    fields = {**dataclasses.asdict(record), **times, "percent": record.percent}
    return {name: value for name, value in fields.items() if name != "process"}
