"""What the platform's clients have always done: downloads keep the whole remote path, uploads replace."""

from __future__ import annotations

from ctadata.session import Session
from ctadata.transfer.plan import Compare, Rules
from ctadata.transfer.report import Reporter, Summary

REPLACING = Rules(compare=Compare.CHECKSUM)
"""What an upload goes by: the service lists no checksums, so no file there counts as equal."""


def get_along(
    session: Session, source: str, *, rules: Rules | None = None, reporter: Reporter | None = None
) -> Summary:
    """Download a directory with its whole path: `a/b` becomes `./a/b/...`; a file, or the root, comes to here.

    NotFound, and what `Session.get` raises.
    """
    entry = session.info(source)
    if entry.is_directory and entry.path.parts:
        return session.get([], None, recursive=True, listed=[str(entry.path)], rules=rules, reporter=reporter)
    return session.get([source], None, recursive=True, rules=rules, reporter=reporter)
