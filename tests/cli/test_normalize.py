"""`--normalize nfc`: names from macOS are written to the storage in Unicode form NFC."""

from __future__ import annotations

import json

import pytest

from ctadata import direct
from ctadata.errors import UsageError

NFD, NFC = "Ku\u0308che\u0301", "K\xfcch\xe9"


@pytest.fixture
def tree(at_box):
    """The command `run`, and a tree with names that NFC changes and one that it keeps."""
    for name in (f"{NFD}/a\u030a.txt", f"{NFD}/\u1112\u1161\u11ab", "plain.txt", "\u212b.txt"):
        file = at_box.cwd / "run" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    return at_box.cwd / "run"


IN_NFC = [f"{NFC}/", f"{NFC}/\ud55c", f"{NFC}/\xe5.txt", "plain.txt", "\xc5.txt"]


def stored(box, place):
    return sorted(path.removeprefix(f"/{place}/") for path in box.files.tree(f"/{place}"))


def test_put_writes_names_in_nfc_and_shows_them(at_box, box, place, tree):
    ended = at_box("put", "-r", "--normalize", "nfc", "run/", f"/{place}", check=0)
    assert stored(box, place) == sorted(IN_NFC)
    assert box.files.read(f"/{place}/{NFC}/\xe5.txt") == f"{NFD}/a\u030a.txt".encode()
    assert "4 names are written in Unicode's form NFC on the storage: " in ended.err
    assert " and 1 more" in ended.err
    assert (
        "4 files skipped, equal already" in at_box("put", "-r", "--normalize", "NFC", "run/", f"/{place}", check=0).err
    )


def test_a_dry_run_shows_the_names_and_changes_nothing(at_box, box, place, tree):
    lines = at_box("put", "-n", "-r", "--json", "--normalize", "nfc", "run/", f"/{place}", check=0).out.splitlines()
    assert f"{place}/{NFC}/\xe5.txt" in {json.loads(line)["path"] for line in lines}
    assert not box.files.exists(f"/{place}")


def test_sync_deletes_the_names_that_it_wrote_unnormalized(at_box, box, place, tree):
    at_box("sync", "run", f":{place}", check=0)
    assert f"{NFD}/" in stored(box, place)
    ended = at_box("sync", "--normalize", "nfc", "--delete", "--yes", "run", f":{place}", check=0)
    assert stored(box, place) == sorted(IN_NFC)
    assert "4 names deleted" in ended.err
    assert at_box("sync", "--normalize", "nfc", f":{place}", "back").code == 2


def test_typed_targets_are_nfc_from_the_first_missing_name(at_box, box, place, tree):
    box.files.mkdir(f"/{place}/o\u0308ld")
    at_box("put", "--normalize", "nfc", "run/plain.txt", f"/{place}/o\u0308ld/ne\u0301w/u\u0308", check=0)
    at_box("put", "--normalize", "nfc", "-", f"/{place}/i\u0308", stdin=b"piped", check=0)
    at_box("put", "--normalize", "nfc", "-r", f"run/{NFD}", f"/{place}/", check=0)
    assert stored(box, place) == sorted(
        ["o\u0308ld/", "o\u0308ld/n\xe9w/", "o\u0308ld/n\xe9w/\xfc", "\xef", *IN_NFC[:3]]
    )


def test_two_names_that_become_one_are_refused_and_the_others_are_sent(at_box, box, place, tree):
    (tree / "\xc5.txt").write_bytes(b"composed")
    (tree / "A\u030a.txt").write_bytes(b"decomposed")
    (tree / "o\u0304\u0302").write_bytes(b"1")
    (tree / "\u014d\u0302").write_bytes(b"2")
    ended = at_box("put", "-r", "--normalize", "nfc", "run/", f"/{place}", check=6)
    assert box.files.read(f"/{place}/\xc5.txt") == b"composed"
    assert len([line for line in ended.err.splitlines() if "in NFC, it has the same name as" in line]) == 3
    assert stored(box, place) == sorted([*IN_NFC, "\u014d\u0302"])


def test_a_form_other_than_nfc_is_refused(at_box, place, tree):
    assert (
        "'nfkc' is not a normal form of names"
        in at_box("put", "--normalize", "nfkc", "run/plain.txt", place, check=2).err
    )


def test_python_normalizes_too(at_box, box, place, tree, monkeypatch):
    for name, value in at_box.env.items():
        monkeypatch.setenv(name, value)
    uploads = direct.upload_dir(tree, f"/{place}", normalize="nfc")
    assert len(uploads) == 4
    assert stored(box, place) == sorted(IN_NFC)
    assert direct.upload_file(tree / "\u212b.txt", f"/{place}/one/", normalize="nfc")
    assert box.files.exists(f"/{place}/one/\xc5.txt")
    with pytest.raises(UsageError, match="not a normal form of names"):
        direct.upload_file(tree / "plain.txt", f"/{place}/", normalize="NFD")
