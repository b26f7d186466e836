"""The commands `stat`, `exists` and `get-home`: what the storage knows about a name."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from ctadata.cli import command_context, options, transfer_options
from ctadata.cli.entry_lines import entry_as_json, short_line
from ctadata.cli.output import format_rfc3339, say, write_json, write_line
from ctadata.entries import Entry
from ctadata.errors import NoDirectory, NotFound, NothingMatched
from ctadata.namespace.digests import get_digests
from ctadata.printable import escape_unprintable
from ctadata.progress import units
from ctadata.stores.described import Describes, Description


def stat(
    ctx: typer.Context,
    paths: command_context.Paths,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object a line, as list --json does.")] = False,
    raw_key: transfer_options.RawKey = False,
    token_file: options.TokenFile = None,
) -> None:
    """Show all that is known about files and directories.

    \b
      cta-data-direct stat lst/run1/events.h5
      cta-data-direct stat home: 'lst/run*'
      cta-data-direct stat --json lst/run1/events.h5 | jq .checksums

    Size, time (UTC), version tag, checksums, and locality: ONLINE means on
    disk, NEARLINE means on tape only. A value that the storage does not send
    is left out.
    """
    with command_context.open_context(ctx, token_file, raw_key=raw_key) as context:

        def print_entry(entry: Entry) -> None:
            store = context.session.store
            more: Description = {}
            if isinstance(store, Describes) and not entry.is_directory:
                digests, more = store.describe(entry)
            else:
                digests = get_digests(store, entry)
            whole = dataclasses.replace(entry, checksums=digests)
            if json:
                write_json({**entry_as_json(whole), **({"object": more} if more else {})})
            else:
                for line in lines(whole, more):
                    write_line(line)

        command_context.for_each(command_context.find_all(context.session, paths), print_entry)


def lines(entry: Entry, more: Description | None = None) -> list[str]:
    """Return the path, followed by one line for each known value.

    Args:
        entry: The file or directory.
        more: What the store says beside the entry, as `Describes` returns it.
    """
    size = None if entry.size is None else f"{entry.size} ({units.size(entry.size)})"
    known = {"kind": str(entry.kind), "size": size, "mtime": format_rfc3339(entry.mtime), "etag": entry.etag}
    known |= {**entry.checksums, "locality": entry.locality}
    for name, value in (more or {}).items():
        known |= {name: value} if isinstance(value, str) else {f"{name} {key}": text for key, text in value.items()}
    width = max(8, *(len(name) for name, value in known.items() if value))
    return [
        short_line(entry) or "/",
        *(f"  {name:<{width}}  {escape_unprintable(value)}" for name, value in known.items() if value),
    ]


def get_home(
    ctx: typer.Context,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Print the path of your home on the storage.

    \b
      cta-data-direct get-home
      cta-data-direct du "$(cta-data-direct get-home)"

    Every command accepts home: in its place. The home need not exist yet: put
    makes it when it is needed.
    """
    with command_context.open_context(ctx, token_file) as context:
        path = "/".join(context.session.resolve("home:", make=False).parts)
        if json:
            write_json({"path": path})
        else:
            write_line(f"{path}/")


def exists(
    ctx: typer.Context,
    paths: command_context.Paths,
    token_file: options.TokenFile = None,
) -> None:
    """Exit with 0 if all names exist, with 3 if one is missing.

    \b
      cta-data-direct exists lst/run1/done && echo ready
      cta-data-direct exists 'home:run_*/done'      one match is enough

    It prints nothing; with -v it prints the missing names. A slash at the end
    means a directory. Any other exit code means that the answer is not known.
    """
    with command_context.open_context(ctx, token_file) as context:
        missing = [text for text in paths if not _is_there(context, text)]
        for text in missing if context.verbose else ():
            say(f"{text} does not exist")
    if missing:
        raise typer.Exit(NotFound.exit_code)


def _is_there(context: command_context.CommandContext, text: str) -> bool:
    try:
        return bool(context.session.find(text))
    except (NotFound, NothingMatched, NoDirectory):
        return False
