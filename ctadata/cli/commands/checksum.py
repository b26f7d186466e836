"""`checksum`: what the storage knows of its files' bytes, without reading them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.output import data, data_json
from ctadata.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from ctadata.entries import Entry
    from ctadata.session import Session


def checksum(
    ctx: typer.Context,
    paths: command_context.Paths,
    algorithm: Annotated[
        str | None,
        typer.Option(
            "-a", "--algorithm", metavar="NAME", help="adler32, md5, sha, sha-256 or sha-512; else the strongest."
        ),
    ] = None,
    local: Annotated[
        Path | None, typer.Option("--local", metavar="FILE", help="Compare with this file here; exit 7 if it differs.")
    ] = None,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Tell the storage's checksums, without reading the files.

    \b
      cta-data-direct checksum lst/run1/events.h5
      cta-data-direct checksum --local events.h5 lst/run1/events.h5
      cta-data-direct checksum -a md5 'lst/run1/*.h5' > sums

    The lines are those of md5sum and the like. Which algorithm it is can be
    seen from the digits: adler32 has 8, md5 32, sha 40, sha-256 64, sha-512
    128. dCache keeps adler32 of every file.
    """
    from ctadata.checksums import STRONGEST_FIRST

    name = None if algorithm is None else algorithm.lower()
    if name not in (None, *STRONGEST_FIRST):
        raise UsageError(f"{algorithm!r} is no algorithm known here", hint=f"known are {', '.join(STRONGEST_FIRST)}")
    with command_context.visiting(ctx, token_file) as visit:
        found = list(command_context.named(visit.session, paths))
        if local is not None and len(found) > 1:
            raise UsageError("--local compares with one file")

        def tell(entry: Entry) -> None:
            known, digest = _known(visit.session, entry, name, local)
            path = "/".join(entry.path.parts)
            if json:
                data_json({"path": path, "algorithm": known, "digest": digest})
            else:
                data(f"{digest}  {path}")

        command_context.each(found, tell)


def _known(session: Session, entry: Entry, algorithm: str | None, local: Path | None) -> tuple[str, str]:
    """Algorithm and digest as the storage has them; IntegrityError where the local file differs."""
    from ctadata.namespace.digests import get_digest

    known = get_digest(session.store, entry, algorithm)
    if local is not None:
        computed = _computed(local, known[0])
        if computed != known[1]:
            raise IntegrityError(f"{local} differs: {known[0]} {computed} here, {known[1]} there", path=str(entry.path))
    return known


def _computed(local: Path, algorithm: str) -> str:
    from ctadata.checksums import new_hasher
    from ctadata.transfer.partial_file import local_words

    work = new_hasher(algorithm)
    with local_words(str(local)), local.open("rb", buffering=0) as file:
        while block := file.read(1 << 20):
            work.update(block)
    return work.hexdigest()
