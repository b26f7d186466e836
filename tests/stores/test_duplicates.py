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
    seen = SeenEntries()
    assert seen.take(FILE) is None
    assert seen.take(FILE) == seen.find("a") == fingerprint(FILE)
    assert seen.find("b") is None


@pytest.mark.parametrize(
    "change",
    [
        *({"size": 6}, {"size": None}, {"mtime": 1e9 + 1}, {"mtime": None}, {"etag": '"other"'}, {"etag": None}),
        *({"checksums": {}}, {"checksums": {"md5": "01", "adler32": "11"}}, {"checksums": {"md5": "00"}}),
        *({"kind": Kind.DIRECTORY}, {"locality": "NEARLINE"}),
    ],
    ids=str,
)
def test_a_different_statement_has_another_fingerprint(change: dict) -> None:
    seen = SeenEntries()
    seen.take(FILE)
    other = replace(FILE, **change)
    assert seen.take(other) == fingerprint(FILE) != fingerprint(other)


def test_checksum_order_and_collection_time_do_not_change_the_fingerprint() -> None:
    assert fingerprint(FILE) == fingerprint(replace(FILE, checksums={"adler32": "11", "md5": "00"}))
    assert fingerprint(DIRECTORY) == fingerprint(replace(DIRECTORY, mtime=2e9, etag=None))


@pytest.mark.parametrize("kept", [1, 2, 10])
def test_at_least_kept_and_at_most_twice_as_many_names_are_remembered(kept: int) -> None:
    seen = SeenEntries(kept)
    for number in range(100):
        assert seen.take(replace(FILE, path=RemotePath((str(number),)))) is None
        known = [name for name in range(number + 1) if seen.find(str(name)) is not None]
        assert known == list(range(number + 1))[-len(known) :]
        assert min(kept, number + 1) <= len(known) <= 2 * kept
