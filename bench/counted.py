"""Counts that a busy machine does not change much: calls for each small file, and the start of the command.

    python -m bench.counted calls get|put redirect|plain [all]
    python -m bench.counted start

`calls` prints how many functions of the client one small file costs: a run of 300 files minus a run of 100, against the
sandbox, whose door redirects to its pools (`redirect`) or carries the bytes itself (`plain`). It is the least of
`ROUNDS` runs for each function, because a wait that takes longer wakes more often. With `all`, each function follows.
`start` prints the processor time, and the modules, that a command needs until its first request arrives.
"""

from __future__ import annotations

import collections
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from bench.figures import Row, Target, alone
from bench.setting import Setting

FEW, MANY = 100, 300
ROUNDS = 3
SIZE = 1000
STARTS = 10
COMMANDS = (("list", "/"), ("get", "/f"), ("put", "f", "/f"))
CALLS = {("get", "redirect"): 210, ("put", "redirect"): 260, ("get", "plain"): 153, ("put", "plain"): 190}
"""The calls for each file that we aim at."""
MILLISECONDS = 120
"""Of processor time until the first request, that we aim at."""

Calls = collections.Counter[tuple[str, str]]


def small_file_calls(_: Setting) -> Iterator[Row]:
    """Calls for each small file."""
    for (verb, door), most in CALLS.items():
        words = [sys.executable, "-m", "bench.counted", "calls", verb, door]
        done = subprocess.run(words, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True)
        yield alone(f"{verb} a small file, door: {door}", "calls", [float(done.stdout)], Target(most, most=True))


def starts(at: Setting) -> Iterator[Row]:
    """Processor time until the first request."""
    for command in COMMANDS:
        best = min(_start(at.ours_program, command) for _ in range(STARTS))
        work = f"start of {command[0]} to its first request"
        yield alone(work, "ms", [best], Target(MILLISECONDS, most=True), note="processor time, best of 10")


def calls(verb: str, door: str) -> Calls:
    """Return the calls of each function of the client for one small file."""
    with tempfile.TemporaryDirectory(prefix="ctadata-bench-") as folder:
        os.environ.update(HOME=folder, XDG_CACHE_HOME=f"{folder}/cache")
        from ctadata.sandbox import Sandbox

        here = Path(folder)
        with Sandbox(write_anywhere=True, redirect=door == "redirect") as box:
            (here / "config.toml").write_text(box.profile_toml("bench"))
            token = here / "token"
            token.touch(0o600)
            token.write_text(box.token(lifetime=3600))
            os.environ.update(
                CTADATA_CONFIG=str(here / "config.toml"), CTADATA_PROFILE="bench", BEARER_TOKEN_FILE=str(token)
            )
            for count in (FEW, MANY):
                (here / f"s{count}").mkdir()
                for i in range(count):
                    box.files.put(f"/lst/d{count}/f{i}", b"x" * SIZE)
                    (here / f"s{count}" / f"f{i}").write_bytes(b"x" * SIZE)
            rounds = [_difference(here, verb, number) for number in range(ROUNDS)]
    return collections.Counter({each: min(round_[each] for round_ in rounds) for each in rounds[0]})


def _difference(here: Path, verb: str, number: int) -> Calls:
    from ctadata import direct

    def get(count: int) -> object:
        local = str(here / f"out{number}-{count}")
        return direct.fetch_and_save_file_or_dir(f"lst/d{count}", recursive=True, save_to_fn=local)

    def put(count: int) -> object:
        return direct.upload_dir(str(here / f"s{count}"), f"up{number}-{count}")

    move = get if verb == "get" else put
    few, many = (_count(lambda count=count: move(count)) for count in (FEW, MANY))
    per_file = {each: (many[each] - few[each]) / (MANY - FEW) for each in many}
    # a function that is called for fewer than half of the files depends on the time, not on the files
    return collections.Counter({each: value for each, value in per_file.items() if value >= 0.5})


def _count(work: Callable[[], object]) -> collections.Counter[tuple[str, str]]:
    """Return the calls of each function of the client, by module and name."""
    count: collections.Counter[tuple[str, str]] = collections.Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_filename
        if event == "call" and "/ctadata/" in name and "/sandbox/" not in name and "/site-packages/" not in name:
            count[name.rpartition("/ctadata/")[2], frame.f_code.co_qualname] += 1

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return count


@contextlib.contextmanager
def listening() -> Iterator[tuple[socket.socket, dict[str, str], Path]]:
    """A server that accepts connections and never answers, and the environment and the folder of a command."""
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryDirectory() as folder:
        here, port = Path(folder), server.getsockname()[1]
        (here / "c.toml").write_text(f'[profiles.x]\ndoor = "http://127.0.0.1:{port}"\nkind = "webdav"\n')
        for name in ("t", "f"):
            (here / name).touch(0o600)
            (here / name).write_text("content")
        files = {"CTADATA_CONFIG": str(here / "c.toml"), "BEARER_TOKEN_FILE": str(here / "t"), "HOME": folder}
        yield server, {**os.environ, **files, "CTADATA_PROFILE": "x", "XDG_CACHE_HOME": f"{folder}/cache"}, here


def _start(ours: Path, command: tuple[str, ...]) -> float:
    """Return the milliseconds of processor time that a command needs until its first request arrives."""
    with listening() as (server, environment, folder):
        process = subprocess.Popen([ours, *command], env=environment, cwd=folder, stderr=subprocess.DEVNULL)
        try:
            connection, _ = server.accept()
            connection.recv(1)
            tasks = Path(f"/proc/{process.pid}/task").iterdir()
            used = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
            connection.close()
        finally:
            process.kill()
            process.wait()
    return used / 1e6


def main(what: str, *options: str) -> None:
    """Print one of the counts."""
    if what == "start":
        ours = Path(sys.executable).with_name("cta-data-direct")
        for command in COMMANDS:
            print(command[0], round(min(_start(ours, command) for _ in range(STARTS))), "ms")  # noqa: T201
        return
    verb, door, *rest = options
    found = calls(verb, door)
    print(round(sum(found.values()), 1))  # noqa: T201
    for each, value in found.most_common() if rest else ():
        print(f"{value:6.1f}", *each)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
