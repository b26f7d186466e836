"""Upload files under names in Unicode's normal form NFC, if the user asks for it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from ctadata.errors import NotFound, UsageError
from ctadata.paths import RemotePath, to_nfc
from ctadata.printable import escape_unprintable
from ctadata.transfer.run import Run

FORMS = ("nfc",)
"""The normal forms that names can get."""
SHOWN = 3
"""The number of names that the remark of a run shows."""

Named = list[tuple[Path, str]]
"""Local files or directories, each with its name on the storage."""


def check_form(form: str | None) -> str:
    """Return the normal form as `Rules.normalize` has it; empty for None. Raises UsageError for an unknown form."""
    if form is not None and form.lower() not in FORMS:
        raise UsageError(f"{escape_unprintable(form)!r} is not a normal form of names", hint="it is nfc")
    return (form or "").lower()


def renamed(run: Run, collection: RemotePath, named: Named) -> Named:
    """Return the files or directories with their names in NFC.

    If two names become the same, the one that already was in NFC keeps it, and each other one is a failure.

    Args:
        run: The run.
        collection: The remote collection that holds them.
        named: The files or directories.
    """
    if not run.rules.normalize:
        return named
    twins: defaultdict[str, list[tuple[Path, str]]] = defaultdict(list)
    for local, name in named:
        twins[to_nfc(name)].append((local, name))
    kept: Named = []
    for name, group in twins.items():
        native = [local for local, before in group if before == name]
        if not native and len(group) == 1:
            run.renamed.append(collection / name)
        for local, before in group:
            if before == name or len(group) == 1:
                kept.append((local, name))
            else:
                other = next(str(each) for each, its in group if its != before)
                error = UsageError(
                    f"in NFC, it has the same name as {escape_unprintable(other)}", path=escape_unprintable(str(local))
                )
                run.fail(error, collection / name, local)
    return kept


def renamed_file(run: Run, path: RemotePath) -> RemotePath:
    """Return the path of one file with its name in NFC; the collections above it keep an existing spelling."""
    if not run.rules.normalize or not path.parts:
        return path
    target = renamed_target(run, path.parent) / to_nfc(path.name)
    if target.name != path.name:
        run.renamed.append(target)
    return target


def renamed_target(run: Run, path: RemotePath) -> RemotePath:
    """Return the path of a collection, in NFC from the first name on that does not exist as the user wrote it."""
    if not run.rules.normalize:
        return path
    existing = path
    while existing.parts and str(existing) != to_nfc(str(existing)) and not _exists(run, existing):
        existing = existing.parent
    target = existing.join(map(to_nfc, path.parts[len(existing.parts) :]))
    if target != path:
        run.renamed.append(target)
    return target


def _exists(run: Run, path: RemotePath) -> bool:
    try:
        return bool(run.store.info(path))
    except NotFound:
        return False


def add_remark(run: Run) -> None:
    """Add a remark about the names that were changed, once."""
    count, shown = len(run.renamed), ", ".join(escape_unprintable(str(path)) for path in run.renamed[:SHOWN])
    if count:
        more = f" and {count - SHOWN} more" if count > SHOWN else ""
        names = "1 name is" if count == 1 else f"{count} names are"
        run.summary.remarks.append(f"{names} written in Unicode's form NFC on the storage: {shown}{more}")
        run.renamed.clear()
