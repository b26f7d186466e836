"""Entries are values."""

import dataclasses
import pickle

import pytest

from ctadata.entries import Entry, Kind, listed_entry
from ctadata.paths import RemotePath

PATH = RemotePath.parse("/a/b")


def test_equal_entries_are_one_in_a_set() -> None:
    first = Entry(PATH, Kind.FILE, 3, 1.5, '"x"', {"md5": "1"}, "ONLINE")
    second = Entry(PATH, Kind.FILE, 3, 1.5, '"x"', {"md5": "1"}, "ONLINE")
    assert {first} == {second}
    assert first != dataclasses.replace(first, checksums={"md5": "2"})


def test_unknown_fields_of_an_entry_are_none() -> None:
    entry = Entry(PATH, Kind.FILE)
    assert (entry.size, entry.mtime, entry.etag, entry.locality) == (None, None, None, None)
    assert entry.checksums == {}


def test_the_default_digests_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        Entry(PATH, Kind.FILE).checksums["md5"] = "1"  # type: ignore[index]


def test_which_entries_may_hold_others() -> None:
    assert Entry(PATH, Kind.DIRECTORY).is_directory
    assert not Entry(PATH, Kind.FILE).is_directory


def test_a_kind_is_its_word_in_listings() -> None:
    assert [str(kind) for kind in Kind] == ["file", "directory"]


def test_a_listed_entry_is_an_entry_like_any_other() -> None:
    fields = PATH, Kind.FILE, 1, 2.0, '"e"', {"md5": "0"}, "ONLINE"
    listed, usual = listed_entry(*fields), Entry(*fields)
    assert type(listed) is Entry
    assert listed == usual
    assert hash(listed) == hash(usual)
    assert [getattr(listed, name) for name in Entry.__slots__] == [getattr(usual, name) for name in Entry.__slots__]
    with pytest.raises(dataclasses.FrozenInstanceError):
        listed.size = 2  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(listed)) == usual
