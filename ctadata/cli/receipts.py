"""Read the receipt of an earlier run, and transfer again what failed in it."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ctadata.cli.options import Common
from ctadata.cli.transfer_run import Work
from ctadata.errors import CtadataError, UsageError
from ctadata.local_paths import exists, is_directory
from ctadata.paths import missing_file_error
from ctadata.printable import escape_unprintable
from ctadata.transfer.equality import Compare
from ctadata.transfer.plan import Rules
from ctadata.transfer.receipt import Record, last_lines, unfinished
from ctadata.transfer.receipt_retry import retry_receipt
from ctadata.transfer.report import Reporter, Summary

if TYPE_CHECKING:
    from ctadata.session import Session


def retry_work(common: Common, action: str, receipts: Sequence[str], rules: Rules, folders: Sequence[str]) -> Work:
    """Return the work of `--retry-failed`: transfer again what a receipt records as failed.

    Args:
        common: The common options; the receipt's profile becomes the one in use.
        action: `get` or `put`, the direction of the transfer.
        receipts: The files that earlier runs wrote with `--receipt`, or patterns.
        rules: The rules of the run; with `Compare.CHECKSUM`, damaged files are transferred again too.
        folders: The local directories that may contain the receipt's files; an empty sequence means the current one.

    Raises:
        UsageError: The file is no receipt or belongs to the other direction, or a folder does not exist.
    """
    damaged = rules.compare is Compare.CHECKSUM
    for folder in folders:
        if not is_directory(Path(folder)):
            raise UsageError(
                "--retry-failed takes its files from the receipt, and its arguments are existing local directories",
                hint="a pattern for several receipts needs quotes",
                path=folder,
            )
    allowed = [Path(folder) for folder in folders or ["."]]
    known, errors = read_records(common, receipts)
    try:
        records = list(unfinished(known, action, damaged=damaged))
    except UsageError as error:
        error.path = escape_unprintable(", ".join(receipts))
        raise

    def work(session: Session, reporter: Reporter) -> Summary:
        run = session.run(rules, reporter)
        run.summary.other_errors += errors
        return retry_receipt(run, action, records, allowed)

    return work


def read_records(common: Common, receipts: Sequence[str]) -> tuple[list[Record], list[CtadataError]]:
    """Return the records of some receipts, and an error for each receipt with lines that cannot be read.

    If the user named no profile, that of the receipts becomes the one in use.

    Args:
        common: The common options.
        receipts: The files that earlier runs wrote with `--receipt`, or patterns.

    Raises:
        UsageError: A file is no receipt, or belongs to another profile.
        ConfigError: Other users may have written a file, or the profile of the receipt is not known.
    """
    lines = last_lines(expand_patterns(receipts))
    records = [record for record, _ in lines.records]
    profiles = {record.profile for record in records}
    if common.profile is None and len(profiles) == 1 and profiles != {common.site} and not common.platform:
        [common.profile] = profiles
    if not profiles <= {common.site}:
        words = f"the receipt is one of the profile {' and '.join(sorted(profiles))}"
        raise UsageError(words, path=", ".join(receipts))
    return records, lines.errors


def expand_patterns(texts: Sequence[str]) -> dict[Path, bool]:
    """Return the files that paths and patterns name, the matches of a pattern sorted by name.

    Returns:
        Each file, and whether a path names it; False if only a pattern has found it.

    Raises:
        UsageError: A pattern matches no file.
        NotFound: There is no such file.
    """
    files: dict[Path, bool] = {}
    for text in texts:
        if exists(Path(text)):
            files[Path(text)] = True
        elif not glob.has_magic(text):
            raise missing_file_error(text)
        elif matches := sorted(glob.glob(text)):  # noqa: PTH207
            for match in matches:
                files.setdefault(Path(match), False)
        else:
            raise UsageError("no file matches this pattern", path=escape_unprintable(text))
    return files
