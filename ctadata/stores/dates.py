"""The dates of HTTP and of XML, as seconds since 1970 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

_FIRST, _LAST = -62135596800.0, 253402300799.0  # of the years 1 to 9999, which a date in UTC can bear
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = {name: number for number, name in enumerate(_MONTHS, start=1)}
_RFC1123 = re.compile(r"[A-Z][a-z]{2}, (\d\d [A-Z][a-z]{2} \d{4}) ([01]\d|2[0-3]):([0-5]\d):([0-5]\d) GMT", re.ASCII)


@lru_cache(maxsize=4096)  # files of one run are often written in the same seconds
def parse_date(date: str | None) -> float | None:
    """Read `Sat, 21 Nov 2026 03:36:32 GMT` or `2026-11-21T03:36:32Z`; None for none, and for what is no date."""
    if not date or not date.isascii():
        return None
    for read in (_usual, _iso, _other):
        try:
            moment = read(date)
        except (ValueError, OverflowError, TypeError):  # TypeError of the library, for some nonsense
            continue
        return moment if _FIRST <= moment <= _LAST else None
    return None


def _usual(date: str) -> float:
    """The form that listings are made of, many times faster than the library reads it; ValueError for others."""
    usual = _RFC1123.fullmatch(date)
    if not usual:
        raise ValueError(date)
    day, hour, minute, second = usual.groups()
    return _midnight(day) + 3600 * int(hour) + 60 * int(minute) + int(second)


@lru_cache(maxsize=1024)
def _midnight(day: str) -> float:
    """Seconds since 1970 at the beginning of `21 Nov 2026`; ValueError where there is no such day."""
    number, month, year = day.split()
    if month not in _MONTH:
        raise ValueError(day)
    return datetime(int(year), _MONTH[month], int(number), tzinfo=UTC).timestamp()


def _iso(date: str) -> float:
    return _since_1970(datetime.fromisoformat(date))


def _other(date: str) -> float:
    return _since_1970(parsedate_to_datetime(date))


def _since_1970(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
