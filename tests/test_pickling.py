"""Entries and errors come out of other processes as they went in."""

import dataclasses
import pickle
import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest

import ctadata
from ctadata.entries import Entry, Kind
from ctadata.errors import Changed, CtadataError, Incomplete, NotFound, PartialFailure, Unnameable
from ctadata.paths import RemotePath
from ctadata.stores.s3.errors import WrongRegion

NOT_HERE = {"__main__", "filesystem", "jupyter", "windows", "windows_files"}  # they need more than a plain install
for module in pkgutil.walk_packages(ctadata.__path__, "ctadata."):
    if not NOT_HERE & set(module.name.split(".")):
        import_module(module.name)


def kinds(kind: type[CtadataError]) -> Iterator[type[CtadataError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


PLAIN = [
    kind for kind in dict.fromkeys(kinds(CtadataError)) if not issubclass(kind, Changed | PartialFailure | WrongRegion)
]
MISSING = NotFound("no such file", path="/lst/a", status=404)
SPECIAL = [
    Changed("3 bytes, now 4", path="/lst/a"),
    PartialFailure([MISSING], ["/lst/b"]),
    Incomplete([MISSING], count=3, path="/lst"),
    Unnameable([MISSING], counterparts={("a",)}),
    WrongRegion("another region", region="eu", status=301),
]


def assert_same(there: CtadataError, here: CtadataError) -> None:
    assert type(there) is type(here)
    assert (str(there), there.args, there.exit_code) == (str(here), here.args, here.exit_code)
    for name in ("what", "hint", "path", "status", "retries", "retry_after"):
        assert getattr(there, name) == getattr(here, name)


@pytest.mark.parametrize("kind", PLAIN)
def test_an_error_of_each_kind_is_pickled_with_all_that_it_says(kind: type[CtadataError]) -> None:
    error = kind("what happened", hint="what to do", path="/lst/a", status=500)
    error.retries = 3
    assert_same(pickle.loads(pickle.dumps(error)), error)


@pytest.mark.parametrize("error", SPECIAL, ids=lambda error: type(error).__name__)
def test_an_error_whose_initialiser_wants_more_is_pickled_too(error: CtadataError) -> None:
    assert_same(pickle.loads(pickle.dumps(error)), error)


@pytest.mark.parametrize("checksums", [None, {"adler32": "00000001"}])
def test_an_entry_is_pickled(checksums: dict[str, str] | None) -> None:
    known = {} if checksums is None else {"checksums": checksums}
    entry = Entry(RemotePath.parse("/lst/a"), Kind.FILE, 3, locality="ONLINE", response=lambda: 0, **known)
    there = pickle.loads(pickle.dumps(entry))
    assert (there, there.response) == (entry, None)


def test_each_field_of_an_entry_is_pickled() -> None:
    values = {
        "path": RemotePath.parse("/lst/a"), "kind": Kind.FILE, "size": 3, "mtime": 1.5, "etag": '"a"',
        "checksums": {"md5": "a"}, "locality": "ONLINE", "alias_of": "b", "has_twin": True, "kept_mtime": 2.5,
        "is_catalogued": True,
    }  # fmt: skip
    assert {*values, "response"} == {each.name for each in dataclasses.fields(Entry)}
    there = pickle.loads(pickle.dumps(Entry(**values)))  # type: ignore[arg-type]
    assert {name: getattr(there, name) for name in values} == values
    assert pickle.loads(pickle.dumps(Entry(there.path, Kind.DIRECTORY))).is_directory
