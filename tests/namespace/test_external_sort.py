"""Entries are sorted by name, in memory and in files, also after an error of the iterator."""

from __future__ import annotations

import errno
import os
import random
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from memory import peak, stays_below

from ctadata.entries import Entry, Kind
from ctadata.errors import NotFound, Stopped, StorageFull
from ctadata.namespace import external_sort
from ctadata.namespace.external_sort import IN_MEMORY, name_key, sort_items
from ctadata.paths import RemotePath

NAMES = ["a", "a.b", "a b", "A", "é", "z", "\ue000", "\U0001f600", "日", "\udcff", "10", "9", "-"]
ORDERED = sorted(NAMES, key=lambda name: name.encode("utf-8", "surrogatepass"))


def sort_entries(entries: Iterable[Entry], in_memory: int = IN_MEMORY) -> Iterator[Entry]:
    return sort_items(entries, in_memory, name_key)


def entry(*parts: str, **more: object) -> Entry:
    return Entry(RemotePath(("lst", *parts)), Kind.FILE, 1, **more)  # type: ignore[arg-type]


def test_the_bytes_of_names_are_compared() -> None:
    assert [e.path.name for e in sort_entries(entry(name) for name in NAMES)] == ORDERED
    assert ORDERED.index("\ue000") < ORDERED.index("\U0001f600")  # which UTF-16 has the other way round


def test_a_directory_comes_before_what_is_in_it_and_that_stays_together() -> None:
    paths = [("a.b",), ("a", "z"), ("a",), ("a", "b", "c"), ("a", "b")]
    got = [e.path.parts[1:] for e in sort_entries(entry(*path) for path in paths)]
    assert got == [("a",), ("a", "b"), ("a", "b", "c"), ("a", "z"), ("a.b",)]


@pytest.mark.parametrize("number", [0, 1, 9, 10, 11, 20, 4321])
def test_more_than_memory_may_hold(number: int, rng: random.Random) -> None:
    entries = [entry(f"{rng.random()}", mtime=float(i), checksums={"md5": f"{i}"}) for i in range(number)]
    assert list(sort_entries(iter(entries), in_memory=10)) == sorted(entries, key=name_key)


@pytest.mark.parametrize("in_memory", [3, 100])
def test_texts_are_compared_themselves(in_memory: int) -> None:
    assert list(sort_items(iter(NAMES), in_memory)) == ORDERED


@pytest.mark.parametrize("in_memory", [2, 100])
def test_the_entries_before_an_error_come_before_it(in_memory: int) -> None:
    def broken() -> Iterator[Entry]:
        yield from (entry(name) for name in NAMES)
        raise NotFound("gone")

    got: list[str] = []
    with pytest.raises(NotFound):
        got.extend(e.path.name for e in sort_entries(broken(), in_memory))
    assert got == ORDERED


@pytest.mark.parametrize("error", [Stopped("stopped"), KeyboardInterrupt()])
def test_a_stop_is_one_at_once(error: BaseException) -> None:
    def stopped() -> Iterator[Entry]:
        yield entry("a")
        raise error

    got: list[Entry] = []
    with pytest.raises(type(error)):
        got.extend(sort_entries(stopped()))
    assert got == []


def test_a_disk_without_room_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> object:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(StorageFull, match="No space left"):
        list(sort_entries((entry(name) for name in NAMES), in_memory=3))


def test_nothing_is_left_and_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(external_sort, "CHUNK", 10)
    number = 3000

    def ordered(in_memory: int) -> None:
        got = sort_entries((entry(f"{i * 7919 % number:06}") for i in range(number)), in_memory)
        assert all(e.path.name == f"{i:06}" for i, e in enumerate(got))

    assert stays_below(peak(lambda: ordered(number + 1)) // 3, lambda: ordered(150))
    assert list(tmp_path.iterdir()) == []
