"""The facts that tell one version of a remote file from another."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from ctadata import versions
from ctadata.entries import Entry, Kind
from ctadata.paths import RemotePath

ENTRY = Entry(RemotePath(("f",)), Kind.FILE, 10, 1e9, '"v1"', {"adler32": "00000001"})


@pytest.mark.parametrize(
    ("change", "another"),
    [
        ({}, False),
        ({"size": 1}, True),
        ({"etag": 'W/"v1"'}, False),
        ({"etag": 'W/"v1"', "mtime": 2e9}, True),  # an equal weak tag says nothing: the time counts
        ({"etag": 'W/"v2"'}, True),
        ({"etag": '"v2"'}, True),
        ({"etag": None}, False),
        ({"mtime": 1e9 + 0.4}, False),
        ({"mtime": 2e9}, False),  # the strong tag says that it is the same
        ({"etag": None, "mtime": 2e9}, True),
        ({"etag": None, "mtime": None}, False),
        ({"checksums": {"adler32": "00000002"}}, True),
        ({"checksums": {}}, False),
    ],
)
def test_versions_are_compared_by_the_facts_that_both_entries_have(change: dict[str, object], another: bool) -> None:
    assert versions.is_other_version(replace(ENTRY, **change), ENTRY) is another
    assert versions.is_other_version(ENTRY, replace(ENTRY, **change)) is another


@pytest.mark.parametrize("tags", [('W/"1"', 'W/"1"'), ('"1"', 'W/"1"'), ("w/1", "1"), ('""', '""'), (None, None)])
def test_equal_tags_of_which_one_is_weak_or_empty_prove_nothing(tags: tuple[str | None, str | None]) -> None:
    assert not versions.tags_match(*tags) and not versions.tags_match(*reversed(tags))
    assert not versions.tags_differ(*tags) and not versions.tags_differ(*reversed(tags))


@pytest.mark.parametrize("tags", [('"1"', '"2"'), ('W/"1"', 'W/"2"'), ('W/"1"', '"2"')])
def test_other_tags_of_any_strength_mean_that_it_may_have_changed(tags: tuple[str, str]) -> None:
    assert versions.tags_differ(*tags) and versions.tags_differ(*reversed(tags))
    assert not versions.tags_match(*tags)


def test_only_an_mtime_that_has_settled_tells_versions_apart_and_none_beside_a_weak_tag() -> None:
    def is_provable(mtime: float | None, etag: str | None = None) -> bool:
        return versions.can_prove_version(replace(ENTRY, checksums={}, etag=etag, mtime=mtime))

    assert is_provable(1e9) and is_provable(None, '"1"')
    assert not is_provable(None) and not is_provable(time.time()) and not is_provable(time.time() + 1e6)
    assert not is_provable(1e9, 'W/"1"') and not is_provable(1e9, '""')
    assert versions.can_prove_version(replace(ENTRY, etag='W/"1"', mtime=None))  # its checksum does
