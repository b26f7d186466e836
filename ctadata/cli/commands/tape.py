"""The commands `stage`, `stage-status`, `release` and `locality`: bring files from tape to disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.entry_lines import short_line
from ctadata.cli.output import say, write_json, write_line
from ctadata.cli.sharing import ShardOption, Sharing
from ctadata.entries import Entry
from ctadata.errors import CtadataError, NeedsStaging, PartialFailure
from ctadata.namespace.find import read_span
from ctadata.namespace.listing import list_tree
from ctadata.transfer.staging import is_on_tape, unknown_locality_error, with_current_locality

if TYPE_CHECKING:
    from ctadata.session import Session
    from ctadata.stores.base import Store
    from ctadata.stores.recalls import Recall

Recursive = Annotated[bool, typer.Option("-r", "-R", "--recursive", help="All files below directories.")]
Request = Annotated[str, typer.Argument(metavar="REQUEST", show_default=False, help="The request that stage printed.")]


def locality(
    ctx: typer.Context,
    paths: command_context.Paths,
    recursive: Recursive = False,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Show where the bytes of files are: on disk or on tape.

    \b
      cta-data-direct locality lst/run1/events.h5
      cta-data-direct locality -r lst/run1 | grep ^NEARLINE

    ONLINE means on disk, NEARLINE on tape only, ONLINE_AND_NEARLINE on both.
    UNAVAILABLE: the pool that has the file is down. LOST: no pool and no tape
    has the file. NONE: the upload has not ended.
    """
    with command_context.open_context(ctx, token_file) as context:

        def print_locality(entry: Entry) -> None:
            if json:
                write_json({"path": short_line(entry), "locality": entry.locality})
            else:
                write_line(f"{entry.locality or '-':<18}  {short_line(entry)}")

        command_context.for_each(_files(context.session, paths, recursive=recursive), print_locality)


def stage(
    ctx: typer.Context,
    paths: command_context.Paths,
    recursive: Recursive = False,
    lifetime: Annotated[
        str | None,
        typer.Option("--lifetime", metavar="SPAN", help="How long the files shall stay on disk, as 7d or 12h."),
    ] = None,
    shard: ShardOption = None,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Request files that are on tape, without waiting for them.

    \b
      cta-data-direct stage -r lst/run1              print the request
      cta-data-direct stage-status REQUEST           show its progress
      cta-data-direct stage --lifetime 7d 'lst/run1/*.h5'
      cta-data-direct get -r --stage lst/run1        request, wait, download

    Files that are on disk already are left out; a file of which dCache does not
    say where it is fails. At an S3 store, it asks for the restore of archived
    objects (GLACIER, DEEP_ARCHIVE), which takes hours; the copies stay for 7
    days, or --lifetime. stage-status then works on this machine only.
    """
    from ctadata.stores.dcache.tape import MAX_FILES

    seconds, sharing = None if lifetime is None else float(read_span(lifetime)), Sharing.read(shard, None)
    with command_context.open_context(ctx, token_file) as context:
        context.announce(sharing)
        files = sharing.own_entries(_files(context.session, paths, recursive=recursive))
        on_tape, errors = _split_on_tape(context.session.store, files)
        for error in errors:
            say(str(error))
        for first in range(0, len(on_tape), MAX_FILES):
            batch = [entry.path for entry in on_tape[first : first + MAX_FILES]]
            request = context.session.site.tape.stage(batch, lifetime=seconds)
            if json:
                write_json({"request": request, "files": len(batch)})
            else:
                write_line(request)
        if not on_tape and not errors:
            say("no file is on tape only")
        if errors:
            raise typer.Exit(PartialFailure(errors, on_tape).code)


def stage_status(
    ctx: typer.Context,
    request: Request,
    json: Annotated[bool, typer.Option("--json", help="One JSON object for each file.")] = False,
    token_file: options.TokenFile = None,
) -> None:
    """Show which files of a stage request are on disk already.

    \b
      cta-data-direct stage-status REQUEST
      cta-data-direct stage-status --json REQUEST | jq -r 'select(.state=="FAILED").error'

    The exit code is 0 if all files are on disk, 10 if some are still on their
    way, and 6 if some failed.
    """
    with command_context.open_context(ctx, token_file) as context:
        recalls = context.session.site.tape.status(request)
        for recall in recalls:
            path = "/".join(recall.path.parts)
            if json:
                write_json({"path": path, "state": recall.state, "error": recall.error or None})
            else:
                write_line(f"{recall.state:<10}  {path}{f': {recall.error}' if recall.error else ''}")
        raise typer.Exit(_exit_code(recalls))


def _exit_code(recalls: Sequence[Recall]) -> int:
    states = Counter("online" if recall.online else "ended" if recall.ended else "coming" for recall in recalls)
    if states["coming"]:
        return NeedsStaging.exit_code
    return PartialFailure.exit_code if states["ended"] else 0


def release(
    ctx: typer.Context,
    request: Request,
    token_file: options.TokenFile = None,
) -> None:
    """End a stage request, when you no longer need its files.

    \b
      cta-data-direct release REQUEST

    The files stay on tape. The site may remove them from disk.
    """
    with command_context.open_context(ctx, token_file) as context:
        tape = context.session.site.tape
        recalls = tape.status(request)
        coming = [recall.path for recall in recalls if not recall.ended]
        online = [recall.path for recall in recalls if recall.online]
        if coming:
            tape.cancel(request, coming)
        if online:
            tape.release(request, online)
        say(f"{len(online)} released, {len(coming)} cancelled")


def _files(session: Session, texts: Sequence[str], *, recursive: bool) -> Iterator[Entry | CtadataError]:
    """Yield the files that arguments name, those in directories, and with `recursive` all files below them."""
    for target in command_context.find_all(session, texts):
        if isinstance(target, CtadataError) or not target.is_directory:
            yield target
            continue
        entries = list_tree(session.store, target.path) if recursive else session.store.list(target.path)
        for entry in entries:
            if not entry.is_directory:
                yield with_current_locality(session.store, entry)


def _split_on_tape(store: Store, files: Iterator[Entry | CtadataError]) -> tuple[list[Entry], list[CtadataError]]:
    on_tape: list[Entry] = []
    errors: list[CtadataError] = []
    for file in files:
        if isinstance(file, CtadataError):
            errors.append(file)
        elif is_on_tape(file):
            on_tape.append(file)
        elif error := unknown_locality_error(store, file):
            errors.append(error)
    return on_tape, errors
