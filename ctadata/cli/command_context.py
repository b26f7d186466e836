"""What the commands about names share: a session, several paths of which some may fail, and their exit code."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ctadata.cli import options
from ctadata.cli.completion import complete_remote
from ctadata.cli.locations import read_location
from ctadata.cli.output import say
from ctadata.cli.signals import stop_on_signals
from ctadata.entries import Entry
from ctadata.errors import CtadataError, Incomplete, LoginNeeded, PartialFailure, Stopped, UsageError
from ctadata.namespace import remove

if TYPE_CHECKING:
    from ctadata.session import Session

T = TypeVar("T")

OnePath = Annotated[
    str,
    typer.Argument(
        metavar="PATH",
        show_default=False,
        help="From the root of the storage.",
        autocompletion=complete_remote,
        callback=read_location,
    ),
]
Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH",
        show_default=False,
        help="From the root of the storage; patterns in quotes.",
        autocompletion=complete_remote,
        callback=read_location,
    ),
]
Depth = Annotated[
    str | None, typer.Option("-L", "--depth", metavar="N", show_default=False, help="Levels shown, from 0 on.")
]


@dataclass(frozen=True, slots=True)
class CommandContext:
    """The session of a command, and the event that Ctrl-C sets."""

    session: Session
    stop: threading.Event
    verbose: bool


@contextlib.contextmanager
def open_context(ctx: typer.Context, token_file: Path | None, *, raw_key: bool = False) -> Iterator[CommandContext]:
    """What a command works with; ends as the command does.   raw_key: paths are keys of S3, as they are written."""
    common = options.begin(ctx)
    with stop_on_signals() as stop, common.session(stop, token_file) as session:
        if raw_key:
            session.use_raw_keys()
        yield CommandContext(session, stop, bool(common.verbose))


def for_each(things: Iterable[T | CtadataError], work: Callable[[T], object], *, threads: int = 1) -> None:
    """Do `work` about each of several things, whatever becomes of the others; say what failed.

    A thing that is an error has failed already. typer.Exit with 6 where some were done and some failed, else with the
    code of the first failure. A login that is missing, and a stop, end it all.
    """
    failures: list[CtadataError] = []
    done = 0
    with contextlib.ExitStack() as stack:
        apply = map if threads == 1 else stack.enter_context(ThreadPoolExecutor(threads)).map
        for failed, succeeded in apply(lambda thing: _try(work, thing), things):
            for error in failed:
                say(str(error))
            failures += failed
            done += succeeded
    if failures:
        raise typer.Exit(PartialFailure(failures, [None] * done).code)


def _try(work: Callable[[T], object], thing: T | CtadataError) -> tuple[list[CtadataError], bool]:
    """What failed, and whether anything was done."""
    if isinstance(thing, Incomplete):
        return thing.failures, False
    if isinstance(thing, CtadataError):
        return [thing], False
    try:
        work(thing)
    except (Stopped, LoginNeeded):
        raise
    except PartialFailure as error:
        return error.failures, bool(error.done)
    except CtadataError as error:
        return [error], False
    return [], True


@contextlib.contextmanager
def collect_failures(thing: object) -> Iterator[Callable[[CtadataError], object]]:
    """Gives who is to be told of failures in the middle of a work that goes on; PartialFailure at its end."""
    failures: list[CtadataError] = []
    yield failures.append
    if failures:
        raise PartialFailure(failures, [thing])


def find_entries(session: Session, text: str) -> list[Entry]:
    """The entries that an argument names; NotFound, NothingMatched. A slash at its end means a directory."""
    found = session.find(text)
    if text.endswith("/") and not found[0].is_directory and session.raw_keys is None:
        raise UsageError("it is a file, not a directory", path=text)
    return found


def find_all(session: Session, texts: Iterable[str]) -> Iterator[Entry | CtadataError]:
    """The entries that arguments name, or the error of one that names none."""
    for text in texts:
        try:
            yield from find_entries(session, text)
        except (Stopped, LoginNeeded):
            raise
        except Incomplete as error:
            yield from error.done
            yield error
        except CtadataError as error:
            yield error


def refuse_home(session: Session, doomed: Sequence[Entry]) -> None:
    """UsageError where what is to go away is the root, the home, or what the home lies in."""
    remove.refuse_home(doomed, lambda: session.resolve("home:", make=False))


def parse_depth(text: str | None) -> int | None:
    """The number of levels, None where none is given; UsageError."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError(f"{text!r} is no number of levels")
    return int(text)
