"""The command `verify`: compare files with the receipt of their transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options
from ctadata.cli.receipts import read_records
from ctadata.cli.run_output import RunOutput
from ctadata.cli.sharing import AtOnce, ShardOption
from ctadata.cli.transfer_options import RunOptions
from ctadata.cli.transfer_run import run_transfer
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import Reporter, Summary
from ctadata.transfer.verify_receipt import verify_receipt

if TYPE_CHECKING:
    from ctadata.session import Session


def verify(
    ctx: typer.Context,
    receipts: Annotated[
        list[str],
        typer.Argument(
            metavar="RECEIPT", show_default=False, help="Files that --receipt wrote, or patterns ('r.*.jsonl')."
        ),
    ],
    remote: Annotated[
        bool, typer.Option("--remote", help="Verify the files on the storage, in place of the local ones.")
    ] = False,
    json: options.Json = False,
    jobs: options.Jobs = None,
    shard: ShardOption = None,
    at_once: AtOnce = None,
    token_file: options.TokenFile = None,
) -> None:
    """Verify the files of a receipt.

    \b
      cta-data-direct get -r lst/run1 --receipt run1.jsonl
      cta-data-direct verify run1.jsonl            the local files
      cta-data-direct verify --remote run1.jsonl   the files on the storage
      cta-data-direct verify r.*.jsonl             those of many tasks
      cta-data-direct get --retry-failed run1.jsonl --checksum
                                                   get damaged files again

    Sizes and checksums are compared with those of the transfer. A file whose
    transfer failed counts as damaged. The exit code is 7 if contents differ, 3
    if files are missing, and 6 if some files are verified and others are not,
    or if lines of a receipt cannot be read.
    """
    common = options.begin(ctx)
    records, errors = read_records(common, receipts)
    source = "put" if remote else "get"
    again = [source, *(word for receipt in receipts for word in ("--retry-failed", receipt)), "--checksum"]
    run_options = RunOptions(jobs=jobs, token_file=token_file, shard=shard, at_once=at_once)
    rules = Rules(shard=run_options.sharing.shard)

    def work(session: Session, reporter: Reporter) -> Summary:
        run = session.run(rules, reporter)
        run.summary.other_errors += errors
        return verify_receipt(run, records, remote=remote)

    output = RunOutput(
        "verify",
        json,
        if_stopped="the same command verifies all files again",
        repair=again if {record.action for record in records} == {source} else (),
    )
    run_transfer(common, work, output, run_options)
