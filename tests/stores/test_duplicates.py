"""A name that comes twice is noticed among thousands, in bounded memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ctadata.entries import Entry, Kind
from ctadata.paths import RemotePath
from ctadata.stores.duplicates import SeenEntries, fingerprint

FILE = Entry(RemotePath(("t", "a")), Kind.FILE, 5, 1e9, '"tag"', {"md5": "00", "adler32": "11"}, "ONLINE")
DIRECTORY = Entry(RemotePath(("t", "a")), Kind.DIRECTORY, mtime=1e9, etag='"tag"')


def test_a_name_is_new_once() -> None:
    statements = SeenEntries()
    assert statements.take(FILE) is None
    assert statements.take(FILE) == statements.find("a") == fingerprint(FILE)
    assert statements.find("b") is None


@pytest.mark.parametrize(
    "change",
    [
        *({"size": 6}, {"size": None}, {"mtime": 1e9 + 1}, {"mtime": None}, {"etag": '"other"'}, {"etag": None}),
        *({"checksums": {}}, {"checksums": {"md5": "01", "adler32": "11"}}, {"checksums": {"md5": "00"}}),
        *({"kind": Kind.DIRECTORY}, {"locality": "NEARLINE"}),
    ],
    ids=str,
)
def test_another_statement_is_told_from_the_first(change: dict) -> None:
    statements = SeenEntries()
    statements.take(FILE)
    other = replace(FILE, **change)
    assert statements.take(other) == fingerprint(FILE) != fingerprint(other)


def test_the_order_of_checksums_and_the_time_of_a_collection_are_no_other_statement() -> None:
    assert fingerprint(FILE) == fingerprint(replace(FILE, checksums={"adler32": "11", "md5": "00"}))
    assert fingerprint(DIRECTORY) == fingerprint(replace(DIRECTORY, mtime=2e9, etag=None))


@pytest.mark.parametrize("kept", [1, 2, 10])
def test_the_last_names_are_known_and_no_more_than_twice_as_many(kept: int) -> None:
    statements = SeenEntries(kept)
    for number in range(100):
        assert statements.take(replace(FILE, path=RemotePath((str(number),)))) is None
        known = [name for name in range(number + 1) if statements.find(str(name)) is not None]
        assert known == list(range(number + 1))[-len(known) :]
        assert min(kept, number + 1) <= len(known) <= 2 * kept
