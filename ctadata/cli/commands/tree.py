"""The command `tree`: draw the tree below a directory."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.entry_lines import read_sort_key
from ctadata.cli.output import write_text
from ctadata.entries import Entry
from ctadata.namespace.tree import ASCII, Pen, draw_tree, entry_name
from ctadata.progress import units


def tree(
    ctx: typer.Context,
    paths: command_context.Paths,
    depth: command_context.Depth = None,
    human: Annotated[bool, typer.Option("-h", "--human-readable", help="Show the size of each file.")] = False,
    sort: Annotated[
        str, typer.Option("--sort", metavar="KEY", help="Sort the names of each directory by name, size or time.")
    ] = "name",
    token_file: options.TokenFile = None,
) -> None:
    """Draw the trees below directories.

    \b
      cta-data-direct tree lst/run1
      cta-data-direct tree -L 2 home:        two levels
      cta-data-direct tree -h --sort size lst

    In scripts use list -r or find: they write full paths.
    """
    levels, key = command_context.parse_depth(depth), read_sort_key(sort)
    label = _name_with_size if human else entry_name
    pen = _pen()
    with command_context.open_context(ctx, token_file) as context:

        def print_tree(entry: Entry) -> None:
            with command_context.collect_failures(entry) as on_error:
                lines = draw_tree(
                    context.session.store, entry, depth=levels, pen=pen, key=key, label=label, on_error=on_error
                )
                for line in lines:
                    write_text(line + "\n")

        command_context.for_each(command_context.find_all(context.session, paths), print_tree)


def _name_with_size(entry: Entry) -> str:
    size = "" if entry.is_directory or entry.size is None else units.size(entry.size)
    return f"[{size:>10}]  {entry_name(entry)}"


def _pen() -> Pen:
    try:
        Pen().branch.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return ASCII
    return Pen()
