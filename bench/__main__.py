"""`bin/bench`: runs the pieces of work and prints what came of them."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.counted import small_file_calls, starts
from bench.far import ceiling
from bench.figures import Row
from bench.open import open_at_pools, open_far, open_whole
from bench.peers import versions
from bench.processes import two_processes
from bench.s3 import s3
from bench.server import NotStarted, Server, apache
from bench.setting import FULL, QUICK, Setting
from bench.shares import shares
from bench.small_far import small_far
from bench.table import as_json, as_table
from bench.work import OURS_FAILED, WORKS

EVERYTHING = {
    **WORKS,
    "far": (small_far,),
    "processes": (two_processes,),
    "counted": (small_file_calls, starts),
    "shares": (shares,),
    "open": (open_far, open_at_pools, open_whole),
    "s3": (s3,),
}
_CONFIG = """default = "bench"
[profiles.bench]
kind = "webdav"
door = "{url}"
ca = "{ca}"
home = ["/"]
user = "bench"
"""


def main() -> int:
    """Parse the options, run, print; 1 where a peer was not there or our command failed, 2 where there is no server."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that server and files are tidied away
    scratch = Path(tempfile.mkdtemp(prefix="ctadata-bench-", dir=options.memory))
    disk = Path(tempfile.mkdtemp(prefix="ctadata-bench-", dir=options.disk))
    scratch.chmod(0o755)  # the server's processes, somebody else's where root starts them, look into it
    try:
        (scratch / "server").mkdir()
        with apache(scratch / "server") as server:
            rows = _run(_setting(options, server, scratch, disk), options)
    except NotStarted as error:
        _say(str(error))
        return 2
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(disk, ignore_errors=True)
    failed = any(row.note.startswith(OURS_FAILED) for row in rows)
    absent = any(row.ours is None for row in rows)
    return 1 if failed or (absent and not options.allow_missing) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bin/bench", description="This client and others at the same work, in one run.")
    parser.add_argument("--quick", action="store_true", help="the same rows on little work, within a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object a row, as they come")
    parser.add_argument("--rounds", type=int, help=f"rounds of each row (default {FULL.rounds}, {QUICK.rounds} quick)")
    parser.add_argument("--only", action="append", choices=list(EVERYTHING), help="these pieces of work alone")
    parser.add_argument("--allow-missing", action="store_true", help="0 also where a peer is not installed")
    parser.add_argument("--memory", default="/dev/shm", help="a file system in memory (default /dev/shm)")  # noqa: S108
    parser.add_argument("--disk", default="/var/tmp", help="a file system on a disk (default /var/tmp)")  # noqa: S108
    ours = Path(sys.executable).with_name("cta-data-direct")
    parser.add_argument(
        "--ours", type=Path, default=ours, help=f"our command, as of another version (default {ours.name})"
    )
    parser.add_argument("--peers", type=Path, default=Path(sys.executable), help="a Python that has the peers of PyPI")
    parser.add_argument("--s3fs", type=Path, default=Path(sys.executable), help="a Python that has s3fs")
    return parser.parse_args()


def _setting(options: argparse.Namespace, server: Server, scratch: Path, disk: Path) -> Setting:
    sizes = QUICK if options.quick else FULL
    if options.rounds:
        sizes = dataclasses.replace(sizes, rounds=options.rounds)
    (scratch / "config.toml").write_text(_CONFIG.format(url=server.url, ca=server.ca))
    token = scratch / "token"
    token.touch(0o600)
    token.write_text("this-server-asks-for-none\n")
    return Setting(server, scratch, disk, sizes, options.ours, options.peers, options.s3fs, _say)


def _run(at: Setting, options: argparse.Namespace) -> list[Row]:
    known, began = versions(at), time.monotonic()
    for line in _circumstances(at):
        _say(line)
    rows = []
    for row in _rows(at, options):
        rows.append(row)
        if options.json:
            print(as_json(row), flush=True)  # noqa: T201
    if not options.json:
        print(as_table(rows, known))  # noqa: T201
    else:
        for name, version in known.items():
            _say(f"{name}: {version}")
    _say(f"{(time.monotonic() - began) / 60:.0f} minutes")
    return rows


def _rows(at: Setting, options: argparse.Namespace) -> Iterator[Row]:
    for name in options.only or EVERYTHING:
        for work in EVERYTHING[name]:
            _say(f"{(work.__doc__ or name).rstrip('.')}")
            began = time.monotonic()
            yield from work(at)
            _say(f"  ({time.monotonic() - began:.0f} s)")


def _circumstances(at: Setting) -> Iterator[str]:
    yield f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start; {at.sizes.rounds} rounds"
    for distance in (20, 100):
        one, eight = (ceiling(distance, connections) / 1e6 for connections in (1, 8))
        yield f"the proxy at {distance} ms carries {one:.0f} MB/s over one connection, {eight:.0f} MB/s over eight"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
