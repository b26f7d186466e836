"""The command `local`: verified copies in the cache directory, for programs that take local paths only."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.output import write_line
from ctadata.progress.reporters import choose


def local(
    ctx: typer.Context,
    paths: command_context.ExactPaths,
    stage: Annotated[
        bool, typer.Option("--stage", help="Bring files on tape to disk first, and wait for them.")
    ] = False,
    token_file: options.TokenFile = None,
) -> None:
    """Print the local paths of verified copies.

    \b
      cta-data-direct local lst/run1/events.h5
      h5dump -H "$(cta-data-direct local lst/run1/events.h5)"

    A copy is read-only and stays in the cache directory, one for each version
    of a file: the second time nothing is downloaded. CTADATA_CACHE_SIZE (20G)
    limits all copies together, cache list shows them, cache clear removes them.
    """
    from ctadata.local_copies import local_copy, read_room

    common, room = options.begin(ctx), read_room()
    with (
        command_context.open_context(ctx, token_file) as context,
        choose(sys.stderr, quiet=common.quiet, verbose=bool(common.verbose), env=os.environ) as reporter,
    ):

        def print_copy(text: str) -> None:
            write_line(str(local_copy(context.session, text, room=room, stage=stage, reporter=reporter)))

        command_context.for_each(paths, print_copy)
