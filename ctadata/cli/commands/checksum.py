"""The command `checksum`: the storage's own checksums of files."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.checksums import STRONGEST_FIRST, new_hasher
from ctadata.cli import command_context, options
from ctadata.cli.output import write_json, write_line
from ctadata.cli.sharing import ShardOption, Sharing
from ctadata.entries import Entry
from ctadata.errors import IntegrityError, UsageError
from ctadata.local_paths import exists
from ctadata.namespace.digests import get_digest
from ctadata.paths import missing_file_error
from ctadata.transfer.partial_file import local_errors

if TYPE_CHECKING:
    from ctadata.session import Session


def checksum(
    ctx: typer.Context,
    paths: command_context.Paths,
    algorithm: Annotated[
        str | None,
        typer.Option(
            "-a", "--algorithm", metavar="NAME", help="adler32, md5, sha, sha-256 or sha-512; by default the strongest."
        ),
    ] = None,
    local: Annotated[
        Path | None,
        typer.Option("--local", metavar="FILE", help="Compare with this local file; exit code 7 if it differs."),
    ] = None,
    shard: ShardOption = None,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Show the storage's checksums, without reading the files.

    \b
      cta-data-direct checksum lst/run1/events.h5
      cta-data-direct checksum --local events.h5 lst/run1/events.h5
      cta-data-direct checksum -a md5 'lst/run1/*.h5' > sums

    The lines have the form of md5sum. The number of digits shows the
    algorithm: 8 for adler32, 32 for md5, 40 for sha, 64 for sha-256, 128 for
    sha-512. dCache keeps the adler32 of every file.
    """
    name = None if algorithm is None else algorithm.lower()
    if name not in (None, *STRONGEST_FIRST):
        raise UsageError(f"{algorithm!r} is not a known algorithm", hint=f"choose one of {', '.join(STRONGEST_FIRST)}")
    sharing = Sharing.read(shard, None)
    with command_context.open_context(ctx, token_file) as context:
        targets = list(command_context.find_all(context.session, paths))
        if local is not None and len(targets) > 1:
            raise UsageError("--local compares with one file")

        def print_checksum(entry: Entry) -> None:
            used, digest = _checked_digest(context.session, entry, name, local)
            path = "/".join(entry.path.parts)
            if json:
                write_json({"path": path, "algorithm": used, "digest": digest})
            else:
                write_line(f"{digest}  {path}")

        context.announce(sharing)
        command_context.for_each(sharing.own_entries(targets), print_checksum)


def _checked_digest(session: Session, entry: Entry, algorithm: str | None, local: Path | None) -> tuple[str, str]:
    """Return the algorithm and digest that the storage has; IntegrityError if the local file differs."""
    known = get_digest(session.store, entry, algorithm)
    if local is not None:
        computed = _hash_file(local, known[0], session.stop)
        if computed != known[1]:
            raise IntegrityError(f"{local} differs: {known[0]} {computed} here, {known[1]} there", path=str(entry.path))
    return known


def _hash_file(local: Path, algorithm: str, stop: threading.Event) -> str:
    from ctadata.local_inputs import open_input, read_blocks

    work = new_hasher(algorithm)
    with local_errors(str(local)):
        if not exists(local):
            raise missing_file_error(str(local))
        with open_input(local) as fd:
            for block in read_blocks(fd, stop, 1 << 20):
                work.update(block)
    return work.hexdigest()
