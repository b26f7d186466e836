"""What the platform's clients have always done: downloads keep the whole remote path, uploads replace."""

from __future__ import annotations

from ctadata.session import Session
from ctadata.transfer.plan import Compare, Rules
from ctadata.transfer.report import Reporter, Summary

REPLACING = Rules(compare=Compare.CHECKSUM)
"""What an upload goes by: the service lists no checksums, so no file there counts as equal."""


def download_with_full_path(
    session: Session, source: str, *, rules: Rules | None = None, reporter: Reporter | None = None
) -> Summary:
    """Download a directory with its whole path: `a/b` becomes `./a/b/...`; a file, or the root, comes to here.

    source: a path, or a pattern where no such path exists. NotFound, and what `Session.get` raises.
    """
    entries = session.find(source)
    if all(entry.is_directory and entry.path.parts for entry in entries):
        names = [str(entry.path) for entry in entries]
        return session.get([], None, recursive=True, listed=names, rules=rules, reporter=reporter)
    return session.get([source], None, recursive=True, rules=rules, reporter=reporter)
