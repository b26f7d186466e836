"""Receipts: the outcome of each file of a run, one JSON object per line, written when the file ends.

A line has all facts that a later check, or another attempt, needs. A run adds its lines to an existing receipt; of
several lines about one file, the last one counts. The receipt of a killed run can be used.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from ctadata.checksums import OF_PARTS, is_of_parts
from ctadata.errors import CtadataError, UsageError
from ctadata.paths import MAX_CHARACTERS, RemotePath, shorten
from ctadata.permissions import open_own_file, refuse_untrusted_file
from ctadata.printable import escape_unprintable
from ctadata.system import pread
from ctadata.transfer.partial_file import local_errors
from ctadata.transfer.report import Outcome, State

SCHEMA = 1
"""Version of the lines; it grows when a field changes its meaning."""

ACTIONS = ("get", "put", "sync", "copy", "verify", "alias")
"""The actions of lines, also of those that `--json` writes."""

_MAX_LINE = 1 << 20
"""Bytes. A line is shorter: it has two paths of at most `MAX_CHARACTERS`, and words."""


@dataclass(frozen=True, slots=True)
class ReceiptWriter:
    """The facts that all lines of a run share.

    Attributes:
        action: `get` or `put`.
        profile: The profile's name.
        bases: The local directories of a download; names below them are never links.
    """

    action: str
    profile: str
    bases: Sequence[Path] = ()

    def as_json(self, outcome: Outcome) -> dict[str, object]:
        """Return the line of an outcome that has just ended; sizes are in bytes, times in seconds (since 1970)."""
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
            "ended": round(time.time(), 3),
        }

    def _absolute(self, local: Path) -> str:
        for base in self.bases:
            if local != base and local.is_relative_to(base):
                return os.path.join(os.path.realpath(base), local.relative_to(base))  # noqa: PTH118
        return os.path.abspath(local)  # noqa: PTH100  (links in the path stay links)


_BEGINNING = b'{"schema": '
"""The first bytes of each line that `open_receipt` has written."""


def open_receipt(file: Path) -> TextIO:
    """Open a receipt to add lines; each is written at once. A group cannot write a new one.

    Raises:
        UsageError: The file is no regular file of this user, or another file than a receipt. It is not changed.
        LocalError: The file system refuses.
        StorageFull: The file system is full.
    """
    with local_errors(file):
        fd = open_own_file(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644, what="receipt")
        stream = os.fdopen(fd, "a+", encoding="ascii", errors="backslashreplace", buffering=1)
        try:
            size = os.fstat(fd).st_size
            if size:
                _check_beginning(pread(fd, _MAX_LINE, 0), file)
            if size and pread(fd, 1, size - 1) != b"\n":
                stream.write("\n")  # a killed run has left an incomplete line
        except BaseException:
            stream.close()
            raise
    return stream


def _check_beginning(content: bytes, file: Path) -> None:
    """Raise UsageError unless a file begins with a line of a receipt. A killed run may have cut it off."""
    line, name = content.partition(b"\n")[0], escape_unprintable(str(file))
    if _read(line.decode(errors="replace"), f"{name}:1") is None:
        is_cut_off = line.startswith(_BEGINNING) or (line and _BEGINNING.startswith(line))
        if not is_cut_off:
            raise UsageError("this file is not a receipt, so no line is added to it", path=name)


_WITHOUT_FILE = {"get": "it went to standard output", "put": "it came from standard input"}
_MOVED = (State.DONE, State.SKIPPED, State.KEPT)


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a receipt; the fields have the meaning that they have in `Outcome`.

    Attributes:
        ended: When the work on the file ended, in seconds since 1970; None in receipts of earlier versions.
    """

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
    seconds: float = 0.0
    ended: float | None = None
    retries: int = 0

    @property
    def subject(self) -> tuple[object, ...]:
        """What the line is about: the file, by its remote and local path, and the direction."""
        return self.action, self.profile, self.path, self.local, self.key

    @property
    def why_not_local(self) -> str:
        """Why the line names no local file; empty if it names one."""
        if self.local is not None:
            return ""
        if self.state in _MOVED and self.action in _WITHOUT_FILE:
            return _WITHOUT_FILE[self.action]
        return "the receipt names no local file for it"

    @property
    def is_undone(self) -> bool:
        """Whether the run did not do what the user asked for this file."""
        return self.state is State.FAILED or (self.state is State.PASSED and bool(self.error))


@dataclass(frozen=True, slots=True)
class LastLines:
    """The last line about each file, of some receipts.

    Attributes:
        records: The records, each with its line, in the order of the first lines about each file.
        incomplete: The number of lines that cannot be read, for each receipt that has some. Killed runs leave them.
    """

    records: Collection[tuple[Record, str]]
    incomplete: Mapping[Path, int]

    @property
    def errors(self) -> list[CtadataError]:
        """An error for each receipt with lines that cannot be read: their files are not known."""
        return [
            UsageError(
                "1 line cannot be read, so its file is not known"
                if count == 1
                else f"{count} lines cannot be read, so their files are not known",
                hint="repeat the command that wrote it; receipts merge leaves such lines out",
                path=escape_unprintable(str(file)),
            )
            for file, count in self.incomplete.items()
        ]


def last_lines(files: Mapping[Path, bool]) -> LastLines:
    """Return the last line about each file: the one that ended last; within one receipt, the later line.

    Args:
        files: The receipts, each with whether the user has named it; False if only a pattern has found it. The receipt
            of a task without files is empty.

    Raises:
        UsageError: A file is no receipt.
        ConfigError: Everybody can write a file; or it belongs to another user, or a group can write it, and the user
            has not named it.
        LocalError: A file cannot be read.
    """
    last: dict[tuple[object, ...], tuple[Record, str]] = {}
    incomplete, has_text = Counter[Path](), False
    for file, named in files.items():
        with local_errors(file), file.open(encoding="utf-8", errors="replace") as lines:
            status, what = os.fstat(lines.fileno()), "the lines of this receipt"
            refuse_untrusted_file(status, file, what=what, named=named, hint="name it without a pattern")
            for number, line in enumerate(lines, 1):
                has_text = True
                record = _read(line, f"{escape_unprintable(str(file))}:{number}")
                if record is None and line.strip():
                    if line.strip("\0\n")[:1] not in ("", "{"):  # neither a killed run nor a power cut leaves it
                        raise UsageError("this file is not a receipt", path=escape_unprintable(str(file)))
                    incomplete[file] += 1
                elif record and not _is_older(record, last.get(record.subject)):
                    last[record.subject] = record, line.rstrip("\n")
    if has_text and not last:
        raise UsageError("this file is not a receipt", path=", ".join(escape_unprintable(str(file)) for file in files))
    return LastLines(last.values(), incomplete)


def _is_older(record: Record, other: tuple[Record, str] | None) -> bool:
    if other is None or record.ended is None or other[0].ended is None:
        return False
    return record.ended < other[0].ended


def read_receipt(*files: Path) -> list[Record]:
    """Return the last line about each file of receipts that the user has named; see `last_lines` about the errors."""
    return [record for record, _ in last_lines(dict.fromkeys(files, True)).records]


def _read(line: str, place: str) -> Record | None:
    """Parse one line; return None if it is incomplete, and raise UsageError if no version of ctadata wrote it."""
    try:
        fields: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    try:
        _check_schema(fields, place)
        return Record(
            action=_one_of(ACTIONS, fields["action"], "action"),
            profile=str(fields["profile"]),
            state=State(_one_of(list(State), fields["state"], "state")),
            path=RemotePath.parse(_name(fields["path"])),
            local=None if fields["local"] is None else Path(_name(fields["local"])),
            size=_size(fields["size"]),
            digest=_digest(fields["digest"]),
            etag=None if fields["etag"] is None else str(fields["etag"]),
            error=str(fields["error"] or ""),
            why=str(fields.get("why") or ""),
            exit_code=_code(fields.get("exit_code")),
            key=str(fields.get("key") or ""),
            seconds=_time(fields.get("seconds")) or 0.0,
            ended=_time(fields.get("ended")),
            retries=max(0, _code(fields.get("retries")) or 0),
        )
    except KeyError as error:
        raise UsageError(f"this is not a line of a receipt: it has no {error.args[0]}", path=place) from error
    except ValueError as error:
        raise UsageError(f"this is not a line of a receipt: {error}", path=place) from error


def _check_schema(fields: object, place: str) -> None:
    if not isinstance(fields, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004  (a wrong value in a file)
    value = fields["schema"]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("its schema is not a whole number")  # noqa: TRY004
    if value != SCHEMA:
        raise UsageError(f"a receipt of schema {shorten(str(value))}, and only {SCHEMA} is known", path=place)


def _one_of(known: Sequence[str], value: object, name: str) -> str:
    if value not in known:
        raise ValueError(f"no receipt has the {name} {shorten(str(value))}")
    return str(value)


def _name(value: object) -> str:
    """Return a path; raise ValueError if no file system can have it."""
    if not isinstance(value, str):
        raise ValueError("a path in it is not text")  # noqa: TRY004
    try:
        is_possible = "\0" not in value and len(os.fsencode(value)) <= MAX_CHARACTERS
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        raise ValueError("no file can have a path that it names")
    return value


def _code(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _time(value: object) -> float | None:
    is_time = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_time else None  # type: ignore[arg-type]


def _digest(value: object) -> str:
    """Return a digest; raise ValueError if it is one of parts of no size."""
    algorithm, _, _ = (digest := str(value)).partition(":")
    if OF_PARTS in algorithm and not is_of_parts(algorithm):
        raise ValueError("its digest has no size of the parts")
    return digest


def _size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("its size is not a number of bytes")
    return value


def unfinished(records: Sequence[Record], action: str, *, damaged: bool) -> Iterator[Record]:
    """Yield the records to try again: failures, and files that may be missing or different by now.

    For downloads, these are the files that do not exist any more. For uploads, these are all files that still exist;
    the plan then decides whether they are on the storage. Bytes from a pipe have no local file, so they always count;
    bytes that went into one count if they may be damaged.

    Args:
        records: The records.
        action: `get` or `put`: the direction of the new run.
        damaged: Whether existing local files may be damaged, so that all downloads are planned again.

    Raises:
        UsageError: The receipt is of the other direction.
    """
    for record in records:
        if record.action != action:
            hint = f"use {record.action} --retry-failed" if record.action in _WITHOUT_FILE else ""
            raise UsageError(f"this is the receipt of a {record.action}", hint=hint)
        if record.local is None:
            doubtful = damaged or action == "put"
        else:
            exists = os.path.lexists(record.local)
            doubtful = exists if action == "put" else damaged or not exists
        if record.key and action == "put":
            continue  # the key is on the storage, and no local file belongs to it
        if record.is_undone or (record.state in _MOVED and doubtful):
            yield record
