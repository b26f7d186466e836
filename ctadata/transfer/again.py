"""Doing again what a receipt says has failed, or is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ctadata.transfer import path_mapping
from ctadata.transfer.download_tree import download
from ctadata.transfer.receipt import Record
from ctadata.transfer.report import Summary
from ctadata.transfer.run import Run
from ctadata.transfer.upload_tree import upload


def do_again(run: Run, action: str, records: Sequence[Record], folders: Sequence[Path]) -> Summary:
    """Move the files of these records, `get` or `put` as the receipt says; gives the summary.

    folders: the local directories that they may lie in; a record of any other place is a failure.
    """
    if action == "get":
        return download(run, path_mapping.landings_again(records, folders))
    return upload(run, path_mapping.departures_again(records, folders, follow_links=run.rules.follow_links))
