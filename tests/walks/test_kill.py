"""`kill -9` at random moments: nothing wrong is ever visible under a final name, and the rerun completes.

Nothing is left at the end: no parts and journals here, no temporaries on the storage.
"""

import hashlib
import random
import re
import shutil
from pathlib import Path

import pytest
from walks.kills import Killer, Part, overlap, part_of
from walks.places import LONG_AGO, Place, files_below, fill_folder

from ctadata.transfer.resume_journal import BLOCK

MARK = ".ctadata-"
LARGE = 96 << 20
"""Bytes of a file that several streams fetch."""
STREAMS = 4
IN_FLIGHT = 16 << 20
"""Bytes that the buffers of both kernels hold for one connection, at most."""


@pytest.fixture
def killer(busy_place: Place, rng: random.Random) -> Killer:
    return Killer(busy_place, rng)


def visible(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if MARK not in name}


def test_of_a_divided_get(killer: Killer, tmp_path: Path, rng: random.Random, kills: int) -> None:
    place, content, old = killer.place, rng.randbytes(LARGE), b"the old content"
    place.fill(place.home, {"large": content})
    target = tmp_path / "back" / "large"
    words = ["get", "-j", STREAMS, "home:large", target]
    parts: list[Part] = []

    def begin() -> None:
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(old)
        parts.clear()

    def look() -> None:
        assert target.read_bytes() in (old, content)
        if place.box and parts:
            assert overlap(asked(place), parts[-1].vouched) == 0
        part = part_of(target.parent, content)
        if part:
            lost = part.lost_since(parts[-1] if parts else None)
            parts.append(part)
            assert len(lost) <= STREAMS, parts
            assert sum(lost) <= STREAMS * BLOCK, parts

    begin()
    killer.measure(words)
    assert not place.box or len(asked(place)) > 1, "it was not divided"
    begin()
    killer.served = 0
    killer.repeat(words, kills, look, begin)
    assert files_below(target.parent) == {"large": content}
    if place.box:
        whole_runs = killer.runs + 1 - killer.killed
        twice = killer.served - whole_runs * LARGE
        assert twice <= killer.killed * STREAMS * (BLOCK + IN_FLIGHT)
        print(f"sent twice: {twice / killer.killed / 2**20:.1f} MiB for each kill, {STREAMS} streams")


def test_of_a_get_of_what_changes_after_each_kill(
    killer: Killer, tmp_path: Path, rng: random.Random, kills: int
) -> None:
    """It may be shorter by then than what is here of it, or so small that nothing lasts of it."""
    place, target, versions = killer.place, tmp_path / "back" / "f", set[str]()
    words = ["get", "home:f", target]

    def change() -> None:
        content = rng.randbytes(rng.choice((0, LARGE // 4, LARGE // 2)) + rng.randrange(LARGE // 4))
        versions.add(hashlib.sha256(content).hexdigest())
        place.fill(place.home, {"f": content})

    def look() -> None:
        assert not target.exists() or hashlib.sha256(target.read_bytes()).hexdigest() in versions
        change()

    change()
    killer.measure(words)
    target.unlink()
    killer.repeat(words, kills, look, target.unlink)
    [content] = place.stored(place.home).values()
    assert files_below(target.parent) == {"f": content}


def asked(place: Place) -> list[tuple[int, int]]:
    """The ranges that the pools were asked for since the last run began, but for the first byte that ends a mover."""
    assert place.box
    ranges = [seen.header("Range") or "" for seen in place.box.seen if seen.server.startswith("pool")]
    found = [re.fullmatch(r"bytes=(\d+)-(\d+)", text) for text in ranges]
    return [(int(m[1]), int(m[2]) + 1) for m in found if m and m[2] != "0"]


def test_of_get(killer: Killer, tree: Path, tmp_path: Path, kills: int) -> None:
    whole, place, back = files_below(tree), killer.place, tmp_path / "back"
    place.fill(f"{place.home}/data", whole)
    words = ["get", "-r", "home:data/", back]

    def begin() -> None:
        assert files_below(back) == whole
        shutil.rmtree(back)

    def look() -> None:
        seen = visible(files_below(back))
        assert {name: whole[name] for name in seen} == seen

    killer.measure(words)
    begin()
    killer.repeat(words, kills, look, begin)
    assert files_below(back) == whole


def test_of_put(killer: Killer, tree: Path, kills: int) -> None:
    whole, place = files_below(tree), killer.place
    words = ["put", "-r", f"{tree}/", "data"]

    def begin() -> None:
        assert stored(place, words) == whole
        words[-1] = f"data{killer.runs}"

    def look() -> None:
        seen = visible(stored(place, words))
        assert {name: whole[name] for name in seen} == seen

    killer.measure(words)
    begin()
    killer.repeat(words, kills, look, begin)
    assert stored(place, words) == whole


def stored(place: Place, words: list[str]) -> dict[str, bytes]:
    return place.stored(f"{place.home}/{words[-1].removeprefix('home:')}")


def before_the_sync(whole: dict[str, bytes]) -> dict[str, bytes]:
    """Some files changed, some missing, some too many."""
    names = sorted(whole)
    old = {name: bytes(len(whole[name])) for name in names[::2]}  # of the same size
    return old | dict.fromkeys(names[::6], b"other") | {f"gone/{i}": b"gone" for i in range(8)} | {"g": b"gone"}


def check_synced(seen: dict[str, bytes], old: dict[str, bytes], new: dict[str, bytes]) -> None:
    """Each name has its old or its new content, and nothing was deleted before all was there."""
    for name, content in seen.items():
        assert content in (old.get(name), new.get(name)), name
    if not set(old) - set(new) <= set(seen):
        assert new.items() <= seen.items()


SYNC = ["sync", "--delete", "--yes", "--delete-empty"]


def test_of_sync_down(killer: Killer, tree: Path, tmp_path: Path, kills: int) -> None:
    new, place, back = files_below(tree), killer.place, tmp_path / "back"
    place.fill(f"{place.home}/data", new)
    old = before_the_sync(new)

    def begin() -> None:
        shutil.rmtree(back, ignore_errors=True)
        fill_folder(back, old)
        for name in old:
            (back / name).touch()  # else a file of the same size and time would be the same file

    def look() -> None:
        check_synced(visible(files_below(back)), old, new)

    words = [*SYNC, f":{place.home}/data", back]
    begin()
    killer.measure(words)
    begin()
    killer.repeat(words, kills, look, begin)
    assert files_below(back) == new
    assert not (back / "gone").exists()


def test_of_sync_up(killer: Killer, tree: Path, kills: int) -> None:
    new, place = files_below(tree), killer.place
    old = before_the_sync(new)
    assert min(path.stat().st_mtime for path in tree.rglob("*") if path.is_file()) > LONG_AGO + 1
    words = [*SYNC, str(tree), ""]

    def begin() -> None:
        words[-1] = f"home:data{killer.runs}"
        place.fill(f"{place.home}/{words[-1].removeprefix('home:')}", old)

    def look() -> None:
        check_synced(visible(stored(place, words)), old, new)

    begin()
    killer.measure(words)
    assert stored(place, words) == new
    killer.runs += 1
    begin()
    killer.repeat(words, kills, look, begin)
    assert stored(place, words) == new
