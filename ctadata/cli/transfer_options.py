"""The options that get, put and sync share: which files, how fast, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options, selecting
from ctadata.cli.run_output import RunOutput
from ctadata.errors import UsageError
from ctadata.progress import units

if TYPE_CHECKING:
    from ctadata.transfer.plan import Compare, Rules

Update = Annotated[bool, typer.Option("-u", "--update", help="Leave alone what is newer where it would be replaced.")]
SizeOnly = Annotated[bool, typer.Option("--size-only", help="Files of the same size are equal.")]
Checksum = Annotated[
    bool, typer.Option("--checksum", help="Files are equal by size and checksum alone, whatever their times.")
]
LimitRate = Annotated[
    str | None,
    typer.Option("--limit-rate", metavar="RATE", help="Bytes a second at most, of all files together: 500K, 10M, 1G."),
]


@dataclass(frozen=True)
class Selection:
    """Which files are meant, when two are equal, and how fast they may go."""

    include: selecting.Include = None
    exclude: selecting.Exclude = None
    dry_run: selecting.DryRun = False
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
        from ctadata.transfer.plan import Compare

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

    receipt: selecting.Receipt = None
    json: options.Json = False
    jobs: options.Jobs = None
    token_file: options.TokenFile = None
    login: options.Login = False

    def account(self, action: str, rules: Rules, bases: list[Path] | None = None) -> RunOutput:
        """How the run is told of."""
        return RunOutput(action, self.json, rules.dry_run, self.receipt, bases or [])
