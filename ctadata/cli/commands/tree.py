"""The command `tree`: draw the tree below a directory."""

from __future__ import annotations

import sys

import typer

from ctadata.cli import command_context, options
from ctadata.cli.output import write_text
from ctadata.entries import Entry
from ctadata.namespace.tree import ASCII, Pen, draw_tree


def tree(
    ctx: typer.Context,
    paths: command_context.Paths,
    depth: command_context.Depth = None,
    token_file: options.TokenFile = None,
) -> None:
    """Draw the trees below directories.

    \b
      cta-data-direct tree lst/run1
      cta-data-direct tree -L 2 home:        two levels

    In scripts use list -r or find: they write full paths.
    """
    levels = command_context.parse_depth(depth)
    pen = _pen()
    with command_context.open_context(ctx, token_file) as context:

        def print_tree(entry: Entry) -> None:
            with command_context.collect_failures(entry) as on_error:
                for line in draw_tree(context.session.store, entry, depth=levels, pen=pen, on_error=on_error):
                    write_text(line + "\n")

        command_context.for_each(command_context.find_all(context.session, paths), print_tree)


def _pen() -> Pen:
    try:
        Pen().branch.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return ASCII
    return Pen()
