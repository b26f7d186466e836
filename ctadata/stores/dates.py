"""The dates of HTTP and of XML, as seconds since 1970 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = {name: number for number, name in enumerate(_MONTHS, start=1)}
_RFC1123 = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)


def seconds(date: str | None) -> float | None:
    """Read `Sat, 21 Nov 2026 03:36:32 GMT` or `2026-11-21T03:36:32Z`; None for none, and for what is no date."""
    if not date or not date.isascii():
        return None
    for read in (_usual, datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(date)
        except ValueError:
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None


def _usual(date: str) -> datetime:
    """The form that listings are made of, five times faster than the library reads it; ValueError for others."""
    usual = _RFC1123.fullmatch(date)
    if not usual or usual[2] not in _MONTH:
        raise ValueError(date)
    day, month, year, hour, minute, second = usual.groups()
    return datetime(int(year), _MONTH[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
