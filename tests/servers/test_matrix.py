"""What our client does at each server, measured: the table of docs/reference/servers.md is what comes out here.

`CTADATA_WRITE_MATRIX=1 bin/test --full tests/servers/test_matrix.py` writes the page; without it a page that says
anything else than what was measured is a failure. A real dCache cannot be had for that: its column tells what was seen
when the commands were run beside one, and is kept as it stands.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from servers.measured import MeasuredTable

from ctadata.sandbox import Sandbox
from ctadata.sandbox.files import Files

SERVERS = {
    "Apache": "apache",
    "XRootD": "xrootd",
    "nginx": "nginx",
    "rclone": "rclone_webdav",
    "wsgidav": "wsgidav",
    "sandbox": "sandbox_server",
}
KEPT = ["dCache 11.2.5 (recorded)"]
NEVER = ("UnicodeDecodeError", "Traceback", "AssertionError")


class Cannot(Exception):
    """A command that failed: its exit code, and the first line that it said, without what changes from run to run."""

    def __init__(self, code: int, said: str, folder: str) -> None:
        told = [line for line in said.splitlines() if line.startswith(("failed ", "cta-data-direct: "))]
        line = told[0].removeprefix("failed ").removeprefix("cta-data-direct: ")
        line = line.partition(" (")[0].replace(f"/{folder}/", "")
        super().__init__(f"cannot: {re.sub(r'https?://[^ ]+', 'a server', line)} ({code})".replace("|", "\\|"))
        self.code = code


@dataclass(frozen=True)
class Visit:
    """One server, and a folder of this test's own at it (`there`) and here."""

    env: dict[str, str]
    here: Path
    there: str
    data: Path

    def run(self, *words: str) -> str:
        """What the command prints; Cannot where it fails. `@x` is the path of `x` in the folder at the server."""
        return self.told(*words)[0]

    def told(self, *words: str) -> tuple[str, str]:
        """What the command prints to stdout and to stderr; Cannot where it fails."""
        argv = [re.sub(r"@", f"/{self.there}/", word, count=1) for word in words]
        command = [sys.executable, "-m", "ctadata", *argv]
        ran = subprocess.run(command, env=self.env, cwd=self.here, capture_output=True, text=True, timeout=60)
        assert not any(word in ran.stderr for word in NEVER), ran.stderr
        assert self.env["BEARER_TOKEN"] not in ran.stderr + ran.stdout
        if ran.returncode:
            raise Cannot(ran.returncode, ran.stderr, self.there)
        return ran.stdout, ran.stderr

    def states(self, *words: str) -> set[str]:
        """What became of the files, from the receipt."""
        return {json.loads(line)["state"] for line in self.run(*words, "--json").splitlines()}

    def stored(self, name: str) -> bytes | None:
        """What lies on the server's disk."""
        path = self.data / self.there / name
        return path.read_bytes() if path.is_file() else None

    def has_directory(self, name: str) -> bool:
        """Whether a directory is on the server's disk."""
        return (self.data / self.there / name).is_dir()

    def refused(self, *words: str) -> bool:
        try:
            self.run(*words)
        except Cannot:
            return True
        return False


def up(at: Visit) -> bool:
    at.run("put", "-r", "tree", "@")
    return (at.stored("tree/a.txt"), at.stored("tree/sub/b.txt")) == (b"first", b"second")


def down(at: Visit) -> bool:
    at.run("get", "-r", "@tree", "down")
    return (at.here / "down/tree/a.txt").read_bytes() == b"first"


def listed(at: Visit) -> bool:
    return set(at.run("list", "-r", "@tree").splitlines()) >= {f"{at.there}/tree/a.txt", f"{at.there}/tree/sub/b.txt"}


def digest(at: Visit) -> bool:
    return "06570229" in at.run("checksum", "@tree/a.txt")


def kept(at: Visit) -> bool:
    (at.here / "other").write_text("other")
    at.refused("put", "--no-clobber", "other", "@tree/a.txt")
    return at.stored("tree/a.txt") == b"first"


def replaced(at: Visit, name: str = "replaced") -> bool:
    at.run("put", "other", f"@{name}")
    (at.here / "another").write_text("another")
    at.run("put", "another", f"@{name}")
    return at.stored(name) == b"another"


def renamed(at: Visit) -> bool:
    at.run("mv", "@replaced", "@renamed")
    return at.stored("renamed") == b"another" and at.stored("replaced") is None


def renamed_onto(at: Visit) -> bool:
    return at.refused("mv", "@renamed", "@tree/a.txt") and at.stored("tree/a.txt") == b"first"


def directory_renamed(at: Visit) -> bool:
    at.run("mkdir", "-p", "@made/deeper")
    at.run("mv", "@made", "@moved")
    return at.has_directory("moved/deeper")


def emptied(at: Visit) -> bool:
    return at.refused("rmdir", "@tree") and at.stored("tree/sub/b.txt") == b"second"


def empty_removed(at: Visit) -> bool:
    at.run("mkdir", "@none")
    at.run("rmdir", "@none")
    return not at.has_directory("none")


def synced(at: Visit) -> bool:
    at.run("sync", "tree", ":@synced")
    return at.stored("synced/sub/b.txt") == b"second" and at.states("sync", "tree", ":@synced") <= {"skipped"}


def synced_down(at: Visit) -> bool:
    at.run("sync", ":@tree", "back")
    return (at.here / "back/sub/b.txt").read_bytes() == b"second"


def odd_name(at: Visit, name: str) -> bool:
    at.run("put", "tree/a.txt", f"@{name}")
    at.run("mv", f"@{name}", f"@was-{name[0]}")
    at.run("put", "tree/a.txt", f"@{name}")
    return at.stored(name) == b"first" == at.stored(f"was-{name[0]}")


def dot_file(at: Visit) -> bool:
    at.run("put", "tree/a.txt", "@tree/.hidden")
    return ".hidden" in at.run("list", "@tree")


def removed(at: Visit) -> bool:
    at.run("rm", "@renamed")
    return at.stored("renamed") is None


def tree_removed(at: Visit) -> bool:
    at.run("rm", "-r", "--yes", "@synced")
    return not at.has_directory("synced")


VERBS: dict[str, tuple[Callable[[Visit], bool], str]] = {
    "`put -r`": (up, "other bytes"),
    "`put -r` again moves nothing": (lambda at: at.states("put", "-r", "tree", "@") == {"skipped"}, "moved again"),
    "`list -r`": (listed, "files are missing"),
    "`get -r`": (down, "other bytes"),
    "`get -r` again moves nothing": (lambda at: at.states("get", "-r", "@tree", "down") == {"skipped"}, "moved again"),
    "`stat`": (lambda at: "5" in at.run("stat", "@tree/a.txt"), "another size"),
    "`cat --range`": (lambda at: at.run("cat", "--range", "1-3", "@tree/a.txt") == "irs", "other bytes"),
    "`checksum`": (digest, "another checksum"),
    "`find`": (lambda at: "b.txt" in at.run("find", "@tree", "--name", "b*"), "not found"),
    "`du`": (lambda at: "11" in at.run("du", "@tree"), "another sum"),
    "`tree`": (lambda at: "b.txt" in at.run("tree", "@tree"), "not shown"),
    "`put --no-clobber` keeps what differs": (kept, "the file was replaced"),
    "`put` replaces": (replaced, "the old content stays"),
    "`mv` of a file": (renamed, "not renamed"),
    "`mv` onto a taken name is refused": (renamed_onto, "the file was replaced"),
    "`mkdir` and `mv` of a directory": (directory_renamed, "not renamed"),
    "`rmdir` keeps what is not empty": (emptied, "all was deleted"),
    "`rmdir` of an empty one": (empty_removed, "still there"),
    "`sync` up, and again": (synced, "moved again"),
    "`sync` down": (synced_down, "other bytes"),
    "a name with blanks, or beyond ASCII": (lambda at: odd_name(at, "grün und blau"), "stored under another name"),
    "a name with `%` and `#`": (lambda at: odd_name(at, "50% of #1.txt"), "stored under another name"),
    "a name with `?` or `;`": (lambda at: odd_name(at, "why? so;"), "stored under another name"),
    "`put` replaces one with `?` or `;`": (lambda at: replaced(at, "why? so;"), "the old content stays"),
    "a name that begins with a dot": (dot_file, "not listed"),
    "`rm`": (removed, "still there"),
    "`rm -r`": (tree_removed, "still there"),
    "`share`": (lambda at: "authz" in at.run("share", "@tree"), "no link"),
    "`quota`": (lambda at: any(at.told("quota")), "nothing told"),
    "`locality`": (lambda at: bool(at.run("locality", "@tree/a.txt")), "nothing told"),
}


TABLE = MeasuredTable("<!-- measured -->", (*SERVERS, *KEPT), tuple(VERBS))


def measured(at: Visit) -> dict[str, str]:
    """Verb -> `ok`, `cannot: words (exit code)` or `trap: words`."""
    rows = {}
    for verb, (does, trap) in VERBS.items():
        try:
            rows[verb] = "ok" if does(at) else f"trap: {trap}"
        except Cannot as cannot:
            rows[verb] = str(cannot)
    return rows


@dataclass(frozen=True)
class SandboxVisit(Visit):
    """The sandbox, whose files are in its memory."""

    files: Files

    def stored(self, name: str) -> bytes | None:
        path = f"/{self.there}/{name}"
        found = self.files.exists(path) and not self.files.entry(path).is_directory
        return self.files.read(path) if found else None

    def has_directory(self, name: str) -> bool:
        path = f"/{self.there}/{name}"
        return self.files.exists(path) and self.files.entry(path).is_directory


@pytest.fixture
def sandbox_server() -> Iterator[Sandbox]:
    with Sandbox(write_anywhere=True) as box:
        yield box


@pytest.fixture(params=SERVERS)
def visit(request: pytest.FixtureRequest, tmp_path: Path) -> Visit:
    door = request.getfixturevalue(SERVERS[request.param])
    if isinstance(door, Sandbox):
        token = door.token()
    else:
        token = door.token if hasattr(door, "token") else door.login()["access_token"]
    (tmp_path / "config.toml").write_text(door.profile_toml("here"))
    here = tmp_path / "here"
    (here / "tree/sub").mkdir(parents=True)
    (here / "tree/a.txt").write_text("first")
    (here / "tree/sub/b.txt").write_text("second")
    for file in (here / "tree").rglob("*.txt"):  # servers count whole seconds, and one of this second could seem newer
        os.utime(file, (1_600_000_000, 1_600_000_000))
    env = {**os.environ, "CTADATA_CONFIG": str(tmp_path / "config.toml"), "CTADATA_PROFILE": "here"}
    own = {**env, "BEARER_TOKEN": token}, here, f"matrix-{uuid4().hex[:8]}"
    at = SandboxVisit(*own, here, door.files) if isinstance(door, Sandbox) else Visit(*own, door.data)
    at.run("mkdir", "@")
    return at


@pytest.mark.full("matrix")
@pytest.mark.parametrize("visit", SERVERS, indirect=True)
def test_what_is_measured_is_what_the_page_says(visit: Visit, request: pytest.FixtureRequest) -> None:
    TABLE.check(request.node.callspec.params["visit"], measured(visit))
