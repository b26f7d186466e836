"""Dates as servers write them."""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctadata.stores.dates import parse_date


@pytest.mark.parametrize(
    "date",
    [
        "Sat, 21 Nov 2026 03:36:32 GMT",
        "Saturday, 21-Nov-26 03:36:32 GMT",
        "Sat, 21 Nov 2026 04:36:32 +0100",
        "2026-11-21T03:36:32Z",
        "2026-11-21T05:36:32+02:00",
        "2026-11-21T03:36:32",
        "20261121T033632Z",
    ],
)
def test_every_form_of_a_date_gives_the_same_moment(date: str) -> None:
    assert parse_date(date) == 1795232192.0


@pytest.mark.parametrize(
    "date", [None, "", "yesterday", "Sat, 21 Xyz 2026 03:36:32 GMT", "21", "Sat, ٢١ Nov 2026 03:36:32 GMT"]
)
def test_a_text_that_is_no_date_gives_none(date: str | None) -> None:
    assert parse_date(date) is None


def test_fractions_are_kept() -> None:
    assert parse_date("1970-01-01T00:00:01.500+00:00") == 1.5


def test_a_date_that_does_not_exist_gives_none() -> None:
    assert parse_date("Sat, 31 Feb 2026 25:61:61 GMT") is None


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)))
def test_the_fast_parser_agrees_with_the_library(moment: datetime) -> None:
    date = format_datetime(moment.replace(microsecond=0, tzinfo=UTC), usegmt=True)
    assert (
        parse_date(date)
        == parsedate_to_datetime(date).timestamp()
        == moment.replace(microsecond=0, tzinfo=UTC).timestamp()
    )


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[0-9]{1,5}-[0-9]{2}-[0-9]{2}T[0-9:]{8}[+-][0-9]{2}:[0-9]{2}")))
@example("9999-12-31T23:59:59-23:59")
@example("0001-01-01T00:00:00+23:59")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
def test_every_parsed_date_fits_a_datetime_in_utc(date: str) -> None:
    moment = parse_date(date)
    assert moment is None or datetime.fromtimestamp(moment, UTC).year < 10_000
