"""The command `du`: the bytes in directories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.output import data, data_json, say, stdout_is_terminal
from ctadata.progress import units

if TYPE_CHECKING:
    from ctadata.entries import Entry
    from ctadata.namespace.du import Usage


def du(
    ctx: typer.Context,
    paths: command_context.Paths,
    depth: command_context.Depth = "1",
    human: Annotated[
        bool, typer.Option("-H", "--human-readable", help="Print sizes with units in a pipe too, as on a terminal.")
    ] = False,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Add up the sizes of the files in directories.

    \b
      cta-data-direct du home:                  its directories, then the sum
      cta-data-direct du -L 0 'lst/run_*'       one line for each
      cta-data-direct du --json lst/run1        bytes, files, directories

    It shows one level, unless -L says otherwise. It adds the sizes of files;
    the space that their copies on disk and tape need is not known.
    """
    from ctadata.namespace.du import measure_usage

    levels = command_context.depth_of(depth)
    words = human or stdout_is_terminal()
    with command_context.visiting(ctx, token_file) as context:

        def count(entry: Entry) -> None:
            with command_context.partly(entry) as on_error:
                parts = measure_usage(context.session.store, entry, depth=levels, on_error=on_error)
                for part in parts:
                    _print_usage(part, directory=entry.is_directory, words=words, json=json)
                if unsized := parts[-1].unsized:
                    say(f"{entry.path}: {units.files(unsized)} of unknown size, counted as empty")

        command_context.each(command_context.named(context.session, paths), count)


def _print_usage(part: Usage, *, directory: bool, words: bool, json: bool) -> None:
    path = "/".join(part.path.parts)
    if json:
        data_json({"path": path, "size": part.size, "files": part.files, "directories": part.directories})
    else:
        size = units.size(part.size) if words else str(part.size)
        data(f"{size:>12}  {path}{'/' if directory else ''}")
