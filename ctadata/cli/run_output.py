"""What a transfer writes beside its progress: JSON lines on stdout, the lines of a dry run, and the receipt."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctadata.cli.options import Common
from ctadata.cli.output import PROGRAM, leave_lost_terminal, write_json, write_line
from ctadata.errors import NotDeleted
from ctadata.progress.format import dry_run_line
from ctadata.shards import shard_of
from ctadata.transfer.report import Outcome, Reporter, TeeReporter

if TYPE_CHECKING:
    from ctadata.transfer.receipt import ReceiptWriter
    from ctadata.transfer.receipt_file import ReceiptFile


@dataclass(frozen=True, slots=True)
class RunOutput:
    """The output that the user asked for.

    Attributes:
        action: `get`, `put`, `copy`, `alias` or `verify`.
        json: Write each outcome as a JSON object on a line of stdout.
        dry_run: Transfer nothing; write to stdout what a run would do, unless `json` is set.
        receipt: The file that gets one JSON line per file; None writes no receipt.
        bases: The local directories that downloads go to; a receipt names files relative to them.
        if_stopped: The last line on stderr after Ctrl-C: how to go on.
        repair: The arguments of the command that transfers again what `verify` reports as damaged; empty if the other
            side of the receipt is not the source of the files.
        fills_terminal: The bytes of the files go to a terminal; then the run ends with it.
    """

    action: str
    json: bool = False
    dry_run: bool = False
    receipt: Path | None = None
    bases: Sequence[Path] = ()
    if_stopped: str = "the same command continues where this one ended"
    repair: Sequence[str] = ()
    fills_terminal: bool = False

    @contextlib.contextmanager
    def recording(self, reporter: Reporter, profile: str, *, verbose: bool) -> Iterator[Reporter]:
        """Yield a reporter that also writes each outcome to stdout and to the receipt.

        Args:
            reporter: Shows the progress.
            profile: The name of the profile, for the receipt.
            verbose: In a dry run, show the skipped files too.

        Raises:
            OSError: stdout took no more lines; raised when the block ends.
            LocalError: The receipt is not complete; raised when the block ends. StorageFull if its disk is full.
        """
        from ctadata.transfer.receipt import ReceiptWriter
        from ctadata.transfer.receipt_file import ReceiptFile

        lines = ReceiptWriter(self.action, profile, self.bases)
        receipt = None if self.receipt is None or self.dry_run else ReceiptFile(self.receipt, lines)
        writer = _OutcomeWriter(self, lines, receipt, verbose)
        try:
            yield TeeReporter(reporter, writer.write) if self.json or self.dry_run or receipt else reporter
        finally:
            writer.close()
        writer.raise_errors()

    def retry_hint(self, common: Common, failed: Sequence[Outcome]) -> str:
        """Return the line that shows the command which transfers the failed, or damaged, files again.

        Args:
            common: The common options; the command names the same profile.
            failed: The outcomes of the failed files.
        """
        profile = ["-P", common.profile] if common.profile else []
        if self.repair:
            return (
                f"to transfer them again: {shlex.join([PROGRAM, *profile, *self.repair, *_other_directories(failed)])}"
            )
        words = [PROGRAM, *_with_own_shard(sys.argv[1:])]
        has_deletion = any(isinstance(outcome.error, NotDeleted) for outcome in failed)
        if self.receipt is not None and not has_deletion:
            file = str(self.receipt)
            retry = [self.action, "--retry-failed", file, *_other_directories(failed), "--receipt", file]
            words = [PROGRAM, *profile, *retry]
        piped = " (with the same list on standard input)" if _reads_list(words) else ""
        return f"to try again: {shlex.join(words)}{piped}"


def _reads_list(words: Sequence[str]) -> bool:
    """Return whether a command reads a list of files from standard input."""
    return "--files-from=-" in words or ("--files-from", "-") in itertools.pairwise(words)


def _with_own_shard(words: Sequence[str]) -> list[str]:
    """Return the arguments with the number of the task in place of `--shard auto`, which only the scheduler knows."""
    if "auto" not in (each.removeprefix("--shard=") for each in words):
        return list(words)
    own = str(shard_of(os.environ))
    return [
        own if word == "auto" and before == "--shard" else f"--shard={own}" if word == "--shard=auto" else word
        for before, word in zip(["", *words], words, strict=False)
    ]


def _other_directories(failed: Sequence[Outcome]) -> list[str]:
    """The directories that `--retry-failed` must name: those of files outside the current directory.

    A receipt by itself reaches no file outside the current directory.
    """
    current = Path.cwd()
    directories = {os.path.realpath(outcome.local.parent) for outcome in failed if outcome.local is not None}
    outside = [directory for directory in directories if not Path(directory).is_relative_to(current)]
    return [os.path.commonpath(outside), *(["."] if len(outside) < len(directories) else [])] if outside else []


@dataclass(slots=True)
class _OutcomeWriter:
    output: RunOutput
    receipt_writer: ReceiptWriter
    receipt: ReceiptFile | None
    verbose: bool
    stdout_error: OSError | None = None

    def write(self, outcome: Outcome) -> None:
        """Write one outcome; after an error, write no more to that file or stream, and keep the error."""
        if self.receipt is not None:
            self.receipt.add(outcome)
        if self.stdout_error is None:
            try:
                self._show(outcome)
            except OSError as error:  # a run outlives its terminal, also before the signal has been received
                self.stdout_error = None if leave_lost_terminal(error) else error

    def _show(self, outcome: Outcome) -> None:
        if self.output.json:
            dry_run = {"dry_run": True} if self.output.dry_run else {}
            write_json({**self.receipt_writer.as_json(outcome), **dry_run})
        elif self.output.dry_run and (self.verbose or outcome.state != "skipped"):
            write_line(dry_run_line(outcome, self.output.action))

    def close(self) -> None:
        """Close the receipt."""
        if self.receipt is not None:
            self.receipt.close()

    def raise_errors(self) -> None:
        """Raise the error that a write met, the receipt's first."""
        if self.receipt is not None:
            self.receipt.raise_error()
        if self.stdout_error is not None:
            raise self.stdout_error
