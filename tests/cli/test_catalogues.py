"""`get --files-from` with the replicas of a Rucio catalogue: JSON and metalink."""

import json
import re
import subprocess
import zlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ctadata.errors import IntegrityError

FILES = {"raw.0001.h5": b"one", "sub/raw.0002.h5": b"second", "raw.0003.h5": b""}


def adler32(content):
    return f"{zlib.adler32(content):08x}"


@pytest.fixture
def stored(box, place):
    """The files under names that Rucio makes from hashes."""
    paths = {}
    for number, (name, content) in enumerate(FILES.items()):
        paths[name] = f"{place}/ctao/{number:02x}/ab/{name.rpartition('/')[2]}"
        box.files.put(f"/{paths[name]}", content)
    return paths


def replica(box, path, name, content, **changes):
    """One object of `POST /replicas/list`, as Rucio 41 writes it."""
    address = box.door.replace("https://", "davs://") + f"/{path}"
    known = {"rse_id": "1f", "rse": "CSCS-DCACHE", "type": "DISK", "volatile": False, "domain": "wan", "priority": 1}
    elsewhere = {**known, "rse": "PIC", "client_extract": False}
    return {
        "adler32": adler32(content), "bytes": len(content), "md5": None, "scope": "ctao", "name": name,
        "states": {"CSCS-DCACHE": "AVAILABLE"}, "rses": {"CSCS-DCACHE": [address]},
        "pfns": {"root://pic.example:1094//x": elsewhere, address: {**known, "client_extract": False}}, **changes,
    }  # fmt: skip


def metalink(replicas):
    files = "".join(
        f' <file name="{each["name"]}">\n  <identity>{each["scope"]}:{each["name"]}</identity>\n'
        f'  <hash type="adler32">{each["adler32"]}</hash>\n  <size>{each["bytes"]}</size>\n'
        f'  <glfn name="/atlas/rucio/{each["scope"]}:{each["name"]}"></glfn>\n'
        + "".join(f'  <url location="{of["rse"]}" priority="1">{pfn}</url>\n' for pfn, of in each["pfns"].items())
        + " </file>\n"
        for each in replicas
    )
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<metalink xmlns="urn:ietf:params:xml:ns:metalink">\n'
    return head + files + "</metalink>\n"


RUCIO = Path(__file__).parents[1] / "servers" / "rucio-venv" / "bin" / "python"

WAYS = {
    "lines": lambda replicas: "".join(json.dumps(each) + "\n" for each in replicas),
    "array": lambda replicas: json.dumps(replicas, indent=1),
    "metalink": metalink,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_list_of_replicas_gives_the_names_of_the_dids(at_box, box, stored, way):
    replicas = [replica(box, stored[name], name, content) for name, content in FILES.items()]
    (at_box.cwd / "list").write_text(WAYS[way](replicas))
    got = at_box("get", "--files-from", "list", "out", "--receipt", "r.jsonl", check=0)
    assert "3 files done" in got.err
    found = {str(f.relative_to(at_box.cwd / "out")): f.read_bytes() for f in (at_box.cwd / "out").rglob("*.h5")}
    assert found == {f"ctao/{name}": content for name, content in FILES.items()}
    lines = [json.loads(line) for line in (at_box.cwd / "r.jsonl").read_text().splitlines()]
    assert {line["verified"] for line in lines} == {"size, adler32"}
    again = at_box("get", "--files-from", "list", "out", check=0)
    assert "3 files skipped, equal already" in again.err


def test_tasks_share_a_list_of_replicas(at_box, box, stored):
    replicas = [replica(box, stored[name], name, content) for name, content in FILES.items()]
    (at_box.cwd / "list").write_text(WAYS["lines"](replicas))
    for task in range(2):
        at_box("get", "--files-from", "list", "out", "--shard", f"{task}/2", "--receipt", f"r.{task}", check=0)
    paths = [json.loads(line)["path"] for n in range(2) for line in (at_box.cwd / f"r.{n}").read_text().splitlines()]
    assert sorted(paths) == sorted(stored.values())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"bytes": 4}, "the storage has 3 bytes with adler32 .*, and the catalogue 4 with"),
        ({"adler32": "0badcafe"}, "the storage has 3 bytes with adler32 .*, and the catalogue 3 with 0badcafe"),
    ],
)
def test_a_file_that_differs_from_the_catalogue_is_not_published(at_box, box, stored, changes, why):
    name, content = next(iter(FILES.items()))
    (at_box.cwd / "list").write_text(json.dumps(replica(box, stored[name], name, content, **changes)))
    failed = at_box("get", "--files-from", "list", "out", check=IntegrityError.exit_code)
    assert re.search(why, failed.err), failed.err
    assert not list((at_box.cwd / "out").rglob("*.h5"))


def test_a_file_without_a_replica_here_or_with_a_wrong_name_is_one_failure(at_box, box, stored):
    name, content = next(iter(FILES.items()))
    good = replica(box, stored[name], name, content)
    elsewhere = replica(box, stored[name], "other", content)
    elsewhere["pfns"] = {"davs://pic.example:2880/x": {"rse": "PIC", "type": "DISK"}}
    outside = replica(box, stored[name], "../../outside", content)
    (at_box.cwd / "list").write_text(WAYS["lines"]([elsewhere, outside, good]) + '{"scope": "ctao"\n')
    failed = at_box("get", "--files-from", "list", "out", check=6)
    assert "ctao:other: it has no replica at https://" in failed.err
    assert "the catalogue names: PIC" in failed.err
    assert "line 4 of the list is no list of replicas" in failed.err
    assert [str(f.relative_to(at_box.cwd)) for f in at_box.cwd.rglob("*.h5")] == [f"out/ctao/{name}"]


@pytest.mark.parametrize("way", ["lines", "array"])
def test_a_first_file_without_addresses_is_one_failure(at_box, box, stored, way):
    """As the content of a data set tells it: these are names of a catalogue, and no paths."""
    name, content = next(iter(FILES.items()))
    unplaced = replica(box, stored[name], "other", content)
    del unplaced["pfns"]
    (at_box.cwd / "list").write_text(WAYS[way]([unplaced, replica(box, stored[name], name, content)]))
    failed = at_box("get", "--files-from", "list", "out", check=6)
    assert "ctao:other: it has no replica at https://" in failed.err
    assert [str(f.relative_to(at_box.cwd)) for f in at_box.cwd.rglob("*.h5")] == [f"out/ctao/{name}"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><metalink/>', "it has a document type"),
        ("<metalink><file name='a'>", "the list is no metalink: no element found"),
    ],
)
def test_a_broken_metalink_is_refused(at_box, text, why):
    (at_box.cwd / "list").write_text(text)
    assert why in at_box("get", "--files-from", "list", "out", check=2).err


def test_a_file_on_tape_is_not_asked_for(at_box, box, stored):
    name, content = next(iter(FILES.items()))
    taped = replica(box, stored[name], name, content)
    for of in taped["pfns"].values():
        of["type"] = "TAPE"
    (at_box.cwd / "list").write_text(json.dumps(taped))
    assert "get --stage brings it back" in at_box("get", "--files-from", "list", "out", check=10).err


@pytest.fixture
def rucio(tmp_path):
    """`rucio(door, files)`: a real Rucio knows the files; the folder with its lists."""
    assert RUCIO.exists(), ".ci/rucio has not run"

    def ask(door, files):
        folder = tmp_path / "rucio"
        folder.mkdir()
        (folder / "files.json").write_text(json.dumps(files))
        program = RUCIO.parents[2] / "rucio_lists.py"
        done = subprocess.run(
            [RUCIO, program, folder, door, folder / "files.json"], capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return folder

    return ask


def test_what_a_real_rucio_lists_is_downloaded_and_verified(at_box, box, rucio):
    content = {name.replace("/", "."): data for name, data in FILES.items()}
    known = [{"name": name, "bytes": len(data), "adler32": adler32(data)} for name, data in content.items()]
    folder = rucio(box.door, known)
    replicas = [json.loads(line) for line in (folder / "list.jsonl").read_text().splitlines()]
    assert len(replicas) == len(content)
    for each in replicas:
        [address] = each["pfns"]
        box.files.put(urlsplit(address).path, content[each["name"]])
    for number, name in enumerate(("list.jsonl", "list.metalink")):
        at_box("get", "--files-from", folder / name, f"out{number}", check=0)
        got = {file.name: file.read_bytes() for file in (at_box.cwd / f"out{number}" / "ctao").iterdir()}
        assert got == content
    damaged = urlsplit(next(iter(replicas[0]["pfns"]))).path
    box.files.put(damaged, b"other")
    failed = at_box("get", "--files-from", folder / "list.metalink", "again", check=6)
    assert "and the catalogue" in failed.err
