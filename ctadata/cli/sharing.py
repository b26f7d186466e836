"""The options of a run that several tasks share: `--shard` and `--at-once`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ctadata.cli.output import say
from ctadata.entries import Entry
from ctadata.errors import CtadataError, UsageError
from ctadata.shards import WHOLE, Division, Shard, shard_of

ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Take the share of task I, from 0, of N tasks; auto asks the scheduler: Slurm, or mpirun.",
    ),
]
AtOnce = Annotated[
    int | None,
    typer.Option(
        "--at-once",
        metavar="K",
        min=1,
        show_default=False,
        help="So many tasks run at a time (N, if not given), and share the limit of requests to one server.",
    ),
]


@dataclass(frozen=True, slots=True)
class Sharing:
    """The task that this run is, and how many tasks run at the same time.

    Attributes:
        shard: The share of this task.
        at_once: The number of tasks that share the limit of requests to one server.
    """

    shard: Shard = WHOLE
    at_once: int = 1

    @classmethod
    def read(cls, shard: str | None, at_once: int | None, jobs: str | None = None) -> Sharing:
        """Return what the options say.

        Args:
            shard: The text of `--shard`: `3/16`, or `auto`; None takes all files.
            at_once: The number of `--at-once`.
            jobs: The text of `--jobs`, which is the limit of this task alone.

        Raises:
            UsageError: There is no such shard, no scheduler names it, or the options exclude each other.
        """
        if shard is None:
            if at_once is not None:
                raise UsageError("--at-once needs --shard: how many of its tasks run at a time")
            return cls()
        if at_once is not None and jobs is not None:
            raise UsageError(
                "--jobs and --at-once exclude each other",
                hint="--jobs is the limit of this task alone; --at-once divides the usual limit among the tasks",
            )
        own = shard_of(os.environ) if shard == "auto" else Shard.parse(shard)
        return cls(own, 1 if jobs is not None else min(at_once or own.count, own.count))

    def name_file(self, file: Path | None) -> Path | None:
        """Return the path of a receipt, with the number of the task in place of `{shard}`."""
        if file is None:
            return None
        return Path(str(file).replace("{shard}", str(self.shard.index)))

    def announce(self) -> None:
        """Say which share this run takes, in the words that repeat it."""
        if self.shard.count > 1:
            say(f"the share of one of {self.shard.count} tasks; --shard {self.shard} repeats it")

    def name_last_step(self) -> None:
        """Say how the user proves that no file is missing, after the end of all tasks."""
        if self.shard.count > 1:
            say(
                f"when all {self.shard.count} tasks have ended, the command without --shard proves that nothing is "
                "missing, also if the listing has changed"
            )

    def own_entries(self, found: Iterable[Entry | CtadataError]) -> Iterator[Entry | CtadataError]:
        """Yield the entries of this task, and all errors."""
        division: Division[Entry] = Division(
            self.shard, key=lambda entry: str(entry.path), size=lambda entry: entry.size
        )
        for item in found:
            if isinstance(item, CtadataError) or division.take(item):
                yield item
        yield from division.end()
