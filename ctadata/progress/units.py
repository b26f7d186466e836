"""Write bytes, rates and times for people."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from ctadata.errors import UsageError

if TYPE_CHECKING:
    from ctadata.transfer.timetable import Rate

_SIZE = re.compile(r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?:(?P<unit>[KMGT])(?:i?B)?|B)?(?:/s)?", re.IGNORECASE)
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


def size(count: float) -> str:
    """Return bytes as `512 B` or, from 1024 on, with one decimal in KiB to PiB (IEC 80000-13)."""
    if count < 1024:
        return f"{count:.0f} B"
    value, unit = float(count), ""
    for unit in _UNITS:  # noqa: B007  (the last one reached is meant)
        value /= 1024
        if value < 999.95:
            break
    return f"{value:.1f} {unit}"


def read_size(text: str) -> float:
    """Return the bytes of `500K`, `10M`, `1.5 GiB`: K, M, G and T count in 1024, as in curl and rclone.

    Raises:
        ValueError: It is no number of bytes, or less than 1 KiB; with a sentence for the user.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no number of bytes")
    value = float(match["number"]) * 1024.0 ** " KMGT".index((match["unit"] or " ").upper())
    if value < 1024:
        raise ValueError(f"{text!r} is less than 1K")
    return value


def read_rate(value: str | float | None, name: str) -> Rate | None:
    """Return the limit of a rate, in bytes per second; None if there is none.

    Args:
        value: A number of bytes, or a text: `10M`, `off`, or a timetable as `08:00,10M 19:00,off`.
        name: The option or parameter, for the error.

    Raises:
        UsageError: It is no number of bytes, or less than 1 KiB, or no timetable.
    """
    if value is None or (isinstance(value, str) and value.lower() == "off"):
        return None
    try:
        if isinstance(value, str) and "," in value:
            from ctadata.transfer.timetable import Timetable

            return Timetable.parse(value, read_size)
        return read_size(value if isinstance(value, str) else f"{value:.0f}")
    except ValueError as error:
        hint = "such as 10M, for 10 MiB a second, or '08:00,10M 19:00,off'"
        raise UsageError(f"{name}: {error}", hint=hint) from None


def rate(per_second: float) -> str:
    """Return bytes per second, as `56.1 MiB/s`."""
    return f"{size(per_second)}/s"


def duration(seconds: float) -> str:
    """Return seconds as `41 s`, `3:07 min` or `2:05 h`; `?` if infinite."""
    if not math.isfinite(seconds):
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


def files(count: int) -> str:
    """Return `1 file`, `2 files`."""
    return f"{count} file" if count == 1 else f"{count} files"


def names(count: int) -> str:
    """Return `1 name`, `2 names`: files, links and directories together."""
    return f"{count} name" if count == 1 else f"{count} names"


def directories(count: int) -> str:
    """Return `1 directory`, `2 directories`."""
    return f"{count} directory" if count == 1 else f"{count} directories"
