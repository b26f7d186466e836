"""The command `cat`: the bytes of files on standard output."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from ctadata.cli import command_context, options, transfer_options
from ctadata.cli.output import open_stdout, say, stdout_is_terminal
from ctadata.entries import Entry
from ctadata.errors import UsageError
from ctadata.transfer.streams import stream_range_to

_RANGE = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")


def cat(
    ctx: typer.Context,
    paths: command_context.Paths,
    range_: Annotated[
        str | None,
        typer.Option(
            "--range",
            metavar="A-B",
            help="Write bytes A to B only, counted from 0; A- means to the end, -N the last N.",
        ),
    ] = None,
    raw_key: transfer_options.RawKey = False,
    token_file: options.TokenFile = None,
) -> None:
    """Write the bytes of files, one after the other.

    \b
      cta-data-direct cat lst/run1/log/a.txt
      cta-data-direct cat lst/run1/events.h5 | head -c 8
      cta-data-direct cat --range 0-1023 lst/run1/events.h5 > head

    A whole file is verified after its last byte. Exit code 7 means that the
    bytes on stdout are not the file. The bytes of --range are not verified:
    the storage has no checksum for them.
    """
    out = open_stdout().buffer
    with command_context.open_context(ctx, token_file, raw_key=raw_key) as context:
        if range_ is None:
            summary = context.session.get_to_pipe(paths, out.write)
            for error in summary.errors:
                say(str(error))
            if summary.exit_code:
                raise typer.Exit(summary.exit_code)
        else:
            for text in paths:
                for entry in context.session.find(text):
                    start, stop = _bounds(range_, entry)
                    stream_range_to(context.session.store, entry, start, stop, out.write)
        if stdout_is_terminal():
            out.flush()


def _bounds(text: str, entry: Entry) -> tuple[int, int | None]:
    """Return the offset of the first byte of `A-B`, `A-` or `-N`, and the offset after its last byte.

    The second offset is None if the range goes to the end of the file.
    """
    match = _RANGE.fullmatch(text)
    first, last = match.groups() if match else ("", "")
    if not first and not last:
        raise UsageError(f"{text!r} is no range", hint="write 0-1023, 1024- or -512")
    if not first:
        if entry.size is None:
            raise UsageError("its size is unknown, so the last bytes cannot be found", path=str(entry.path))
        return max(0, entry.size - int(last)), entry.size
    start, stop = int(first), int(last) + 1 if last else None
    if stop is not None and stop <= start:
        raise UsageError(f"the range {text} ends before it begins")
    if entry.size is not None and start >= entry.size > 0:
        raise UsageError(f"it has only {entry.size} bytes", path=str(entry.path))
    return start, stop
