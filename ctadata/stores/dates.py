"""Parse the dates of HTTP headers and of XML into seconds since 1970 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

_FIRST, _LAST = -62135596800.0, 253402300799.0  # the years 1 to 9999, the range of datetime
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = {name: number for number, name in enumerate(_MONTHS, start=1)}
_RFC1123 = re.compile(r"[A-Z][a-z]{2}, (\d\d [A-Z][a-z]{2} \d{4}) ([01]\d|2[0-3]):([0-5]\d):([0-5]\d) GMT", re.ASCII)


@lru_cache(maxsize=4096)  # the files of one run are often written in the same seconds
def parse_date(date: str | None) -> float | None:
    """Return the seconds since 1970 UTC of a date.

    Args:
        date: `Sat, 21 Nov 2026 03:36:32 GMT` (RFC 9110 section 5.6.7), `2026-11-21T03:36:32Z` (ISO 8601), or one of the
            older forms that Python's `email.utils` reads, with or without blanks around it. A date without a zone is
            UTC.

    Returns:
        None if the text is empty, is no date, or lies outside the years 1 to 9999.
    """
    if not date or not date.isascii():
        return None
    date = date.strip()
    for read in (_parse_rfc1123, _parse_iso, _parse_email_date):
        try:
            moment = read(date)
        except (ValueError, OverflowError, TypeError):  # the library raises TypeError for some malformed dates
            continue
        return moment if _FIRST <= moment <= _LAST else None
    return None


def _parse_rfc1123(date: str) -> float:
    """Parse the form that listings use, many times faster than the library; raise ValueError for other forms."""
    match = _RFC1123.fullmatch(date)
    if not match:
        raise ValueError(date)
    day, hour, minute, second = match.groups()
    return _midnight(day) + 3600 * int(hour) + 60 * int(minute) + int(second)


@lru_cache(maxsize=1024)
def _midnight(day: str) -> float:
    """Return the seconds since 1970 UTC at the beginning of `21 Nov 2026`; raise ValueError if there is no such day."""
    number, month, year = day.split()
    if month not in _MONTH:
        raise ValueError(day)
    return datetime(int(year), _MONTH[month], int(number), tzinfo=UTC).timestamp()


def _parse_iso(date: str) -> float:
    return _since_1970(datetime.fromisoformat(date))


def _parse_email_date(date: str) -> float:
    from email.utils import parsedate_to_datetime  # a slow import, and nearly all dates have the usual form

    return _since_1970(parsedate_to_datetime(date))


def _since_1970(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
