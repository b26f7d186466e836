"""A rate limit that changes with the time of day, in the form of rclone's `--bwlimit`: `08:00,10M 19:00,off`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

DAY = 24 * 60
"""Minutes of a day."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_TIME = re.compile(r"(?:(?P<day>[A-Za-z]{3})-)?(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])")


@dataclass(frozen=True, slots=True)
class Timetable:
    """The rates of a week.

    Attributes:
        entries: The minute of the week from which a rate holds, in rising order, and the rate in bytes per second; None
            is no limit. Before the first entry, the last one holds.
    """

    entries: tuple[tuple[int, float | None], ...]

    @classmethod
    def parse(cls, text: str, read_size: Callable[[str], float]) -> Timetable:
        """Return the timetable of a text; rclone's documentation of `--bwlimit` is the source of its form.

        Args:
            text: `[DAY-]HH:MM,RATE` for each change, with spaces between them. DAY is `Mon` to `Sun`; without it, the
                change happens every day, but for a day that has its own at this time. The rate is `off` for none.
            read_size: Returns the bytes of `10M`, or raises ValueError.

        Raises:
            ValueError: The text is no timetable; with a sentence for the user.
        """
        daily: dict[int, float | None] = {}
        weekly: dict[int, float | None] = {}
        for entry in text.split():
            when, comma, rate = entry.partition(",")
            found = _TIME.fullmatch(when)
            if not comma or not found or (found["day"] or "mon").lower() not in DAYS:
                raise ValueError(f"{entry!r} is no time with a rate")
            minute = int(found["hour"]) * 60 + int(found["minute"])
            rates = weekly if found["day"] else daily
            if found["day"]:
                minute += DAYS.index(found["day"].lower()) * DAY
            if minute in rates:
                raise ValueError(f"{when} is there twice")
            rates[minute] = None if rate.lower() == "off" else read_size(rate)
        every_day = {day * DAY + minute: rate for day in range(7) for minute, rate in daily.items()}
        return cls(tuple(sorted({**every_day, **weekly}.items())))

    def at(self, when: datetime) -> float | None:
        """Return the rate at a local time, in bytes per second; None is no limit."""
        now = when.weekday() * DAY + when.hour * 60 + when.minute
        return next((rate for minute, rate in reversed(self.entries) if minute <= now), self.entries[-1][1])

    def shared(self, count: int) -> Timetable:
        """Return the timetable of one of `count` workers, which have the rates together."""
        return Timetable(tuple((minute, rate and rate / count) for minute, rate in self.entries))

    @property
    def lowest(self) -> float | None:
        """The lowest rate of the week, in bytes per second; None if there is no limit at all."""
        return min((rate for _, rate in self.entries if rate is not None), default=None)


Rate = float | Timetable
"""A limit in bytes per second, all the time or by a timetable."""
