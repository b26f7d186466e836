"""Receipts: what became of each file of a run, one JSON object on a line, written as it ends.

A line says all that a later check, or another try, has to know. Runs add to a receipt that is there; of several lines
about one file the last one counts. A run that was killed leaves a receipt that can be used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from ctadata.errors import UsageError
from ctadata.paths import MAX_CHARACTERS, RemotePath, escape_unprintable, shorten
from ctadata.permissions import refuse_untrusted_file
from ctadata.transfer.partial_file import local_words
from ctadata.transfer.report import Outcome, State

SCHEMA = 1
"""Version of the lines; grows when one changes its meaning."""


@dataclass(frozen=True, slots=True)
class ReceiptWriter:
    """What all outcomes of a run have in common.

    action:  `get` or `put`, the direction.
    profile: the site.
    bases:   the local folders that things land in; names below them are never links.
    """

    action: str
    profile: str
    bases: Sequence[Path] = ()

    def as_json(self, outcome: Outcome) -> dict[str, object]:
        """One line of a receipt; sizes in bytes, times in seconds."""
        return {
            "schema": SCHEMA,
            "action": self.action,
            "profile": self.profile,
            "state": str(outcome.state),
            "path": "/".join(outcome.remote.parts),
            "local": None if outcome.local is None else self._absolute(outcome.local),
            "size": outcome.size,
            "digest": outcome.digest,
            "etag": outcome.etag,
            "seconds": round(outcome.seconds, 3),
            "retries": outcome.retries,
            "verified": outcome.verified,
            "why": outcome.why,
            "error": None if outcome.error is None else str(outcome.error),
            "exit_code": None if outcome.error is None else outcome.error.exit_code,
            "key": outcome.key or None,
        }

    def _absolute(self, local: Path) -> str:
        for base in self.bases:
            if local != base and local.is_relative_to(base):
                return os.path.join(os.path.realpath(base), local.relative_to(base))  # noqa: PTH118
        return os.path.abspath(local)  # noqa: PTH100  (a link in it stays one)


def open_receipt(file: Path) -> TextIO:
    """Open a receipt to add lines to, each of which is written at once; LocalError."""
    with local_words(file):
        stream = file.open("a+", encoding="ascii", errors="backslashreplace", buffering=1)
        if stream.tell() and _last_byte(stream) != b"\n":
            stream.write("\n")  # a run was killed in the middle of a line
    return stream


def _last_byte(stream: TextIO) -> bytes:
    return os.pread(stream.fileno(), 1, os.fstat(stream.fileno()).st_size - 1)


@dataclass(frozen=True, slots=True)
class Record:
    """One line, read; the fields are those of `Outcome`."""

    action: str
    profile: str
    state: State
    path: RemotePath
    local: Path | None
    size: int
    digest: str
    etag: str | None
    error: str
    why: str = ""
    exit_code: int | None = None
    key: str = ""

    @property
    def is_undone(self) -> bool:
        """Whether the run did not do what was asked of it for this file."""
        return self.state is State.FAILED or (self.state is State.PASSED and bool(self.error))


def read_receipt(file: Path) -> list[Record]:
    """The last line about each file, in the order of the first ones; UsageError (no receipt, or one that everybody can
    write), LocalError.
    """
    found: dict[tuple[RemotePath, Path | None, str], Record] = {}
    with local_words(file), file.open(encoding="utf-8", errors="replace") as lines:
        refuse_untrusted_file(os.fstat(lines.fileno()), file, what="the lines of this receipt", named=True)
        for number, line in enumerate(lines, 1):
            record = _read(line, f"{escape_unprintable(str(file))}:{number}")
            if record is not None:
                found[record.path, record.local, record.key] = record
    if not found:
        raise UsageError("there is nothing of a receipt in it", path=escape_unprintable(str(file)))
    return list(found.values())


def _read(line: str, where: str) -> Record | None:
    """One line; None for what a kill has left of one; UsageError for lines that no version of ours wrote."""
    try:
        fields: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    try:
        if fields["schema"] != SCHEMA:
            raise UsageError(
                f"a receipt of schema {shorten(str(fields['schema']))}, and only {SCHEMA} is known", path=where
            )
        return Record(
            action=str(fields["action"]),
            profile=str(fields["profile"]),
            state=State(fields["state"]),
            path=RemotePath.parse(_name(fields["path"])),
            local=None if fields["local"] is None else Path(_name(fields["local"])),
            size=_size(fields["size"]),
            digest=str(fields["digest"]),
            etag=None if fields["etag"] is None else str(fields["etag"]),
            error=str(fields["error"] or ""),
            why=str(fields.get("why") or ""),
            exit_code=_code(fields.get("exit_code")),
            key=str(fields.get("key") or ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"this is no line of a receipt: {shorten(str(error))}", path=where) from error


def _name(value: str) -> str:
    """A path that a file system can have; ValueError."""
    if "\0" in value or len(os.fsencode(value)) > MAX_CHARACTERS:
        raise ValueError("a path that no file has")
    return value


def _code(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a size that no file has")
    return value


def unfinished(records: Sequence[Record], action: str, *, damaged: bool) -> Iterator[Record]:
    """What is to be tried again: what failed, and what may be missing by now; UsageError (the other direction).

    Of downloads that is what is not here any more; of uploads all that is still here, of which the plan says then
    whether it is there. damaged: what is here may be damaged, so the plan looks at all downloads too.
    """
    for record in records:
        if record.action != action:
            raise UsageError(f"it is the receipt of a {record.action}", hint=f"use {record.action} --retry-failed")
        here = record.local is not None and os.path.lexists(record.local)
        moved = record.state in (State.DONE, State.SKIPPED, State.KEPT)
        doubtful = here if action == "put" else damaged or not here
        if record.key and action == "put":
            continue  # it lies on the storage, and has no file here
        if record.is_undone or (moved and doubtful):
            yield record
