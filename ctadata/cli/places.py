"""`get-home` and `exists`: small answers for scripts."""

from __future__ import annotations

import typer

from ctadata.cli import command_context, options
from ctadata.cli.output import data, data_json, say
from ctadata.errors import NotFound, NothingMatched


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
