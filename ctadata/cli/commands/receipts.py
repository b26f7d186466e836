"""The commands `receipts merge` and `receipts summary`: add up the receipts of many runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctadata.cli import options
from ctadata.cli.output import say, write_json, write_line
from ctadata.cli.receipt_plot import check_picture, draw
from ctadata.cli.receipts import expand_patterns
from ctadata.errors import PartialFailure
from ctadata.printable import escape_unprintable
from ctadata.progress import units
from ctadata.transfer.receipt import last_lines
from ctadata.transfer.receipt_summary import ReceiptSummary, summarize
from ctadata.transfer.receipt_timeline import read_timeline
from ctadata.transfer.report import State

Receipts = Annotated[
    list[str],
    typer.Argument(
        metavar="RECEIPT", show_default=False, help="Files that --receipt wrote; a pattern ('r.*.jsonl') works too."
    ),
]


def merge(ctx: typer.Context, receipts: Receipts) -> None:
    """Write one receipt with the last line about each file.

    \b
      cta-data-direct receipts merge r.*.jsonl > all.jsonl
      cta-data-direct verify all.jsonl

    Of several lines about one file, the newest one counts. A line that a killed
    run has left incomplete is left out, and stderr says so.
    """
    common = options.begin(ctx)
    lines = last_lines(expand_patterns(receipts))
    for _, line in lines.records:
        write_line(line)
    count = sum(lines.incomplete.values())
    if count and not common.quiet:
        were = "1 incomplete line is" if count == 1 else f"{count} incomplete lines are"
        say(f"{were} left out: killed runs end so")


def summary(
    ctx: typer.Context,
    receipts: Receipts,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw rate, failures and retries over time: an .svg or .png."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Show the sums of receipts: files, bytes, failures, time.

    \b
      cta-data-direct receipts summary r.*.jsonl
      cta-data-direct receipts summary --json r.*.jsonl | jq .failed
      cta-data-direct receipts summary --plot night.svg r.*.jsonl

    Each file counts once, by the newest line about it. The time is from the
    start of the first file to the end of the last one, over all tasks. --plot
    needs matplotlib: pip install 'ctadata[plot]'. The exit code is 6 if lines of
    a receipt cannot be read.
    """
    options.begin(ctx)
    if plot is not None:
        check_picture(plot)
    lines = last_lines(expand_patterns(receipts))
    records = [record for record, _ in lines.records]
    sums = summarize(records)
    if plot is not None:
        draw(read_timeline(records), plot)
    if json:
        write_json(_as_json(sums))
    else:
        _write(sums)
    for error in lines.errors:
        say(str(error))
    if lines.errors:
        raise typer.Exit(PartialFailure.exit_code)


def _as_json(sums: ReceiptSummary) -> dict[str, object]:
    return {
        "files": {str(state): sums.files[state] for state in State},
        "size": sums.size,
        "failed": dict(sums.failures.most_common()),
        "slowest": [
            {"path": "/".join(record.path.parts), "size": record.size, "seconds": record.seconds}
            for record in sums.slowest
        ],
        "seconds": None if sums.seconds is None else round(sums.seconds, 3),
        "rate": None if sums.rate is None else round(sums.rate, 1),
    }


def _write(sums: ReceiptSummary) -> None:
    if not sums.files:
        write_line(units.files(0))
    for state in State:
        if count := sums.files[state]:
            size = f", {units.size(sums.size)}" if state is State.DONE else ""
            write_line(f"{state:<8}  {units.files(count)}{size}")
    if sums.seconds is not None:
        rate = f", {units.rate(sums.rate)}" if sums.rate else ""
        write_line(f"{'time':<8}  {units.duration(sums.seconds)}{rate}")
    for reason, count in sums.failures.most_common():
        write_line(f"{'reason':<8}  {units.files(count)}: {escape_unprintable(reason)}")
    for record in sums.slowest:
        path = escape_unprintable("/".join(record.path.parts))
        took = units.duration(record.seconds) if record.seconds >= 60 else f"{record.seconds:.1f} s"
        write_line(f"{'slowest':<8}  {took}: {path} ({units.size(record.size)})")
