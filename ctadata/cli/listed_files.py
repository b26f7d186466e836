"""The lists of `--files-from` for a download: paths, the lines of `list --json`, or the replicas of a catalogue."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from ctadata.cli.replica_lists import Replicas, parse_size, read_metalink, read_text
from ctadata.cli.transfer_options import read_names
from ctadata.config.profile import Profile
from ctadata.entries import Entry, Kind
from ctadata.errors import UsageError
from ctadata.paths import MAX_CHARACTERS, RemotePath, shorten
from ctadata.printable import escape_unprintable
from ctadata.transfer.download_target import NamedEntry


def read_files(
    file: str, stop: threading.Event, *, null: bool, profile: Callable[[], Profile]
) -> Iterator[str | Entry | NamedEntry | UsageError]:
    """Yield what a list names: paths, the entries of a listing, or the replicas of a catalogue.

    The first line tells which it is. A list of paths does not begin with `{`, `[` or `<`, so that a damaged document is
    not taken for names; `./` in front of such a name makes it a path.

    An entry has size and checksums, so that nobody asks the storage for them again.

    Args:
        file: The path of the list; `-` means standard input.
        stop: When set, a wait for further lines ends within a second.
        null: The list has paths that end with NUL.
        profile: Returns the site whose replicas are taken.

    Yields:
        The paths or the entries; in their place, the error of a line of a listing that cannot be read, for example the
        last one of a `list` that was killed.

    Raises:
        UsageError: The list cannot be read, or it begins as JSON or XML and is none of these lists.
        Stopped: `stop` is set.
    """
    names = read_names(file, stop, null=null)
    first = next(names, None)
    if first is None:
        return
    lines: Iterable[str] = itertools.chain([first], names)
    keys = set[str]() if null else _keys(first)
    if not null and first.startswith(("<?xml", "<metalink")):
        site = profile()
        yield from (_locate(each, site) for each in read_metalink(lines))
    elif not null and first.startswith("[") and (objects := _read_array(lines := [*lines])) is not None:
        yield from _read_replicas(objects, profile())
    elif keys >= _ENTRY:
        yield from _read_lines(lines, read_entry, "line of list --json")
    elif keys >= _REPLICAS:
        yield from _read_replicas(lines, profile())
    elif not null and (first.lstrip().startswith(("{", "[", "<")) or "\0" in first):
        raise UsageError(
            "the list begins with a line that is no path, no line of list --json, and no list of replicas",
            hint="-0 if its paths end with NUL; ./ in front of a path that begins with { [ or <",
            path=escape_unprintable(shorten(first)),
        )
    else:
        yield from lines


_ENTRY, _REPLICAS = {"path", "kind", "size"}, {"scope", "name"}
T = TypeVar("T")


def _read_array(lines: list[str]) -> list[str] | None:
    """Return the objects of a JSON array, each on a line; None if the lines are no array of replicas."""
    try:
        objects = [json.dumps(each) for each in json.loads("\n".join(lines))]
    except (ValueError, TypeError, RecursionError):
        return None
    return objects if objects and _keys(objects[0]) >= _REPLICAS else None


def _keys(line: str) -> set[str]:
    """Return the keys of a JSON object; none if the line is no JSON object."""
    try:
        return {*json.loads(line).keys()}
    except (ValueError, AttributeError, RecursionError):
        return set()


def _read_lines(lines: Iterable[str], read: Callable[[str], T], what: str) -> Iterator[T | UsageError]:
    for number, line in enumerate(lines, 1):
        try:
            yield read(line)
        except (UsageError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, UsageError) and error.path:
                yield error
                continue
            yield UsageError(
                f"line {number} of the list is no {what}: {_say(error)}",
                path=escape_unprintable(shorten(line)),
            )


def _say(error: Exception) -> str:
    """Return what is wrong with a line."""
    match error:
        case KeyError():
            return f"{error.args[0]} is missing"
        case TypeError() | AttributeError():
            return "a value has a wrong type"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return escape_unprintable(shorten(str(error)))


def _read_replicas(lines: Iterable[str], site: Profile) -> Iterator[NamedEntry | UsageError]:
    return _read_lines(lines, lambda line: Replicas.from_json(json.loads(line)).locate(site), "list of replicas")


def _locate(file: Replicas | UsageError, profile: Profile) -> NamedEntry | UsageError:
    try:
        return file if isinstance(file, UsageError) else file.locate(profile)
    except UsageError as error:
        return error


def read_entry(line: str) -> Entry:
    """Return the entry of a line of `list --json`. Raises UsageError, ValueError and others."""
    fields: dict[str, Any] = json.loads(line)
    if len(fields["path"]) > MAX_CHARACTERS:
        raise ValueError("its path is longer than a path may be")
    path, kind = RemotePath.parse(fields["path"]), fields["kind"]
    if not path.parts:
        raise ValueError("this is not a path of a file")
    if kind not in [*Kind]:
        raise ValueError("its kind is unknown")
    mtime, etag, locality = fields.get("mtime"), fields.get("etag"), fields.get("locality")
    return Entry(
        path,
        Kind(kind),
        size=parse_size(fields["size"]),
        mtime=None if mtime is None else datetime.fromisoformat(mtime).timestamp(),
        etag=None if etag is None else str(etag),
        checksums={name: read_text(digest).lower() for name, digest in (fields.get("checksums") or {}).items()},
        locality=None if locality is None else str(locality),
    )
