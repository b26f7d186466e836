"""`stage`, `stage-status`, `release`, `locality`: files on tape, and how they come back to disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.commands.list import short_line
from ctadata.cli.output import data, data_json, say
from ctadata.errors import CtadataError, NeedsStaging, PartialFailure

if TYPE_CHECKING:
    from ctadata.entries import Entry
    from ctadata.session import Session
    from ctadata.stores.dcache.tape import RecallStatus

Recursive = Annotated[bool, typer.Option("-r", "-R", "--recursive", help="Everything below directories.")]
Request = Annotated[str, typer.Argument(metavar="REQUEST", show_default=False, help="What stage has printed.")]


def locality(
    ctx: typer.Context,
    paths: command_context.Paths,
    recursive: Recursive = False,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Tell where the bytes of files are: on disk, or on tape.

    \b
      cta-data-direct locality lst/run1/events.h5
      cta-data-direct locality -r lst/run1 | grep ^NEARLINE

    ONLINE is on disk, NEARLINE on tape alone, ONLINE_AND_NEARLINE on both;
    UNAVAILABLE means that the pool which has it is down, LOST that nothing
    has it, NONE that its upload has not ended.
    """
    with command_context.visiting(ctx, token_file) as visit:

        def tell(entry: Entry) -> None:
            where = entry.locality or "-"
            if json:
                data_json({"path": short_line(entry), "locality": entry.locality})
            else:
                data(f"{where:<18}  {short_line(entry)}")

        command_context.each(_files(visit.session, paths, recursive=recursive), tell)


def stage(
    ctx: typer.Context,
    paths: command_context.Paths,
    recursive: Recursive = False,
    lifetime: Annotated[
        str | None, typer.Option("--lifetime", metavar="SPAN", help="How long they are wanted on disk, as 7d or 12h.")
    ] = None,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Ask for files that are on tape, and do not wait for them.

    \b
      cta-data-direct stage -r lst/run1              prints the request
      cta-data-direct stage-status REQUEST           how it stands
      cta-data-direct stage --lifetime 7d 'lst/run1/*.h5'
      cta-data-direct get -r --stage lst/run1        asks, waits, and downloads

    What is on disk already is left out.
    """
    from ctadata.namespace.find import read_span
    from ctadata.stores.dcache.tape import MAX_FILES

    seconds = None if lifetime is None else float(read_span(lifetime))
    with command_context.visiting(ctx, token_file) as visit:
        wanted, errors = _on_tape(_files(visit.session, paths, recursive=recursive))
        for error in errors:
            say(str(error))
        for first in range(0, len(wanted), MAX_FILES):
            batch = [entry.path for entry in wanted[first : first + MAX_FILES]]
            request = visit.session.site.tape.stage(batch, lifetime=seconds)
            if json:
                data_json({"request": request, "files": len(batch)})
            else:
                data(request)
        if not wanted and not errors:
            say("nothing of it is on tape alone")
        if errors:
            raise typer.Exit(PartialFailure(errors, wanted).code)


def stage_status(
    ctx: typer.Context,
    request: Request,
    json: Annotated[bool, typer.Option("--json", help="One JSON object for each file.")] = False,
    token_file: options.TokenFile = None,
) -> None:
    """Tell how the files of a stage request stand.

    \b
      cta-data-direct stage-status REQUEST
      cta-data-direct stage-status --json REQUEST | jq -r 'select(.state=="FAILED").error'

    The exit code is 0 when all are on disk, 10 while some are still to come,
    and 6 where some failed.
    """
    with command_context.visiting(ctx, token_file) as visit:
        recalls = visit.session.site.tape.status(request)
        for recall in recalls:
            path = "/".join(recall.path.parts)
            if json:
                data_json({"path": path, "state": recall.state, "error": recall.error or None})
            else:
                data(f"{recall.state:<10}  {path}{f': {recall.error}' if recall.error else ''}")
        raise typer.Exit(_code(recalls))


def _code(recalls: Sequence[RecallStatus]) -> int:
    states = Counter("online" if recall.online else "ended" if recall.ended else "coming" for recall in recalls)
    if states["coming"]:
        return NeedsStaging.exit_code
    return PartialFailure.exit_code if states["ended"] else 0


def release(
    ctx: typer.Context,
    request: Request,
    token_file: options.TokenFile = None,
) -> None:
    """End a stage request: its files are needed no more.

    \b
      cta-data-direct release REQUEST

    The files stay where they are on tape.
    """
    with command_context.visiting(ctx, token_file) as visit:
        tape = visit.session.site.tape
        recalls = tape.status(request)
        coming = [recall.path for recall in recalls if not recall.ended]
        there = [recall.path for recall in recalls if recall.online]
        if coming:
            tape.cancel(request, coming)
        if there:
            tape.release(request, there)
        say(f"{len(there)} released, {len(coming)} cancelled")


def _files(session: Session, texts: Sequence[str], *, recursive: bool) -> Iterator[Entry | CtadataError]:
    """The files that arguments name, and with `recursive` those below directories."""
    from ctadata.namespace.listing import list_tree

    for found in command_context.named(session, texts):
        if isinstance(found, CtadataError) or not found.is_directory:
            yield found
        elif recursive:
            yield from (entry for entry in list_tree(session.store, found.path) if not entry.is_directory)
        else:
            yield from (entry for entry in session.store.list(found.path) if not entry.is_directory)


def _on_tape(files: Iterator[Entry | CtadataError]) -> tuple[list[Entry], list[CtadataError]]:
    from ctadata.transfer.staging import is_on_tape

    wanted: list[Entry] = []
    errors: list[CtadataError] = []
    for file in files:
        if isinstance(file, CtadataError):
            errors.append(file)
        elif is_on_tape(file):
            wanted.append(file)
    return wanted, errors
