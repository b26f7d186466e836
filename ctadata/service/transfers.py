"""How the platform's clients have always transferred: downloads keep the whole remote path, uploads replace."""

from __future__ import annotations

from ctadata.session import Session
from ctadata.transfer.equality import Compare
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import Reporter, Summary

REPLACING = Rules(compare=Compare.CHECKSUM)
"""The rules of an upload. The service lists no checksums, so no file on it counts as equal by checksum."""


def download_with_full_path(
    session: Session, source: str, *, rules: Rules | None = None, reporter: Reporter | None = None
) -> Summary:
    """Download a directory and keep its whole path: `a/b` becomes `./a/b/...`.

    A file, or the root, goes into the current directory.

    Args:
        session: An open session at the download service.
        source: A path, or a pattern if no such path exists.
        rules: What is skipped, kept or replaced. None uses the defaults of a download.
        reporter: Receives each result. None reports to nobody.

    Raises:
        NotFound: No such file or directory exists.
        CtadataError: Any error that `Session.get` raises.
    """
    entries = session.find(source)
    if all(entry.is_directory and entry.path.parts for entry in entries):
        names = [str(entry.path) for entry in entries]
        return session.get([], None, recursive=True, listed=names, rules=rules, reporter=reporter)
    return session.get([source], None, recursive=True, rules=rules, reporter=reporter)
