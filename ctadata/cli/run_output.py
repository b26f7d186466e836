"""How a run is accounted for, beside its progress: lines of JSON on stdout, what a dry run foresees, a receipt."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ctadata.cli.options import Common
from ctadata.cli.output import PROGRAM, data, data_json
from ctadata.errors import LocalError, StorageFull

if TYPE_CHECKING:
    from ctadata.transfer.receipt import ReceiptWriter
    from ctadata.transfer.report import Outcome, Reporter


@dataclass(frozen=True, slots=True)
class RunOutput:
    """What is wanted.

    action:  `get` or `put`, the direction; `verify`.
    json:    each outcome as a line of JSON on stdout.
    dry_run: what would be done, in words on stdout where JSON is not wanted.
    receipt: the file that is added to.
    bases:   the local folders that things land in.
    onward:  what to know of a run that was stopped.
    mend:    the command that has anew what `verify` finds wrong; empty where the other side is not the source.
    """

    action: str
    json: bool = False
    dry_run: bool = False
    receipt: Path | None = None
    bases: Sequence[Path] = ()
    onward: str = "the same command goes on where this one ends"
    mend: Sequence[str] = ()

    @contextlib.contextmanager
    def kept(self, reporter: Reporter, profile: str, *, verbose: bool) -> Iterator[Reporter]:
        """A reporter that keeps the account too; at the end, OSError of stdout, LocalError of the receipt."""
        from ctadata.transfer.receipt import ReceiptWriter, open_receipt
        from ctadata.transfer.report import TeeReporter

        receipt = None if self.receipt is None or self.dry_run else open_receipt(self.receipt)
        book = _Book(self, ReceiptWriter(self.action, profile, self.bases), receipt, verbose)
        try:
            yield TeeReporter(reporter, book.write) if self.json or self.dry_run or receipt else reporter
        finally:
            book.close()
        book.check()

    def again(self, common: Common, failed: Sequence[Outcome]) -> str:
        """The command that does again what failed, or mends what is wrong, in words."""
        profile = ["-P", common.profile] if common.profile else []
        if self.mend:
            return f"to have them anew: {shlex.join([PROGRAM, *profile, *self.mend, *_elsewhere(failed)])}"
        words = [PROGRAM, *sys.argv[1:]]
        if self.receipt is not None:
            file = str(self.receipt)
            retry = [self.action, "--retry-failed", file, *_elsewhere(failed), "--receipt", file]
            words = [PROGRAM, *profile, *retry]
        return f"to try again: {shlex.join(words)}"


def _elsewhere(failed: Sequence[Outcome]) -> list[str]:
    """The directory of files that do not lie below the current one, which a receipt by itself must not reach."""
    here = Path.cwd()
    folders = {os.path.realpath(outcome.local.parent) for outcome in failed if outcome.local is not None}
    outside = [folder for folder in folders if not Path(folder).is_relative_to(here)]
    return [os.path.commonpath(outside), *(["."] if len(outside) < len(folders) else [])] if outside else []


@dataclass(slots=True)
class _Book:
    account: RunOutput
    voucher: ReceiptWriter
    receipt: TextIO | None
    verbose: bool
    broken: OSError | None = None
    torn: OSError | None = None

    def write(self, outcome: Outcome) -> None:
        """Write down one outcome; a place that does not take it any more is left alone, and told of at the end."""
        if self.receipt is not None and self.torn is None:
            try:
                self.receipt.write(json.dumps(self.voucher.as_json(outcome)) + "\n")
            except OSError as error:
                self.torn = error
        if self.broken is None:
            try:
                self._show(outcome)
            except OSError as error:
                self.broken = error

    def _show(self, outcome: Outcome) -> None:
        from ctadata.progress.format import dry_run_line

        if self.account.json:
            data_json(self.voucher.as_json(outcome))
        elif self.account.dry_run and (self.verbose or outcome.state != "skipped"):
            data(dry_run_line(outcome, self.account.action))

    def close(self) -> None:
        """Let go of the receipt."""
        if self.receipt is not None:
            try:
                self.receipt.close()
            except OSError as error:
                self.torn = self.torn or error

    def check(self) -> None:
        """Raise what could not be written."""
        if self.torn is not None:
            kind = StorageFull if self.torn.errno in (errno.ENOSPC, errno.EDQUOT) else LocalError
            path = str(self.account.receipt)
            raise kind(f"the receipt is not complete: {self.torn.strerror}", path=path) from self.torn
        if self.broken is not None:
            raise self.broken
