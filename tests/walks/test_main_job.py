"""The main job, from the login to the verified file, with the commands as users type them, at each place."""

import json
import os
from pathlib import Path

from walks.places import Place, files_below


def test_up_and_down_again(place: Place, tree: Path, tmp_path: Path) -> None:
    place.run("put", "-r", tree, "data")
    assert place.stored(f"{place.home}/data/night 1") == files_below(tree)

    place.run("get", "-r", "home:data/night 1", tmp_path / "back")
    assert files_below(tmp_path / "back" / "night 1") == files_below(tree)
    assert (tmp_path / "back" / "night 1" / "empty directory").is_dir()


def test_a_rerun_moves_nothing(place: Place, tree: Path, tmp_path: Path) -> None:
    for verb in (["put", "-r", tree, "data"], ["get", "-r", "home:data/night 1", tmp_path / "back"]):
        place.run(*verb)
        before = {p: p.stat().st_ino for p in (tmp_path / "back").rglob("*")}
        _, err = place.run(*verb)
        assert "66 files skipped" in err
        assert {p: p.stat().st_ino for p in (tmp_path / "back").rglob("*")} == before


def test_a_changed_file_replaces_the_old_one(place: Place, tree: Path, tmp_path: Path) -> None:
    place.run("put", tree / "plain.txt", "data/")
    (tree / "plain.txt").write_bytes(b"other\n")  # of the same size, and newer
    place.run("put", tree / "plain.txt", "data/")
    assert place.stored(f"{place.home}/data") == {"plain.txt": b"other\n"}
    place.run("get", "home:data/plain.txt", tmp_path / "x")
    (tmp_path / "x").write_bytes(b"mine!\n")
    os.utime(tmp_path / "x", (1, 1))
    place.run("get", "--no-clobber", "home:data/plain.txt", tmp_path / "x", code=8)
    assert (tmp_path / "x").read_bytes() == b"mine!\n"
    place.run("get", "home:data/plain.txt", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"other\n"


def test_listings(place: Place, tree: Path) -> None:
    place.run("put", "-r", f"{tree}/", "data")
    out, _ = place.run("list", "home:data")
    top = place.home.lstrip("/") + "/data/"
    assert sorted(out.splitlines()) == sorted(
        top + name for name in ("empty", "plain.txt", "large.bin", "sub/", "empty directory/")
    )
    out, _ = place.run("list", "-r", "--json", "home:data")
    rows = [json.loads(line) for line in out.splitlines()]
    files = {row["path"].removeprefix(top): row["size"] for row in rows if row["kind"] == "file"}
    assert files == {name: len(content) for name, content in files_below(tree).items()}
    assert all(row["schema"] == 1 for row in rows)


def test_errors_in_words_and_codes(place: Place, tree: Path, tmp_path: Path) -> None:
    out, err = place.run("get", "no/such/file", tmp_path / "x", code=3)
    assert (out, (tmp_path / "x").exists()) == ("", False)
    assert "no/such/file" in err
    assert "Traceback" not in err
    place.run("put", tree, "data", code=2)
    place.run("put", tmp_path / "missing", "data", code=3)
    place.run("list", "no/such/place", code=3)
