"""`get --files-from`: what a list may begin with, and what is wrong with a line."""

import gzip
import json

import pytest

ENTRY = {"path": "lst/a", "kind": "file", "size": 1}
REPLICA = {"scope": "ctao", "name": "a", "bytes": 1, "pfns": {}}


@pytest.fixture
def get(at_box):
    """`get(list, *options, check=0)` gets the files of a list to `out`."""
    return lambda text, *options, check=None: at_box(
        "get",
        *options,
        "--files-from",
        "-",
        "out",
        stdin=text if isinstance(text, bytes) else text.encode(),
        check=check,
    )


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (ENTRY | {"path": 5}, "a value has a wrong type"),
        (ENTRY | {"kind": 5}, "its kind is unknown"),
        (ENTRY | {"kind": []}, "its kind is unknown"),
        (ENTRY | {"size": "1"}, "a size that no file has"),
        (ENTRY | {"mtime": 5}, "a value has a wrong type"),
        (ENTRY | {"checksums": [1]}, "a value has a wrong type"),
        (ENTRY | {"checksums": {"adler32": 5}}, "a value has a wrong type"),
        (ENTRY | {"path": "a" * 5000}, "its path is longer than a path may be"),
        (REPLICA | {"name": 5}, "a value has a wrong type"),
        (REPLICA | {"pfns": [1]}, "a value has a wrong type"),
        (REPLICA | {"pfns": {"x": 1}}, "a value has a wrong type"),
        (REPLICA | {"adler32": 5}, "a value has a wrong type"),
        ({"scope": "ctao", "name": "a"}, "bytes is missing"),
    ],
)
def test_a_line_with_a_wrong_value_is_one_sentence(get, line, why):
    failed = get(json.dumps(line), check=2).err
    assert failed.splitlines()[0].endswith(f": {why}")
    assert len(failed) < 1000


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "{}", " {}", "[1, 2]", '["lst/a"]', json.dumps([ENTRY]), "[" * 100_000),
        *('{"kind": "file"}', '[{"scope": "ctao",\n', '{"scope": "ctao"', "<html>\n<body>", "<!DOCTYPE html>"),
        *(gzip.compress(b"lst/a", mtime=0), b"l\0s\0t\0"),
    ],
)
def test_a_list_that_begins_as_a_document_is_refused_before_anything_is_done(at_box, box, get, text):
    before = len(box.seen)
    refused = get(text, check=2).err
    assert "the list begins with a line that is no path" in refused
    assert len(refused) < 1000
    assert len(box.seen) == before
    assert not (at_box.cwd / "out").exists()


@pytest.mark.parametrize("name", ["{a}", "[a", "<a>"])
def test_a_path_may_begin_as_a_document(at_box, box, get, name):
    box.files.put(f"/{name}", b"1")
    local = at_box.cwd / "out" / name
    for text, *options in [(f"./{name}\n",), (f"{name}\0", "-0"), (json.dumps(ENTRY | {"path": name}),)]:
        local.unlink(missing_ok=True)
        get(text, *options, check=0)
        assert local.read_bytes() == b"1"


@pytest.mark.parametrize("entry", [False, True])
def test_a_byte_order_mark_is_dropped(at_box, box, get, place, entry):
    box.files.put(f"/{place}/a", b"1")
    path = f"{place}/a"
    get("\ufeff" + (json.dumps(ENTRY | {"path": path}) if entry else path), check=0)
    assert (at_box.cwd / "out" / path).read_bytes() == b"1"


def test_a_line_that_is_longer_than_a_path_is_one_failure(box, get, place):
    box.files.put(f"/{place}/good", b"1")
    for text, code in (("a" * 100_000, 2), (f"{place}/good\n" + "a" * 100_000, 6)):
        failed = get(text, check=code).err
        assert "this is longer than a path may be" in failed
        assert len(failed) < 1000
