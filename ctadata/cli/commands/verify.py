"""`verify`: are the files of a receipt still what they were?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctadata.cli import options, transfer_options
from ctadata.cli.run_output import RunOutput
from ctadata.cli.transfer_options import RunOptions
from ctadata.cli.transfer_run import move


def verify(
    ctx: typer.Context,
    receipt: Annotated[Path, typer.Argument(metavar="RECEIPT", help="What --receipt has written.")],
    remote: Annotated[bool, typer.Option("--remote", help="The files on the storage, not those here.")] = False,
    json: options.Json = False,
    jobs: options.Jobs = None,
    token_file: options.TokenFile = None,
) -> None:
    """Check the files of a receipt.

    \b
      cta-data-direct get -r lst/run1 --receipt run1.jsonl
      cta-data-direct verify run1.jsonl            those here
      cta-data-direct verify --remote run1.jsonl   those on the storage
      cta-data-direct get --retry-failed run1.jsonl --checksum
                                                   what is wrong here, anew

    Sizes and checksums are compared with those of the transfer. What failed
    then counts as wrong; the exit code is 7 where content differs, 3 where
    files are missing, 6 where some are right and some wrong.
    """
    from ctadata.transfer.verify_receipt import verify_receipt

    common = options.begin(ctx)
    records = transfer_options.records_of(common, receipt)
    source = "put" if remote else "get"
    again = [source, "--retry-failed", str(receipt), "--checksum"]
    move(
        common,
        lambda session, reporter: verify_receipt(session.run(None, reporter), records, remote=remote),
        RunOutput("verify", json, mend=again if {record.action for record in records} == {source} else ()),
        RunOptions(jobs=jobs, token_file=token_file),
    )
