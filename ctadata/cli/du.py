"""`du`: how much lies where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options, visiting
from ctadata.cli.output import data, data_json, say, stdout_is_terminal
from ctadata.progress import amounts

if TYPE_CHECKING:
    from ctadata.entries import Entry
    from ctadata.namespace.usage import Usage


def du(
    ctx: typer.Context,
    paths: visiting.Paths,
    depth: visiting.Depth = "1",
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
    from ctadata.namespace.usage import usage

    levels = visiting.depth_of(depth)
    words = human or stdout_is_terminal()
    with visiting.visiting(ctx, token_file) as visit:

        def count(entry: Entry) -> None:
            with visiting.partly(entry) as failed:
                parts = usage(visit.session.store, entry, depth=levels, failed=failed)
                for part in parts:
                    _show(part, directory=entry.is_directory, words=words, json=json)
                if unsized := parts[-1].unsized:
                    say(f"{entry.path}: {amounts.files(unsized)} of unknown size, counted as empty")

        visiting.each(visiting.named(visit.session, paths), count)


def _show(part: Usage, *, directory: bool, words: bool, json: bool) -> None:
    path = "/".join(part.path.parts)
    if json:
        data_json({"path": path, "size": part.size, "files": part.files, "directories": part.directories})
    else:
        size = amounts.size(part.size) if words else str(part.size)
        data(f"{size:>12}  {path}{'/' if directory else ''}")
