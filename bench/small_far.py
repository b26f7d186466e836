"""Rows of many small files at a distance: our defaults, and the peers with their defaults and at their best by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import trees
from bench.far import far
from bench.figures import Row, Target, alone, compare, missing
from bench.nginx import LIMIT, Nginx, is_installed, nginx
from bench.peers import Peers
from bench.server import free_port
from bench.setting import Client, Missing, Setting
from bench.work import OURS_FAILED, SMALL, against

DISTANCES = (20, 100)
"""Round trips in milliseconds."""

BEST = ("--transfers", "64", "--checkers", "64")
NO_PACER = ("--webdav-pacer-min-sleep", "0")
"""rclone by hand: as many files at a time as we allow; the newest without its pause between requests."""

OURS_BY_HAND = "ours, -j 64"


@dataclass(frozen=True)
class Place:
    """The server, seen from a distance.

    at: the benchmark.   port: of the proxy.   milliseconds: one round trip.   local: a copy of the tree.
    server: the server in words, if it is not Apache.
    """

    at: Setting
    port: int
    milliseconds: int
    local: Path
    server: str = ""

    @property
    def what(self) -> str:
        """The tree in words."""
        tree = f"{self.at.sizes.far:,} x 10 kB in {self.at.sizes.far_folders} folders"
        return f"{tree}, {self.server}" if self.server else tree

    @property
    def files(self) -> tuple[int, int]:
        """The number of files and bytes of the tree."""
        return self.at.sizes.far, self.at.sizes.far * SMALL

    def ours(self, *arguments: str | Path, by_hand: bool = True, **how: object) -> dict[str, Client | Missing]:
        """Our command with its defaults, and by hand."""
        command, *rest = arguments
        clients = {"ours": self.at.ours(*arguments, port=self.port, **how)}  # type: ignore[arg-type]
        if by_hand:
            by_hand_options = (command, "-j", "64", *rest)
            clients[OURS_BY_HAND] = self.at.ours(*by_hand_options, port=self.port, **how)  # type: ignore[arg-type]
        return {**clients}

    def rclones(self, *arguments: str | Path, **how: object) -> dict[str, Client | Missing]:
        """Each rclone with its defaults, and at its best."""
        clients: dict[str, Client | Missing] = {}
        peers = Peers(self.at, self.port)
        for name, program in peers.rclones().items():
            best = BEST + (NO_PACER if "newest" in name else ())
            clients[name] = peers.rclone(program, *arguments, **how)
            clients[f"{name}, at its best"] = peers.rclone(program, *arguments, *best, **how)
        return clients

    def rows(self, work: str, clients: Mapping[str, Client | Missing]) -> Iterator[Row]:
        """The rows of one piece of work."""
        targets: dict[str, Target | None] = {
            name: Target(0.8 if name == OURS_BY_HAND else 1.0) for name in clients if name != "ours"
        }
        yield from against(f"{work}, {self.what}, at {self.milliseconds} ms", self.at.rounds(clients), targets)


def small_far(at: Setting) -> Iterator[Row]:
    """Many small files at a distance: get, put, list, nothing to do."""
    local, data = at.folder / "far", at.server.data
    trees.make_tree(data / "far", at.sizes.far_folders, at.sizes.far, SMALL)
    shutil.copytree(data / "far", local)
    for milliseconds in DISTANCES:
        with far(at.server.port, milliseconds) as port:
            place = Place(at, port, milliseconds, local)
            for work in (_get, _put, _list, _again):
                yield from work(place)
        if is_installed():
            yield from _at_nginx(at, milliseconds, local)
        else:
            yield missing(
                f"nginx, at {milliseconds} ms", "-", "s", None, "nginx or its module dav-ext is not installed"
            )
    for folder in (data / "far", local):
        shutil.rmtree(folder)


def _at_nginx(at: Setting, milliseconds: int, local: Path) -> Iterator[Row]:
    plain, certificate = free_port(), at.server.data.parent / "server.pem"
    with (
        far(plain, milliseconds) as pool,
        nginx(at.folder / f"nginx-{milliseconds}", at.server.data, certificate, plain, pool) as running,
        far(running.limited, milliseconds) as limited,
        far(running.door, milliseconds) as door,
    ):
        place = Place(at, pool, milliseconds, local, "nginx")
        for work in (_get, _put, _list, _again):
            yield from work(place)
        yield from _get(Place(at, door, milliseconds, local, "door that redirects"))
        yield from _limited(Place(at, limited, milliseconds, local, f"door that takes {LIMIT}/s"), running)


def _limited(place: Place, running: Nginx) -> Iterator[Row]:
    """Requests a second against the limit, and refusals after the first second."""
    work = f"get -r, {place.what}, at {place.milliseconds} ms"
    client, rates, refusals = place.at.ours(
        "get", "-q", "-r", "far/", place.at.out, port=place.port, makes=place.at.out, expected=place.files
    ), list[tuple[float, float]](), list[float]()  # fmt: skip
    for _ in range(place.at.sizes.rounds):
        before = len(running.answers(running.limited))
        result = place.at.rounds({"ours": client}, 1)["ours"]
        if isinstance(result, Missing):
            yield missing(work, "the limit", "requests/s", Target(0.85), f"{OURS_FAILED}{result.why}")
            return
        answers = running.answers(running.limited)[before:]
        served = [at for at, status in answers if status != 429]
        rates.append((len(served) / (served[-1] - served[0]), float(LIMIT)))
        refusals.append(sum(at > answers[0][0] + 1 for at, status in answers if status == 429))
    yield compare(work, "the limit", "requests/s", rates, Target(0.85), rate=True)
    yield alone(f"{work}: answers 429 after the first second", "answers", refusals, Target(0, most=True))


def _get(place: Place) -> Iterator[Row]:
    out, files = place.at.out, place.files
    clients = place.ours("get", "-q", "-r", "far/", out, makes=out, expected=files)
    clients |= place.rclones("copy", ":webdav:far", out, makes=out, expected=files)
    yield from place.rows("get -r", clients)


def _put(place: Place) -> Iterator[Row]:
    made, files = place.at.server.data / "far-up", place.files
    clients = place.ours("put", "-q", "-r", f"{place.local}/", "/far-up", makes=made, expected=files, atomic=False)
    clients |= place.rclones("copy", place.local, ":webdav:far-up", makes=made, expected=files)
    yield from place.rows("put -r with temporary names", clients)


def _list(place: Place) -> Iterator[Row]:
    entries = (place.at.sizes.far + place.at.sizes.far_folders, 0)
    clients = place.ours("list", "-r", "far", expected=entries, counted=True, by_hand=False)
    clients |= place.rclones("lsf", "-R", ":webdav:far", expected=entries, counted=True)
    yield from place.rows("list -r", clients)


def _again(place: Place) -> Iterator[Row]:
    clients = place.ours("get", "-q", "-r", "far/", place.local)
    clients |= place.rclones("copy", ":webdav:far", place.local)
    yield from place.rows("get -r again, nothing to do", clients)
