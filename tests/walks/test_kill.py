"""`kill -9` at random moments: nothing wrong is ever visible under a final name, and the rerun completes."""

import random
import subprocess
import time
from pathlib import Path

import pytest
from walks.places import Place, files_below

MARK = ".ctadata-"
pytestmark = pytest.mark.parametrize("place", ["sandbox", "wsgidav"], indirect=True)


def kill_at_random(place: Place, words: list[str | Path], rng: random.Random, longest: float) -> bool:
    """Start a command and kill it after a random part of `longest` seconds; whether it was still running."""
    with place.start(*words) as process:
        try:
            process.wait(rng.uniform(0.1, longest))
        except subprocess.TimeoutExpired:
            process.kill()
            return True
    return False


def duration(place: Place, words: list[str | Path]) -> float:
    began = time.monotonic()
    place.run(*words)
    return time.monotonic() - began


def visible(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if MARK not in name}


def test_of_get(place: Place, tree: Path, tmp_path: Path, rng: random.Random, kills: int) -> None:
    place.run("put", "-r", f"{tree}/", "data")
    whole = files_below(tree)
    words = ["get", "-r", "home:data/", tmp_path / "back"]
    longest, killed, turns = duration(place, [*words[:-1], tmp_path / "first"]), 0, 0
    while killed < kills and turns < 5 * kills:
        hit = kill_at_random(place, words, rng, longest)
        killed, turns = killed + hit, turns + 1
        if words[-1].exists():
            seen = visible(files_below(words[-1]))
            assert {name: whole[name] for name in seen} == seen
        if not hit:  # it was through: the next one begins anew
            assert files_below(words[-1]) == whole
            words[-1] = tmp_path / f"back{turns}"
    place.run(*words)
    assert killed
    assert files_below(words[-1]) == whole


def test_of_put(place: Place, tree: Path, tmp_path: Path, rng: random.Random, kills: int) -> None:
    whole = files_below(tree)
    longest, killed = duration(place, ["put", "-r", f"{tree}/", "first"]), 0
    words, turns = ["put", "-r", f"{tree}/", "data"], 0
    while killed < kills and turns < 5 * kills:
        hit = kill_at_random(place, words, rng, longest)
        killed, turns = killed + hit, turns + 1
        stored = place.stored(f"{place.home}/{words[-1]}")
        assert {name: whole[name] for name in visible(stored)} == visible(stored)
        if not hit:  # it was through: the next one begins anew
            assert stored == whole
            words[-1] = f"data{turns}"
    place.run(*words)
    assert killed
    assert place.stored(f"{place.home}/{words[-1]}") == whole
