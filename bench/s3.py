"""The pieces of work at an S3 server, which is Ceph's object gateway with its data in memory, over TLS."""

from __future__ import annotations

import contextlib
import functools
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import trees
from bench.figures import Row, Target, missing
from bench.peers import LOOPS, THREADS
from bench.setting import Client, Missing, Result, Setting, version_of
from bench.work import SMALL, against, mb

BUCKET = "bench"
WITHOUT = "the S3 server is Ceph's: .ci/ceph brings it"
SMALL_TARGETS = {
    "boto3": Target(2.0),
    "obstore": None,
    **dict.fromkeys(("minio", "rclone", "rclone, newest"), Target(1.0)),
}
SMALL_CPU_TARGETS = {**dict.fromkeys(SMALL_TARGETS), "boto3": Target(2.0), "obstore": Target(1 / 1.3)}
LARGE_TARGETS = {"obstore": None, **dict.fromkeys(("boto3", "minio", "rclone", "rclone, newest"), Target(1.0))}

_CONFIG = """default = "bench"
[profiles.bench]
kind = "s3"
endpoint = "{url}"
region = "us-east-1"
ca = "{ca}"
root = "/{bucket}"
"""


@dataclass(frozen=True)
class Ceph:
    """The server, our settings for it, and everybody's environment; `client` is boto3's, to prepare and to look."""

    at: Setting
    url: str
    ca: Path
    access: str
    secret: str
    client: Any

    @property
    def environment(self) -> Mapping[str, str]:
        """Of every client: where, and with which keys."""
        settings = self.at.folder / "s3.toml"
        settings.write_text(_CONFIG.format(url=self.url, ca=self.ca, bucket=BUCKET))
        return {
            "CTADATA_CONFIG": str(settings),
            "AWS_ACCESS_KEY_ID": self.access,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "ENDPOINT": self.url,
            "CA": str(self.ca),
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_S3_PROVIDER": "Ceph",
            "RCLONE_S3_ENDPOINT": self.url,
            "RCLONE_S3_ENV_AUTH": "true",
            "RCLONE_CA_CERT": str(self.ca),
        }

    def ours(self, *arguments: str | Path, **how: Any) -> Client:
        """Our own command, whole."""
        return Client([self.at.ours_program, *arguments], environment=self.environment, **how)

    def loop(self, name: str, verb: str, prefix: str, listing: Path, local: Path, **how: Any) -> Client | Missing:
        """A library in a loop of threads."""
        python = self.at.peers_python
        if not _has(python, name):
            return Missing(f"{name} is not installed for {python}")
        command: list[str | Path] = [
            python,
            LOOPS / f"s3_{name}.py",
            verb,
            BUCKET,
            prefix,
            listing,
            local,
            str(THREADS),
        ]
        return Client(command, environment=self.environment, **how)

    def loops(self, verb: str, prefix: str, listing: Path, local: Path, **how: Any) -> dict[str, Client | Missing]:
        """All three."""
        return {name: self.loop(name, verb, prefix, listing, local, **how) for name in ("boto3", "minio", "obstore")}

    def rclones(self, *arguments: str | Path, **how: Any) -> dict[str, Client | Missing]:
        """The system's, and the newest from PyPI, with as many transfers as the others have threads."""
        programs: dict[str, str | Path] = {
            "rclone": "rclone",
            "rclone, newest": self.at.peers_python.with_name("rclone"),
        }
        options = (f"--transfers={THREADS}", f"--checkers={THREADS}", f"--s3-upload-concurrency={THREADS}")
        return {
            name: Client([program, *options, *arguments], environment=self.environment, **how)
            if shutil.which(program)
            else Missing(f"{Path(program).name} is not installed")
            for name, program in programs.items()
        }

    def objects(self, prefix: str) -> list[tuple[str, int]]:
        """Keys and sizes of all below."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [(found["Key"], found["Size"]) for page in pages for found in page.get("Contents", ())]

    def clear(self, prefix: str) -> None:
        """Delete all below."""
        keys = [{"Key": key} for key, _ in self.objects(prefix)]
        for start in range(0, len(keys), 1000):
            self.client.delete_objects(Bucket=BUCKET, Delete={"Objects": keys[start : start + 1000], "Quiet": True})

    def census(self, prefix: str) -> tuple[int, int]:
        """How many objects lie below, and their bytes."""
        found = self.objects(prefix)
        return len(found), sum(size for _, size in found)

    def fill(self, prefix: str, root: Path) -> None:
        """Put a local tree there."""

        def put(name: str) -> None:
            self.client.upload_file(str(root / name), BUCKET, prefix + name)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(put, trees.names(root)))


@functools.cache
def _has(python: Path, library: str) -> bool:
    return version_of(python, "-c", f"import {library}; print(1)") is not None


@contextlib.contextmanager
def ceph(at: Setting) -> Iterator[Ceph | Missing]:
    """The server of the tests, for the `with` block; Missing where it is not installed."""
    tests = str(Path(__file__).parents[1] / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    from servers.authority import authority
    from servers.rgw import Rgw, start_rgw
    from servers.shared import NotStarted, shared

    root = Path(tempfile.mkdtemp(dir=at.folder))
    try:
        made = authority(root)
        with shared(root, "rgw", lambda start: start_rgw(start, made)) as state:
            gateway = Rgw(state["http"], state["https"], made.ca, Path(state["folder"]))
            keys = gateway.new_user()
            client = gateway.client(keys)
            client.create_bucket(Bucket=BUCKET)
            yield Ceph(at, gateway.https, made.ca, keys.access, keys.secret, client)
    except NotStarted:
        yield Missing(WITHOUT)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def s3(at: Setting) -> Iterator[Row]:
    """Small objects, a listing and one large object at an S3 server."""
    with ceph(at) as server:
        if isinstance(server, Missing):
            yield from (missing("S3", peer, "s", target, WITHOUT) for peer, target in SMALL_TARGETS.items())
            return
        yield from _small(server)
        yield from _listing(server)
        yield from _large(server)


def _rows(work: str, results: Mapping[str, Result], targets: Mapping[str, Target | None]) -> Iterator[Row]:
    """Wall clock, most of which is the server's here; and the client's own CPU, which is not."""
    yield from against(work, results, targets)
    # the checks of large ones cost ours more
    own = SMALL_CPU_TARGETS if targets is SMALL_TARGETS else dict.fromkeys(targets)
    yield from against(f"{work}: CPU", results, own, figure=lambda took: took.cpu)


def _small(server: Ceph) -> Iterator[Row]:
    at, count = server.at, server.at.sizes.objects
    local, out, listing = at.folder / "s3-small", at.out, at.folder / "s3-small.names"
    trees.make_tree(local, at.sizes.folders, count, SMALL)
    listing.write_text("".join(f"{name}\n" for name in trees.names(local)))
    server.fill("small/", local)
    expected, what = (count, count * SMALL), f"{count:,} objects of 10 kB, S3"
    clients = {
        "ours": server.ours("get", "-q", "-r", "/small/", out, makes=out, expected=expected),
        **server.loops("get", "small/", listing, out, makes=out, expected=expected),
        **server.rclones("copy", f":s3:{BUCKET}/small", out, makes=out, expected=expected),
    }
    yield from _rows(f"get {what}", at.rounds(clients), SMALL_TARGETS)
    how: dict[str, Any] = {
        "before": lambda: server.clear("up/"),
        "found": lambda: server.census("up/"),
        "expected": expected,
    }
    clients = {
        "ours": server.ours("put", "-q", "-r", f"{local}/", "/up", **how),
        **server.loops("put", "up/", listing, local, **how),
        **server.rclones("copy", local, f":s3:{BUCKET}/up", **how),
    }
    yield from _rows(f"put {what}", at.rounds(clients), SMALL_TARGETS)
    server.clear("up/")
    shutil.rmtree(local)


def _listing(server: Ceph) -> Iterator[Row]:
    at, count = server.at, server.at.sizes.objects
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda i: server.client.put_object(Bucket=BUCKET, Key=f"crowd/{i:07}", Body=b"x"), range(count)))
    nothing = at.folder / "none"
    how: dict[str, Any] = {"expected": (count, 0), "counted": True}
    clients = {
        "ours": server.ours("list", "/crowd", **how),
        **server.loops("list", "crowd/", nothing, nothing, **how),
        **server.rclones("lsf", f":s3:{BUCKET}/crowd", **how),
    }
    yield from _rows(f"list {count:,} objects, S3", at.rounds(clients), dict.fromkeys(SMALL_TARGETS))
    server.clear("crowd/")


def _large(server: Ceph) -> Iterator[Row]:
    at, size = server.at, server.at.sizes.large // 4
    local, out = at.folder / "s3-large", at.out
    trees.make_file(local, size)
    server.client.upload_file(str(local), BUCKET, "large")
    expected, none, what = (1, size), at.folder / "none", f"one object of {mb(size)}, S3"
    clients = {
        "ours": server.ours("get", "-q", "/large", out, makes=out, expected=expected),
        **server.loops("get1", "large", none, out, makes=out, expected=expected),
        **server.rclones("copyto", f":s3:{BUCKET}/large", out, makes=out, expected=expected),
    }
    yield from _rows(f"get {what}", at.rounds(clients), LARGE_TARGETS)
    how: dict[str, Any] = {
        "before": lambda: server.clear("up"),
        "found": lambda: server.census("up"),
        "expected": expected,
    }
    clients = {
        "ours": server.ours("put", "-q", local, "/up", **how),
        **server.loops("put1", "up", none, local, **how),
        **server.rclones("copyto", local, f":s3:{BUCKET}/up", **how),
    }
    yield from _rows(f"put {what}", at.rounds(clients), LARGE_TARGETS)
    local.unlink()
