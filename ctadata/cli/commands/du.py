"""`du`: how much lies where."""

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
        bool, typer.Option("-H", "--human-readable", help="Sizes in words, as on a terminal, in a pipe too.")
    ] = False,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Add up what lies in directories.

    \b
      cta-data-direct du home:                  its directories, then the whole
      cta-data-direct du -L 0 'lst/run_*'       one line each
      cta-data-direct du --json lst/run1        bytes, files, directories

    One level is shown unless -L says otherwise. Files are counted as long as
    they are: what copies and tapes take up in the end is not known.
    """
    from ctadata.namespace.du import measure_usage

    levels = command_context.depth_of(depth)
    words = human or stdout_is_terminal()
    with command_context.visiting(ctx, token_file) as visit:

        def count(entry: Entry) -> None:
            with command_context.partly(entry) as on_error:
                parts = measure_usage(visit.session.store, entry, depth=levels, on_error=on_error)
                for part in parts:
                    _show(part, directory=entry.is_directory, words=words, json=json)
                if unsized := parts[-1].unsized:
                    say(f"{entry.path}: {units.files(unsized)} of unknown size, counted as empty")

        command_context.each(command_context.named(visit.session, paths), count)


def _show(part: Usage, *, directory: bool, words: bool, json: bool) -> None:
    path = "/".join(part.path.parts)
    if json:
        data_json({"path": path, "size": part.size, "files": part.files, "directories": part.directories})
    else:
        size = units.size(part.size) if words else str(part.size)
        data(f"{size:>12}  {path}{'/' if directory else ''}")
