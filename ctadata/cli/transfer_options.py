"""The options that the commands of transfers share, and the arguments that name lists of files."""

from __future__ import annotations

import codecs
import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ctadata.cli import options
from ctadata.cli.output import PROGRAM, open_stdin
from ctadata.cli.run_output import RunOutput
from ctadata.cli.sharing import AtOnce, ShardOption, Sharing
from ctadata.errors import Stopped, UsageError
from ctadata.namespace.filters import Filters
from ctadata.progress import units

if TYPE_CHECKING:
    from ctadata.transfer.equality import Compare
    from ctadata.transfer.plan import Rules
T = TypeVar("T")

LONGEST_LINE = 256 << 20
"""The largest line of a list of files, in bytes: a catalogue writes its replicas as one line of JSON."""

Update = Annotated[bool, typer.Option("-u", "--update", help="Skip files whose target is newer than the source.")]
SizeOnly = Annotated[bool, typer.Option("--size-only", help="Files of the same size are equal.")]
Checksum = Annotated[
    bool, typer.Option("--checksum", help="Files of the same size and checksum are equal; times do not count.")
]
LimitRate = Annotated[
    str | None,
    typer.Option(
        "--limit-rate",
        metavar="RATE",
        help="The largest number of bytes per second, of all files together: 500K, 10M, 1G; or a timetable of local "
        "times: '08:00,10M 19:00,off', also with days: 'Mon-08:00,10M Fri-19:00,off'.",
    ),
]
RawKey = Annotated[bool, typer.Option("--raw-key", help="PATH is s3://bucket/key; the key is sent unchanged.")]
VersionId = Annotated[
    str | None,
    typer.Option("--version-id", metavar="ID", help="For S3: this version of one file, as list --versions names it."),
]
Recursive = Annotated[bool, typer.Option("-r", "-R", "--recursive", help="Directories too, with their contents.")]
FollowLinks = Annotated[bool, typer.Option("-L", "--follow-links", help="Follow links to directories, but no loops.")]
SkipSpecial = Annotated[
    bool,
    typer.Option("--skip-special", help="Leave out broken links, links to directories, sockets, FIFOs and devices."),
]
FilesFrom = Annotated[
    str | None,
    typer.Option(
        "--files-from",
        metavar="FILE",
        help="Take the paths in FILE, one a line; - reads standard input.",
    ),
]
Literal = Annotated[bool, typer.Option("--literal", help="A path is a name, also with * ? [ in it; never a pattern.")]
Null = Annotated[bool, typer.Option("-0", "--null", help="Paths in lists end with NUL, not with a newline.")]
DryRun = Annotated[bool, typer.Option("-n", "--dry-run", "--dryrun", help="Show what a run would do; change nothing.")]
Normalize = Annotated[
    str | None,
    typer.Option(
        "--normalize",
        metavar="FORM",
        help="Give names this Unicode form on the storage: nfc, for names from macOS.",
        autocompletion=lambda: ["nfc"],
    ),
]


def _refuse_pipe(receipt: Path | None) -> Path | None:
    if receipt is not None and str(receipt) == "-":
        raise UsageError("--receipt takes a file, and - is none", hint="--json writes to standard output")
    return receipt


Receipt = Annotated[
    Path | None,
    typer.Option("--receipt", metavar="FILE", help="Add one JSON line about each file to FILE.", callback=_refuse_pipe),
]
Processes = Annotated[
    int | None,
    typer.Option(
        "--processes",
        metavar="K",
        min=1,
        max=64,
        help="Let up to K processes of this machine move small files; they start if it is measured that they help.",
    ),
]
RetryFailed = Annotated[
    list[str] | None,
    typer.Option(
        "--retry-failed",
        metavar="RECEIPT",
        help="Transfer again the files that failed in RECEIPT, or that are missing; with --checksum, damaged files "
        "too. RECEIPT may be a pattern in quotes; repeatable. The files lie below the current directory, or below the "
        "directories that the arguments name.",
    ),
]


@dataclass(frozen=True)
class Selection:
    """The options that choose the files of a run, compare them, and limit the rate."""

    include: options.Include = None
    exclude: options.Exclude = None
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
        run_options: RunOptions | None = None,
    ) -> Rules:
        """Return the rules of a run.

        Args:
            no_clobber: Keep existing files that differ.
            follow_links: Enter directories behind links.
            skip_special: Leave out special files without a failure.
            stage: Request files on tape, and wait for them.
            normalize: The Unicode form of names on the storage, `nfc`; None keeps names as they are.
            run_options: The options that name the share of the files that the run takes, and the receipt.

        Raises:
            UsageError: Two options exclude each other, or a pattern, a rate or a form is not valid.
        """
        from ctadata.transfer.plan import Rules
        from ctadata.transfer.unicode_nfc import check_form

        run_options = run_options or RunOptions()
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
            rate=units.read_rate(self.limit_rate, "--limit-rate"),
            shard=run_options.sharing.shard,
            receipt=run_options.receipt_file and run_options.receipt_file.absolute(),
        )

    def _compare(self) -> Compare:
        from ctadata.transfer.equality import Compare

        if self.size_only and self.checksum:
            raise UsageError("--size-only and --checksum exclude each other")
        return Compare.SIZE if self.size_only else Compare.CHECKSUM if self.checksum else Compare.USUAL


@dataclass(frozen=True)
class RunOptions:
    """The options for the output of a run, its number of jobs, its share and its login."""

    receipt: Receipt = None
    json: options.Json = False
    jobs: options.Jobs = None
    shard: ShardOption = None
    at_once: AtOnce = None
    token_file: options.TokenFile = None
    login: options.Login = False

    @functools.cached_property
    def sharing(self) -> Sharing:
        """The share of the files that this run takes. Raises UsageError."""
        return Sharing.read(self.shard, self.at_once, self.jobs)

    @functools.cached_property
    def receipt_file(self) -> Path | None:
        """The receipt of this run; None if there is none. Raises UsageError."""
        return self.sharing.name_file(self.receipt)

    def output(self, action: str, rules: Rules, bases: list[Path] | None = None) -> RunOutput:
        """Return the output that the user asked for.

        Args:
            action: `get` or `put`, the direction of the transfer.
            rules: The rules of the run; they tell whether it is a dry run.
            bases: The local directories that downloads go to; None for an upload.
        """
        return RunOutput(action, self.json, rules.dry_run, self.receipt_file, bases or [])


def read_names(file: str, stop: threading.Event, *, null: bool, local: bool = False) -> Iterator[str]:
    """Yield the names in a list of files, without empty lines and without a byte order mark at its start.

    Args:
        file: The path of the list; `-` means standard input. It may be a FIFO or a terminal.
        stop: When set, a wait for further names ends within a second.
        null: Names end with NUL, not with a newline.
        local: The names are those of local files, in the encoding of the locale. Otherwise they are UTF-8, as `list`
            writes them.

    Raises:
        UsageError: The list cannot be read, or a line is longer than `LONGEST_LINE`.
        Stopped: `stop` is set.
    """
    from ctadata.local_inputs import open_input, read_blocks

    try:
        with contextlib.nullcontext(open_stdin().fileno()) if file == "-" else open_input(file) as fd:
            for number, line in enumerate(_split(read_blocks(fd, stop), null=null)):
                name = line if number else line.removeprefix(codecs.BOM_UTF8)
                if name:
                    yield os.fsdecode(name) if local else name.decode(errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"the list of files cannot be read: {error.strerror}", path=file) from error


def _split(blocks: Iterable[bytes], *, null: bool) -> Iterator[bytes]:
    separator, end = (b"\0", b"") if null else (b"\n", b"\r")
    parts, size = list[bytes](), 0  # of the line that has not ended
    for block in blocks:
        first, *lines = block.split(separator)
        parts.append(first)
        size += len(first)
        if lines:
            yield b"".join(parts).rstrip(end)
            parts = [lines.pop()]
            size = len(parts[0])
            yield from (line.rstrip(end) for line in lines)
        elif size > LONGEST_LINE:
            raise UsageError(f"a line of the list of files is longer than {LONGEST_LINE >> 20} MiB")
    yield b"".join(parts).rstrip(end)


def list_reader(
    file: str | None, read: Callable[[str, threading.Event], Iterable[T]]
) -> Callable[[threading.Event], Iterator[T] | None]:
    """Return what reads the list of `--files-from` until a stop; it returns None if there is no list.

    Args:
        file: The path of the list; None if there is none.
        read: Read such a list, as `read_names` does.
    """
    return lambda stop: None if file is None else until_stopped(read(file, stop))


def until_stopped(items: Iterable[T]) -> Iterator[T]:
    """Yield the items of a list until a stop: the run that reads them then ends with its summary, as on any stop."""
    with contextlib.suppress(Stopped):
        yield from items


def missing_argument(usage: str) -> UsageError:
    """Return the error for a missing argument.

    Args:
        usage: The command and its arguments, as in `get PATH... [LOCAL]`.
    """
    verb = usage.partition(" ")[0]
    return UsageError(f"{verb}: an argument is missing, as in: {usage}", hint=f"see {PROGRAM} {verb} --help")
