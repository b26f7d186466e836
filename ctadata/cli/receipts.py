"""Read the receipt of an earlier run, and transfer again what failed in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ctadata.cli.options import Common
from ctadata.cli.transfer_run import Work
from ctadata.errors import UsageError
from ctadata.transfer.equality import Compare
from ctadata.transfer.path_mapping import retry_receipt
from ctadata.transfer.plan import Rules
from ctadata.transfer.receipt import Record, read_receipt, unfinished


def retry_work(common: Common, action: str, receipt: Path, rules: Rules, folders: Sequence[str]) -> Work:
    """Return the work of `--retry-failed`: transfer again what a receipt records as failed.

    Args:
        common: The common options; the receipt's profile becomes the one in use.
        action: `get` or `put`, the direction of the transfer.
        receipt: The file that an earlier run wrote with `--receipt`.
        rules: The rules of the run; with `Compare.CHECKSUM`, damaged files are transferred again too.
        folders: The local directories that may contain the receipt's files; an empty sequence means the current one.

    Raises:
        UsageError: The file is no receipt or belongs to the other direction, or a folder does not exist.
    """
    damaged = rules.compare is Compare.CHECKSUM
    for folder in folders:
        if not Path(folder).is_dir():
            raise UsageError(
                "--retry-failed takes its files from the receipt, and its arguments are existing local directories",
                path=folder,
            )
    allowed = [Path(folder) for folder in folders or ["."]]
    records = list(unfinished(read_records(common, receipt), action, damaged=damaged))
    return lambda session, reporter: retry_receipt(session.run(rules, reporter), action, records, allowed)


def read_records(common: Common, receipt: Path) -> list[Record]:
    """Return the records of a receipt, and use their profile if the user named none.

    Args:
        common: The common options.
        receipt: The file that an earlier run wrote with `--receipt`.

    Raises:
        UsageError: The file is no receipt, or belongs to another profile.
        ConfigError: The profile of the receipt is not known.
    """
    records = read_receipt(receipt)
    profiles = {record.profile for record in records}
    if common.profile is None and len(profiles) == 1 and profiles != {common.site} and not common.platform:
        [common.profile] = profiles
    if profiles != {common.site}:
        raise UsageError(f"the receipt is one of the profile {' and '.join(sorted(profiles))}", path=str(receipt))
    return records
