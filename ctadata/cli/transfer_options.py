"""The options that several commands share: which files, how fast, and how a run is reported; lists of names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from ctadata.cli import options
from ctadata.cli.options import Common
from ctadata.cli.output import PROGRAM, open_stdin
from ctadata.cli.run_output import RunOutput
from ctadata.errors import UsageError
from ctadata.progress import units

if TYPE_CHECKING:
    from ctadata.transfer.equality import Compare
    from ctadata.transfer.plan import Rules
    from ctadata.transfer.receipt import Record

Update = Annotated[bool, typer.Option("-u", "--update", help="Leave alone what is newer where it would be replaced.")]
SizeOnly = Annotated[bool, typer.Option("--size-only", help="Files of the same size are equal.")]
Checksum = Annotated[
    bool, typer.Option("--checksum", help="Files are equal by size and checksum alone, whatever their times.")
]
LimitRate = Annotated[
    str | None,
    typer.Option("--limit-rate", metavar="RATE", help="Bytes a second at most, of all files together: 500K, 10M, 1G."),
]


RawKey = Annotated[
    bool, typer.Option("--raw-key", help="PATH is s3://bucket/key, and the key is sent as it is written.")
]
Recursive = Annotated[bool, typer.Option("-r", "-R", "--recursive", help="Directories, with all they hold.")]
FollowLinks = Annotated[bool, typer.Option("-L", "--follow-links", help="Links to directories too; loops never.")]
SkipSpecial = Annotated[
    bool,
    typer.Option("--skip-special", help="Pass over links to nowhere or directories, sockets, FIFOs, devices."),
]
Include = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="PATTERN", help="Only what matches ('*.h5', 'run_*/log/', '**/a'); repeatable."),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="PATTERN", help="Not what matches, included or not; repeatable."),
]
FilesFrom = Annotated[
    str | None,
    typer.Option("--files-from", metavar="FILE", help="The paths that FILE lists, one a line; - is standard input."),
]
Null = Annotated[bool, typer.Option("-0", "--null", help="Paths in lists end in NUL, not in a new line.")]
DryRun = Annotated[
    bool, typer.Option("-n", "--dry-run", "--dryrun", help="Show what would be done, and change nothing.")
]
Normalize = Annotated[
    str | None,
    typer.Option(
        "--normalize",
        metavar="FORM",
        help="Give names this Unicode form on the storage: nfc, for names of macOS.",
        autocompletion=lambda: ["nfc"],
    ),
]
Receipt = Annotated[
    Path | None,
    typer.Option("--receipt", metavar="FILE", help="Add a line of JSON about each file to FILE."),
]
RetryFailed = Annotated[
    Path | None,
    typer.Option(
        "--retry-failed",
        metavar="RECEIPT",
        help="Do again what a receipt says has failed, or is missing; with --checksum, what is damaged too. Its files "
        "lie below this directory, or below those given in place of paths.",
    ),
]


@dataclass(frozen=True)
class Selection:
    """Which files are meant, when two are equal, and how fast they may go."""

    include: Include = None
    exclude: Exclude = None
    dry_run: DryRun = False
    update: Update = False
    size_only: SizeOnly = False
    checksum: Checksum = False
    limit_rate: LimitRate = None

    def rules(
        self,
        *,
        no_clobber: bool = False,
        follow_links: bool = False,
        skip_special: bool = False,
        stage: bool = False,
        normalize: str | None = None,
    ) -> Rules:
        """The rules of a run; UsageError."""
        from ctadata.namespace.filters import Filters
        from ctadata.transfer.plan import Rules
        from ctadata.transfer.unicode_nfc import check_form

        return Rules(
            no_clobber=no_clobber,
            follow_links=follow_links,
            skip_special=skip_special,
            filters=Filters.read(self.include or [], self.exclude or []),
            dry_run=self.dry_run,
            compare=self._compare(),
            update=self.update,
            stage=stage,
            normalize=check_form(normalize),
            rate=self._rate(),
        )

    def _compare(self) -> Compare:
        from ctadata.transfer.equality import Compare

        if self.size_only and self.checksum:
            raise UsageError("--size-only and --checksum exclude each other")
        return Compare.SIZE if self.size_only else Compare.CHECKSUM if self.checksum else Compare.USUAL

    def _rate(self) -> float | None:
        try:
            return None if self.limit_rate is None else units.read_size(self.limit_rate)
        except ValueError as error:
            raise UsageError(f"--limit-rate: {error}", hint="such as 10M, for 10 MiB a second") from None


@dataclass(frozen=True)
class RunOptions:
    """What a run leaves behind, what it says, and with what it goes."""

    receipt: Receipt = None
    json: options.Json = False
    jobs: options.Jobs = None
    token_file: options.TokenFile = None
    login: options.Login = False

    def account(self, action: str, rules: Rules, bases: list[Path] | None = None) -> RunOutput:
        """How the run is told of."""
        return RunOutput(action, self.json, rules.dry_run, self.receipt, bases or [])


def names_in(file: str, *, null: bool, local: bool = False) -> Iterator[str]:
    """The names that a file lists, `-`: standard input; UsageError where it cannot be read.

    local: they are names of local files, in the encoding of the locale; else UTF-8, as `list` writes them.
    """
    separator = b"\0" if null else b"\n"
    try:
        with contextlib.nullcontext(open_stdin().buffer) if file == "-" else Path(file).open("rb") as lines:
            for name in _split(lines, separator):
                if name:
                    yield os.fsdecode(name) if local else name.decode(errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"the list of files cannot be read: {error.strerror}", path=file) from error


def _split(stream: BinaryIO, separator: bytes) -> Iterator[bytes]:
    if separator == b"\n":
        yield from (line.rstrip(b"\r\n") for line in stream)
        return
    rest = b""
    while block := stream.read(1 << 16):
        *whole, rest = (rest + block).split(separator)
        yield from whole
    yield rest


def records_of(common: Common, receipt: Path) -> list[Record]:
    """The lines of a receipt; their profile becomes the one in use. UsageError, ConfigError (it is not known here)."""
    from ctadata.transfer.receipt import read_receipt

    records = read_receipt(receipt)
    profiles = {record.profile for record in records}
    if common.profile is None and len(profiles) == 1 and profiles != {common.site} and not common.platform:
        [common.profile] = profiles
    if profiles != {common.site}:
        raise UsageError(f"it is a receipt of the profile {' and '.join(sorted(profiles))}", path=str(receipt))
    return records


def check_said(*paths: str) -> None:
    """UsageError where a path is empty: the place where one is, or the root, is not meant by an unset variable."""
    if "" in paths:
        raise UsageError("a path is empty", hint="is a variable of the shell unset? . is here, / the root there")


def missing(usage: str) -> UsageError:
    """What is said where an argument is missing."""
    verb = usage.partition(" ")[0]
    return UsageError(f"{verb}: an argument is missing, as in: {usage}", hint=f"see {PROGRAM} {verb} --help")
