"""The command `du`: the bytes in directories."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.output import say, stdout_is_terminal, write_json, write_line
from ctadata.entries import Entry
from ctadata.errors import UsageError
from ctadata.namespace.du import Usage, measure_usage
from ctadata.progress import units


def du(
    ctx: typer.Context,
    paths: command_context.Paths,
    depth: command_context.Depth = "1",
    human: options.Human = False,
    sort: Annotated[
        str, typer.Option("--sort", metavar="KEY", help="Sort the lines by name, or by size with the largest first.")
    ] = "name",
    chart: Annotated[bool, typer.Option("--chart", help="Draw a bar for the share of each line in the whole.")] = False,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Add up the sizes of the files in directories.

    \b
      cta-data-direct du home:                  its directories, then the sum
      cta-data-direct du -L 0 'lst/run_*'       one line for each
      cta-data-direct du --sort size home:      the largest first
      cta-data-direct du --chart --sort size home:   with bars
      cta-data-direct du --json lst/run1        bytes, files, directories

    It shows one level, unless -L says otherwise. It adds the sizes of files;
    the space that their copies on disk and tape need is not known.
    """
    levels = command_context.parse_depth(depth)
    if sort not in ("name", "size"):
        raise UsageError(f"nothing can be sorted by {sort!r}", hint="the keys are name, size")
    if chart and json:
        raise UsageError("--chart draws for people, and --json writes for programs", hint="leave one of them out")
    words = human or stdout_is_terminal()
    with command_context.open_context(ctx, token_file) as context:

        def count(entry: Entry) -> None:
            with command_context.collect_failures(entry) as on_error:
                parts = measure_usage(context.session.store, entry, depth=levels, on_error=on_error)
                if sort == "size":
                    parts[:-1] = sorted(parts[:-1], key=lambda part: (-part.size, part.path))
                for part in parts:
                    bar = draw_bar(part.size, parts[-1].size) if chart else ""
                    _print_usage(part, directory=entry.is_directory, words=words, json=json, bar=bar)
                if unsized := parts[-1].unsized:
                    say(f"{entry.path}: {units.files(unsized)} of unknown size, counted as empty")

        command_context.for_each(command_context.find_all(context.session, paths), count)


def _print_usage(part: Usage, *, directory: bool, words: bool, json: bool, bar: str = "") -> None:
    path = "/".join(part.path.parts)
    if json:
        write_json({"path": path, "size": part.size, "files": part.files, "directories": part.directories})
    else:
        size = units.size(part.size) if words else str(part.size)
        write_line(f"{size:>12}  {bar}{path}{'/' if directory else ''}")


BAR = 16
"""The width of a bar, in characters."""


def draw_bar(size: int, whole: int) -> str:
    """Return a bar for the share of `size` in `whole`, and the share: `████▌             28%  `."""
    share = size / whole if whole else 0.0
    eighths = round(share * BAR * 8)
    if not _can_write("█▌"):
        return f"{'#' * round(share * BAR):<{BAR}} {share:4.0%}  "
    bar = "█" * (eighths // 8) + (" ▏▎▍▌▋▊▉"[eighths % 8] if eighths % 8 else "")
    return f"{bar:<{BAR}} {share:4.0%}  "


def _can_write(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
