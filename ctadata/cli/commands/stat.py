"""`stat`: all that the storage tells of a name; `exists` and `get-home`: small answers for scripts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import command_context, options, transfer_options
from ctadata.cli.commands.list import as_json, short_line
from ctadata.cli.output import data, data_json, rfc3339, say
from ctadata.errors import NotFound, NothingMatched
from ctadata.progress import units

if TYPE_CHECKING:
    from ctadata.entries import Entry


def stat(
    ctx: typer.Context,
    paths: command_context.Paths,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as list --json writes.")] = False,
    raw_key: transfer_options.RawKey = False,
    token_file: options.TokenFile = None,
) -> None:
    """Tell all about files and directories.

    \b
      cta-data-direct stat lst/run1/events.h5
      cta-data-direct stat home: 'lst/run*'
      cta-data-direct stat --json lst/run1/events.h5 | jq .checksums

    Size, time (UTC), version tag, checksums, and where the bytes are: ONLINE
    on disk, NEARLINE on tape alone. What the storage does not say is left out.
    """
    from ctadata.namespace.digests import get_digests

    with command_context.visiting(ctx, token_file, raw_key=raw_key) as visit:

        def tell(entry: Entry) -> None:
            whole = dataclasses.replace(entry, checksums=get_digests(visit.session.store, entry))
            if json:
                data_json(as_json(whole))
            else:
                for line in lines(whole):
                    data(line)

        command_context.each(command_context.named(visit.session, paths), tell)


def lines(entry: Entry) -> list[str]:
    """The path, and below it what is known, one thing a line."""
    from ctadata.paths import escape_unprintable

    size = None if entry.size is None else f"{entry.size} ({units.size(entry.size)})"
    known = {"kind": str(entry.kind), "size": size, "mtime": rfc3339(entry.mtime), "etag": entry.etag}
    known |= {**entry.checksums, "locality": entry.locality}
    return [
        short_line(entry) or "/",
        *(f"  {name:<8}  {escape_unprintable(value)}" for name, value in known.items() if value),
    ]


def get_home(
    ctx: typer.Context,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Tell where your home on the storage is.

    \b
      cta-data-direct get-home
      cta-data-direct du "$(cta-data-direct get-home)"

    Every command also takes home: for it. Nothing is made: a home that put
    would make is told as well.
    """
    with command_context.visiting(ctx, token_file) as visit:
        path = "/".join(visit.session.resolve("home:", make=False).parts)
        if json:
            data_json({"path": path})
        else:
            data(f"{path}/")


def exists(
    ctx: typer.Context,
    paths: command_context.Paths,
    token_file: options.TokenFile = None,
) -> None:
    """Say by the exit code whether names exist: 0, or 3.

    \b
      cta-data-direct exists lst/run1/done && echo ready
      cta-data-direct exists 'home:run_*/done'      one match is enough

    Nothing is written; with -v what is missing. A slash at the end means a
    directory. Any other code says that it is not known.
    """
    with command_context.visiting(ctx, token_file) as visit:
        missing = [text for text in paths if not _is_there(visit, text)]
        for text in missing if visit.verbose else ():
            say(f"{text} does not exist")
    if missing:
        raise typer.Exit(NotFound.exit_code)


def _is_there(visit: command_context.CommandContext, text: str) -> bool:
    try:
        return any(entry.is_directory or not text.endswith("/") for entry in visit.session.find(text))
    except (NotFound, NothingMatched):
        return False
