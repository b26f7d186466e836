"""Find entries below directories: read the criteria that a user wrote, and search."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ctadata.entries import Entry, Kind
from ctadata.errors import UsageError
from ctadata.namespace.filters import Pattern
from ctadata.namespace.listing import ErrorCallback, list_tree
from ctadata.namespace.walk import WALKERS
from ctadata.stores.base import Store


def find(
    store: Store, top: Entry, criteria: Criteria, *, threads: int = WALKERS, on_error: ErrorCallback | None = None
) -> Iterator[Entry]:
    """Yield the entries below a directory that fit the criteria, as they are found; or the file `top` if it fits.

    Args:
        store: The store of `top`.
        top: Where the search begins.
        criteria: What an entry has to be.
        threads: The number of directories that are listed at the same time.
        on_error: See `list_tree`.

    Raises:
        CtadataError: An error of the store.
    """
    if not top.is_directory:
        if criteria.fit(top, (top.path.name,)):
            yield top
        return
    for entry in list_tree(store, top.path, threads=threads, on_error=on_error):
        if criteria.fit(entry, entry.path.relative_to(top.path)):
            yield entry


_SIZE = re.compile(r"([+-]?)([0-9]{1,18})(?:([kmgtp])(?:i?b)?|b)?", re.IGNORECASE)
_AGE = re.compile(r"([0-9]{1,6}) ?(s|min|h|d|w|y)")
_KINDS = {"f": Kind.FILE, "file": Kind.FILE, "d": Kind.DIRECTORY, "directory": Kind.DIRECTORY}
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}


@dataclass(frozen=True, slots=True)
class Criteria:
    """What an entry has to be. None means any; an entry for which the store does not send the value never fits.

    Attributes:
        names: The path has to match one of these patterns (see `filters`). Empty: any path.
        kind: File or directory.
        sizes: The smallest and the largest size in bytes.
        after: The mtime is later than this, in seconds since 1970 UTC.
        before: The mtime is earlier than this, in seconds since 1970 UTC.
    """

    names: tuple[Pattern, ...] = ()
    kind: Kind | None = None
    sizes: tuple[int | None, int | None] = (None, None)
    after: float | None = None
    before: float | None = None

    @classmethod
    def read(
        cls,
        *,
        names: Sequence[str] = (),
        sizes: Sequence[str] = (),
        newer: str | None = None,
        older: str | None = None,
        kind: str | None = None,
        now: float,
    ) -> Criteria:
        """Return the criteria that a user wrote.

        Args:
            names: Patterns.
            sizes: Sizes like `+10M`; an entry has to fit all of them.
            newer: An age or a date; see `read_moment`.
            older: An age or a date; see `read_moment`.
            kind: `f`, `file`, `d` or `directory`.
            now: The time from which ages count, in seconds since 1970 UTC.

        Raises:
            UsageError: One of the texts is not valid.
        """
        if kind is not None and kind not in _KINDS:
            raise UsageError(f"{kind!r} is not a kind of entry", hint="use f for files, d for directories")
        bounds = [read_size(size) for size in sizes]
        return cls(
            tuple(map(Pattern.read, names)),
            None if kind is None else _KINDS[kind],
            (
                max((least for least, _ in bounds if least is not None), default=None),
                min((most for _, most in bounds if most is not None), default=None),
            ),
            None if newer is None else read_moment(newer, now),
            None if older is None else read_moment(older, now),
        )

    def fit(self, entry: Entry, inside: Sequence[str]) -> bool:
        """Return whether an entry fits.

        Args:
            entry: The entry.
            inside: Its names from the top of the search.
        """
        return (
            self.kind in (None, entry.kind)
            and _between(entry.size, *self.sizes)
            and (self.after is None or (entry.mtime is not None and entry.mtime > self.after))
            and (self.before is None or (entry.mtime is not None and entry.mtime < self.before))
            and (not self.names or any(pattern.matches(inside) for pattern in self.names))
        )


def _between(size: int | None, least: int | None, most: int | None) -> bool:
    if least is None and most is None:
        return True
    return size is not None and (least is None or size >= least) and (most is None or size <= most)


def read_size(text: str) -> tuple[int | None, int | None]:
    """Return the bounds in bytes that a text sets: `+10M` (more than), `-10M` (less than) or `10M` (exactly).

    The units are powers of 1024. None means no bound. Raises UsageError for any other text.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a size", hint="a size looks like +10M, -4k or 2880")
    sign, number, unit = match.groups()
    size = int(number) << 10 * (" kmgtp".index(unit.lower()) if unit else 0)
    return (None if sign == "-" else size + (sign == "+"), None if sign == "+" else size - (sign == "-"))


def read_span(text: str) -> int:
    """Return the seconds of `90s`, `30min`, `12h`, `7d`, `2w` or `1y`; raise UsageError for any other text."""
    match = _AGE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a time span", hint="a time span looks like 30min, 12h or 7d")
    return int(match[1]) * _SECONDS[match[2]]


def read_moment(text: str, now: float) -> float:
    """Return the time that an age or a date means, in seconds since 1970 UTC.

    Args:
        text: An age (`90s`, `30min`, `12h`, `7d`, `2w`, `1y`) or a date of ISO 8601, with or without a time. A date
            without a zone is UTC.
        now: The time from which ages count.

    Raises:
        UsageError: The text is neither.
    """
    if _AGE.fullmatch(text):
        return now - read_span(text)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        hint = "an age looks like 90s, 30min, 12h, 7d, 2w or 1y, a date like 2026-08-01 or 2026-08-01T12:00:00Z"
        raise UsageError(f"{text!r} is neither an age nor a date", hint=hint) from None
