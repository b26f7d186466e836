"""Names in Unicode's normal form NFC: how files of other names are put, if the caller asks for it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from ctadata.errors import NotFound, UsageError
from ctadata.paths import RemotePath, escape_unprintable, to_nfc
from ctadata.transfer.run import Run

FORMS = ("nfc",)
"""The forms that names can be put in."""
SHOWN = 3
"""Names that the remark of a run shows."""

Named = list[tuple[Path, str]]
"""Local files or directories, each with its name on the storage."""


def check_form(form: str | None) -> str:
    """The form as rules have it, empty for none; UsageError for one that is not known."""
    if form is not None and form.lower() not in FORMS:
        raise UsageError(f"{escape_unprintable(form)!r} is no form of names", hint="it is nfc")
    return (form or "").lower()


def renamed(run: Run, collection: RemotePath, named: Named) -> Named:
    """The same files or directories under names in NFC; two that become one are failures, but for one named so here."""
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
                    f"its name in NFC is also that of {escape_unprintable(other)}", path=escape_unprintable(str(local))
                )
                run.fail(error, collection / name, local)
    return kept


def renamed_file(run: Run, path: RemotePath) -> RemotePath:
    """The path of one file, its name in NFC, as a person wrote it; what is there of the path above stays."""
    if not run.rules.normalize or not path.parts:
        return path
    target = renamed_target(run, path.parent) / to_nfc(path.name)
    if target.name != path.name:
        run.renamed.append(target)
    return target


def renamed_target(run: Run, path: RemotePath) -> RemotePath:
    """A collection that a person wrote, in NFC from the first name on that is not there as it was written."""
    if not run.rules.normalize:
        return path
    there = path
    while there.parts and str(there) != to_nfc(str(there)) and not _is_there(run, there):
        there = there.parent
    target = there.join(map(to_nfc, path.parts[len(there.parts) :]))
    if target != path:
        run.renamed.append(target)
    return target


def _is_there(run: Run, path: RemotePath) -> bool:
    try:
        return bool(run.store.info(path))
    except NotFound:
        return False


def remark(run: Run) -> None:
    """Say which names were put in another form; once."""
    count, shown = len(run.renamed), ", ".join(escape_unprintable(str(path)) for path in run.renamed[:SHOWN])
    if count:
        more = f" and {count - SHOWN} more" if count > SHOWN else ""
        names = "1 name is" if count == 1 else f"{count} names are"
        run.summary.remarks.append(f"{names} written in Unicode's form NFC on the storage: {shown}{more}")
        run.renamed.clear()
