"""Helpers for commands about paths: a session, and work on several paths of which some may fail."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ctadata.cli import options
from ctadata.cli.completion import complete_remote
from ctadata.cli.locations import read_location
from ctadata.cli.output import say
from ctadata.cli.signals import stop_on_signals
from ctadata.entries import Entry
from ctadata.errors import CtadataError, Incomplete, LoginNeeded, PartialFailure, Stopped, UsageError

if TYPE_CHECKING:
    from ctadata.cli.sharing import Sharing
    from ctadata.session import Session

T = TypeVar("T")


def path_argument(help_text: str = "From the root of the storage.", metavar: str = "PATH") -> Any:
    """Return the declaration of an argument that names files or directories of the storage."""
    return typer.Argument(
        metavar=metavar,
        show_default=False,
        help=help_text,
        autocompletion=complete_remote,
        callback=read_location,
    )


_PATHS = path_argument("From the root of the storage; a pattern needs quotes.")
OnePath = Annotated[str, path_argument()]
Paths = Annotated[list[str], _PATHS]
SomePaths = Annotated[list[str] | None, _PATHS]
ExactPaths = Annotated[list[str], path_argument()]
Depth = Annotated[
    str | None,
    typer.Option(
        "-L", "--depth", metavar="N", show_default=False, help="The number of levels to show; 0 shows no contents."
    ),
]


@dataclass(frozen=True, slots=True)
class CommandContext:
    """The open session of a command.

    Attributes:
        session: The session.
        stop: Set by Ctrl-C and SIGTERM.
        verbose: `-v` is given.
        quiet: `-q` is given.
    """

    session: Session
    stop: threading.Event
    verbose: bool
    quiet: bool = False

    def announce(self, sharing: Sharing) -> None:
        """Say which share of the files the command takes, unless `-q` is given."""
        if not self.quiet:
            sharing.announce()


@contextlib.contextmanager
def open_context(
    ctx: typer.Context, token_file: Path | None, *, raw_key: bool = False, literal: bool = False
) -> Iterator[CommandContext]:
    """Open the session of a command, and close it at the end.

    Args:
        ctx: The command's context.
        token_file: The file with the token; None takes the token from the profile.
        raw_key: Paths are S3 keys that are sent unchanged.
        literal: Paths are no patterns.

    Raises:
        typer.Exit: A signal stopped the command: 130 or 143.
    """
    common = options.begin(ctx)
    with stop_on_signals() as stop, common.session(stop, token_file) as session:
        if raw_key:
            session.use_raw_keys()
        session.is_literal = literal
        yield CommandContext(session, stop, bool(common.verbose), common.quiet)


def for_each(items: Iterable[T | CtadataError], work: Callable[[T], object], *, threads: int = 1) -> None:
    """Call `work` with each item, print each failure to stderr, and go on with the next item.

    Args:
        items: The items; an error among them counts as a failure of its own.
        work: The work on one item.
        threads: The largest number of items in work at a time.

    Raises:
        typer.Exit: Something failed. The code is 6 if something else succeeded, and otherwise that of the first
            failure.
        LoginNeeded: There is no login; the other items are not tried.
        Stopped: A signal stopped the command; the other items are not tried.
    """
    failures: list[CtadataError] = []
    done = 0
    with contextlib.ExitStack() as stack:
        apply: Callable[..., Iterable[tuple[list[CtadataError], int]]] = map
        if threads > 1:
            from concurrent.futures import ThreadPoolExecutor

            apply = stack.enter_context(ThreadPoolExecutor(threads)).map
        for failed, succeeded in apply(lambda item: _try(work, item), items):
            for error in failed:
                say(str(error))
            failures += failed
            done += succeeded
    if failures:
        raise typer.Exit(PartialFailure(failures, [None] * done).code)


def _try(work: Callable[[T], object], item: T | CtadataError) -> tuple[list[CtadataError], bool]:
    """Return the failures, and whether any work was done."""
    if isinstance(item, Incomplete):
        return item.failures, False
    if isinstance(item, CtadataError):
        return [item], False
    try:
        work(item)
    except (Stopped, LoginNeeded):
        raise
    except PartialFailure as error:
        return error.failures, bool(error.done)
    except CtadataError as error:
        return [error], False
    return [], True


@contextlib.contextmanager
def collect_failures(item: object) -> Iterator[Callable[[CtadataError], object]]:
    """Yield a function that records a failure while the work goes on.

    Args:
        item: The item in work; the error names it as partly done.

    Raises:
        PartialFailure: Failures were recorded; raised at the end of the block.
    """
    failures: list[CtadataError] = []
    yield failures.append
    if failures:
        raise PartialFailure(failures, [item])


def find_all(session: Session, texts: Iterable[str]) -> Iterator[Entry | CtadataError]:
    """Yield the entries that the arguments name, and the error of each argument that names none.

    Raises:
        LoginNeeded: There is no login.
        Stopped: A signal stopped the command.
    """
    for text in texts:
        try:
            yield from session.find(text)
        except (Stopped, LoginNeeded):
            raise
        except Incomplete as error:
            yield from error.done
            yield error
        except CtadataError as error:
            yield error


def refuse_home(session: Session, entries: Sequence[Entry]) -> None:
    """Refuse to delete or move the root, the home, or a directory above the home.

    Raises:
        UsageError: One of the entries is such a directory.
    """
    from ctadata.namespace import remove

    remove.refuse_home(entries, lambda: session.resolve("home:", make=False))


def parse_depth(text: str | None) -> int | None:
    """Return the number of levels; None if the option is not given.

    Raises:
        UsageError: The text is no number from 0 to 999999999.
    """
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError(f"{text!r} is no number of levels", hint="such as -L 2")
    return int(text)
