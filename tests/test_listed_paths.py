"""The result of `list_dir`: paths with attributes, and a table for notebooks."""

import copy
import pickle
from datetime import UTC, datetime

import pytest

from ctadata.entries import Entry, Kind
from ctadata.listed_paths import MAX_ROWS, Listed, Listing
from ctadata.paths import RemotePath

FILE = Entry(RemotePath(("lst", "a b.h5")), Kind.FILE, 1234, 1e9)
FOLDER = Entry(RemotePath(("lst", "d")), Kind.DIRECTORY)


def test_a_listed_path_is_decoded() -> None:
    file, folder = Listed.of(FILE), Listed.of(FOLDER)
    assert (file, folder) == ("lst/a b.h5", "lst/d/")
    assert "a b" in file
    assert file.split("/")[-1] == file[4:] == "a b.h5"
    assert file[0] == "l"
    assert (file.kind, file.size, file.mtime) == ("file", 1234, datetime.fromtimestamp(1e9, UTC))
    assert (file.raw_href, folder.raw_href) == ("lst/a%20b.h5", "lst/d/")


def test_a_listed_path_gives_its_texts_as_a_dictionary() -> None:
    file = Listed.of(FILE, {"href": "lst/a%20b.h5", "size": "1234", "url": "https://h/list/lst/a%20b.h5"})
    assert (file["href"], file["type"], file["size"]) == ("lst/a b.h5", "file", "1234")
    assert file.raw_href == "lst/a%20b.h5"
    assert dict(file)["url"].startswith("https://")
    assert Listed.of(FILE)["mtime"] == "Sun, 09 Sep 2001 01:46:40 GMT"
    folder = Listed.of(FOLDER)
    assert (folder["type"], folder.get("size"), folder.get("size", "-")) == ("directory", None, "-")
    with pytest.raises(KeyError):
        folder["size"]


def test_a_listed_path_can_be_copied_and_pickled() -> None:
    file = Listed.of(FILE)
    for twin in (copy.copy(file), pickle.loads(pickle.dumps(file))):
        assert (twin, twin.size, twin["type"]) == (file, 1234, "file")


def test_a_table_escapes_names() -> None:
    hostile = Entry(RemotePath(("lst", "<script>alert(1)<script>\x1b[2J\u202e")), Kind.FILE, 1)
    picture = Listing([Listed.of(FILE), Listed.of(hostile), Listed.of(FOLDER)])._repr_html_()
    assert "1,234" in picture
    assert "2001-09-09 01:46:40" in picture
    assert "&lt;script&gt;" in picture
    assert [part for part in ("<script", "\x1b", "\u202e") if part in picture] == []


def test_ipython_shows_sizes_and_times() -> None:
    pretty = pytest.importorskip("IPython.lib.pretty").pretty
    hostile = Entry(RemotePath(("lst", "x\x1b[2J")), Kind.FILE, 1)
    assert pretty(Listing(map(Listed.of, (FILE, FOLDER, hostile)))).splitlines() == [
        "1,234  2001-09-09 01:46:40  lst/a b.h5",
        f"{'':26}  lst/d/",
        f"    1  {'':19}  lst/x\\x1b[2J",
    ]
    assert pretty(Listing()) == "[]"
    assert pretty(Listing([Listed.of(FILE)] * (MAX_ROWS + 5))).endswith("\nand 5 more")
    assert repr(Listing([Listed.of(FILE)])) == "['lst/a b.h5']"


def test_a_long_table_is_cut_and_counted() -> None:
    picture = Listing([Listed.of(FILE)] * (MAX_ROWS + 5))._repr_html_()
    assert picture.count("a b.h5") == MAX_ROWS
    assert "and 5 more" in picture


def test_a_notebook_shows_one_path_with_all_that_is_known() -> None:
    file = Listed.of(Entry(RemotePath(("<i>",)), Kind.FILE, 1234, 1e9, checksums={"adler32": "024d0127"}))
    picture = file._repr_html_()
    for text in (">&lt;i&gt;<", ">1,234 bytes<", ">2001-09-09 01:46:40 UTC<", ">adler32<", ">024d0127<"):
        assert text in picture
    assert "locality" not in picture
