"""The files of one directory divided among many processes of this client: which moves what, and what it costs."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import measure, trees
from bench.figures import Row, Target, alone, missing
from bench.setting import Client, Setting
from bench.work import OURS_FAILED

SHARES = (4, 16, 64)
SMALL, LARGE, LARGE_FILES = 40_000, 80 << 20, 40
"""Bytes of a small file, of a large one, and the number of the latter; with 20,000 small ones it is 4 GB in all."""

NOBODY = "999999/1000000"
"""A share of next to nothing: what remains is the start of a process, and the listing."""


def shares(at: Setting) -> Iterator[Row]:
    """Every file once, in even shares; the cost of a task without files."""
    root, count = at.server.data / "shared", 4 * at.sizes.small
    trees.make_tree(root, at.sizes.folders, count, SMALL)
    large = LARGE if at.sizes.large >= 1 << 30 else 1 << 20
    for i in range(LARGE_FILES):
        with (root / "d0000" / f"large_{i}").open("wb") as file:
            file.truncate(large)
    sizes = {f"/shared/{path.relative_to(root)}": path.stat().st_size for path in root.rglob("*") if path.is_file()}
    listing = at.folder / "all.jsonl"
    code = measure.run(at.ours("list", "-r", "--json", "shared").command, at.folder, _env(at), stdout=listing).code
    assert code == 0, measure.words(at.folder)
    work = f"{len(sizes):,} files, {sum(sizes.values()) / 1e9:.1f} GB"
    for number in SHARES:
        yield from _divide(at, f"{work} over {number} shares", number, sizes)
    for how, words in {"one listing": _from_list(at), "a listing of its own": ("-r", "shared/")}.items():
        took = [_run(at, at.ours("get", "-q", *words, at.out, "--shard", NOBODY)).cpu for _ in range(at.sizes.rounds)]
        yield alone(f"{work}: a task without files, {how}: CPU", "s", took, Target(2.0, most=True))
    shutil.rmtree(root)
    shutil.rmtree(at.out, ignore_errors=True)


def _env(at: Setting) -> dict[str, str]:
    return dict(at.ours().environment)


def _from_list(at: Setting) -> Sequence[str | Path]:
    return "--files-from", at.folder / "all.jsonl", "shared"


def _run(at: Setting, client: Client) -> measure.Took:
    took = measure.run(client.command, at.folder, client.environment)
    assert took.code == 0, measure.words(at.folder)
    return took


def _divide(at: Setting, work: str, number: int, sizes: dict[str, int]) -> Iterator[Row]:
    at.say(f"  {number} processes, one after another")
    shutil.rmtree(at.out, ignore_errors=True)
    found: Counter[str] = Counter()
    files, loads, cpu = [], [], []
    for i in range(number):
        receipt = at.folder / f"r.{i}.jsonl"
        receipt.unlink(missing_ok=True)
        command = at.ours("get", "-q", *_from_list(at), at.out, "--shard", f"{i}/{number}", "--receipt", receipt)
        cpu.append(_run(at, command).cpu)
        done = [row for row in map(json.loads, receipt.read_text().splitlines()) if row["state"] == "done"]
        found.update(f"/{row['path']}" for row in done)
        files.append(len(done))
        loads.append(sum(row["size"] for row in done))
        receipt.unlink()
    if set(found) != set(sizes):
        yield missing(
            work, "-", "", None, f"{OURS_FAILED}{len(set(sizes) - set(found))} files were moved by no process"
        )
        return
    mean_files, mean = len(sizes) / number, sum(sizes.values()) / number
    allowed = max(1.1 * mean, mean + max(sizes.values()))
    yield alone(f"{work}: files moved twice", "", [sum(found.values()) - len(found)], Target(0, most=True))
    yield alone(f"{work}: bytes of the fullest / what is allowed", "", [max(loads) / allowed], Target(1.0, most=True))
    yield alone(f"{work}: files of the fullest / mean", "", [max(files) / mean_files], Target(1.15, most=True))
    yield alone(f"{work}: CPU of all processes / files", "ms", [1000 * sum(cpu) / len(sizes)], Target(10, most=True))
