"""The command `tree`: draw the tree below a directory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from ctadata.cli import command_context, options
from ctadata.cli.output import data_raw

if TYPE_CHECKING:
    from ctadata.entries import Entry
    from ctadata.namespace.tree import Pen


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
    from ctadata.namespace.tree import draw_tree

    levels = command_context.depth_of(depth)
    pen = _pen()
    with command_context.visiting(ctx, token_file) as context:

        def print_tree(entry: Entry) -> None:
            with command_context.partly(entry) as on_error:
                for line in draw_tree(context.session.store, entry, depth=levels, pen=pen, on_error=on_error):
                    data_raw(line + "\n")

        command_context.each(command_context.named(context.session, paths), print_tree)


def _pen() -> Pen:
    from ctadata.namespace.tree import ASCII, Pen

    try:
        Pen().branch.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return ASCII
    return Pen()
