"""The pieces of work, each with its clients and targets, in the order of the table in docs/benchmarks.md."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping

from bench import trees
from bench.far import far
from bench.figures import Row, Target, alone, compare, missing
from bench.measure import Took
from bench.peers import Peers
from bench.setting import Client, Missing, Result, Setting

Work = Callable[[Setting], Iterator[Row]]
SMALL = 10_000
"""Bytes of a small file."""

OURS_FAILED = "ours: "
"""How the note of a row begins where it is our own command that could not do the work."""

IN_FLIGHT = 16
"""Files that we are told to have in flight at a distance, where the rate is bound by their number."""


def seconds(took: Took) -> float:
    """Wall clock."""
    return took.seconds


def against(
    work: str,
    results: Mapping[str, Result],
    targets: Mapping[str, Target | None],
    *,
    ours: str = "ours",
    unit: str = "s",
    figure: Callable[[Took], float] = seconds,
    note: str = "",
) -> Iterator[Row]:
    """A row for each peer, of a figure that is the better the smaller it is."""
    own = results[ours]
    for peer, target in targets.items():
        theirs = results[peer]
        if isinstance(theirs, Missing):
            yield missing(work, peer, unit, target, theirs.why)
        elif isinstance(own, Missing):
            yield missing(work, peer, unit, target, f"{OURS_FAILED}{own.why}")
        else:
            pairs = [(figure(a), figure(b)) for a, b in zip(own, theirs, strict=False)]
            yield compare(work, peer, unit, pairs, target, note=note)


def bound(work: str, result: Result, unit: str, figure: Callable[[Took], float], target: Target) -> Row:
    """The row of a figure of ours with a bound of its own."""
    if isinstance(result, Missing):
        return missing(work, "-", unit, target, f"{OURS_FAILED}{result.why}")
    return alone(work, unit, [figure(took) for took in result], target)


def large_file(at: Setting) -> Iterator[Row]:
    """One file over one stream."""
    size, peers = at.sizes.large, Peers(at, at.server.port)
    trees.make_file(at.server.data / "large.dat", size)
    work, expected = f"get one file of {mb(size)}, one stream", (1, size)
    clients = {
        "ours": at.ours("get", "-q", "-j", "1", "large.dat", at.out, makes=at.out, expected=expected),
        "curl": peers.curl_get("large.dat", at.out, expected),
    }
    results = at.rounds(clients)
    yield from against(work, results, {"curl": Target(1.0)})
    yield from against(f"{work}: CPU", results, {"curl": Target(0.85, most=True)}, figure=lambda t: t.cpu)
    yield bound(f"{work}: memory", results["ours"], "MB", lambda t: t.memory, Target(80, most=True))


def large_file_far(at: Setting) -> Iterator[Row]:
    """One file, 20 and 100 ms away, over as many streams as one likes."""
    size, expected = at.sizes.large, (1, at.sizes.large)
    for distance in (20, 100):
        with far(at.server.port, distance) as port:
            peers = Peers(at, port)
            clients: dict[str, Client | Missing] = {
                "ours": at.ours("get", "-q", "large.dat", at.out, port=port, makes=at.out, expected=expected),
                "aria2": peers.aria2_get("large.dat", at.out, expected),
            }
            if distance == 20:  # at 100 ms one stream takes a minute, and says nothing new
                clients["curl"] = peers.curl_get("large.dat", at.out, expected)
            for name, program in peers.rclones().items():
                clients[name] = peers.rclone_get_one(program, "large.dat", at.out, expected)
            results = at.rounds(clients)
        targets = {name: None if name == "curl" else Target(1.0) for name in clients if name != "ours"}
        yield from against(f"get one file of {mb(size)} at {distance} ms", results, targets)
    (at.server.data / "large.dat").unlink()


def small_get(at: Setting) -> Iterator[Row]:
    """Many small files in some folders."""
    count, peers = at.sizes.small, Peers(at, at.server.port)
    trees.make_tree(at.server.data / "small", at.sizes.folders, count, SMALL)
    expected = (count, count * SMALL)
    clients: dict[str, Client | Missing] = {
        "ours": at.ours("get", "-q", "-r", "small/", at.out, makes=at.out, expected=expected),
        "bare libcurl loop": peers.bare("small", at.out, makes=at.out, expected=expected),
        "webdav4": peers.webdav4("get", "small", at.out, makes=at.out, expected=expected),
        "obstore": peers.obstore("small", at.out, makes=at.out, expected=expected),
        "davix-get each": peers.davix_get_each("small", at.out, expected),
    }
    for name, program in peers.rclones().items():
        clients[name] = peers.rclone(program, "copy", ":webdav:small", at.out, makes=at.out, expected=expected)
    targets = {
        "rclone": Target(20),
        "rclone, newest": Target(20),
        "davix-get each": Target(10),
        "webdav4": Target(4),
        "obstore": Target(1.0),
        "bare libcurl loop": Target(0.7),
    }
    yield from against(f"get {_small(at)}", at.rounds(clients), targets)


def small_get_disk(at: Setting) -> Iterator[Row]:
    """The same, onto a disk."""
    count, peers, out = at.sizes.small, Peers(at, at.server.port), at.disk / "out"
    expected = (count, count * SMALL)
    clients = {
        "ours": at.ours("get", "-q", "-r", "small/", out, makes=out, expected=expected),
        "bare libcurl loop": peers.bare("small", out, makes=out, expected=expected),
    }
    yield from against(f"get {_small(at)}, onto a disk", at.rounds(clients), {"bare libcurl loop": Target(0.45)})


def small_get_far(at: Setting) -> Iterator[Row]:
    """The same, 20 ms away; the peer is the rate that so many files in flight allow."""
    count, distance = at.sizes.small, 0.020
    with far(at.server.port, distance * 1000) as port:
        ours = at.ours(
            *("get", "-q", "-j", str(IN_FLIGHT), "-r", "small/", at.out),
            port=port, makes=at.out, expected=(count, count * SMALL),
        )  # fmt: skip
        result = at.rounds({"ours": ours})["ours"]
    work, peer, target = f"get {_small(at)} at 20 ms, -j {IN_FLIGHT}", "in flight / delay", Target(0.8)
    if isinstance(result, Missing):
        yield missing(work, peer, "files/s", target, f"{OURS_FAILED}{result.why}")
    else:
        pairs = [(count / took.seconds, IN_FLIGHT / distance) for took in result]
        yield compare(work, peer, "files/s", pairs, target, rate=True)


def small_put(at: Setting) -> Iterator[Row]:
    """Uploads, to a server whose PUT is known to be atomic, and through temporary names."""
    count, peers = at.sizes.small, Peers(at, at.server.port)
    local, there = at.folder / "local", at.server.data / "up"
    shutil.copytree(at.server.data / "small", local)
    expected = (count, count * SMALL)
    clients: dict[str, Client | Missing] = {
        "ours": at.ours("put", "-q", "-r", f"{local}/", "/up", makes=there, expected=expected),
        "ours, temporary names": at.ours(
            "put", "-q", "-r", f"{local}/", "/up", makes=there, expected=expected, atomic=False
        ),
        "davix-put -r": peers.davix_put_tree(local, "up", makes=there, expected=expected),
        "webdav4": peers.webdav4("put", "up", local, makes=there, expected=expected),
    }
    for name, program in peers.rclones().items():
        clients[name] = peers.rclone(program, "copy", local, ":webdav:up", makes=there, expected=expected)
    targets = {
        "rclone": Target(20),
        "rclone, newest": Target(20),
        "davix-put -r": Target(1.5),
        "webdav4": Target(1.5),
    }
    results = at.rounds(clients)
    shutil.rmtree(local)
    yield from against(f"put {_small(at)}, atomic_put", results, targets)
    yield from against(f"put {_small(at)}, temporary names", results, targets, ours="ours, temporary names")


def list_crowd(at: Setting) -> Iterator[Row]:
    """One folder with many files."""
    count, peers = at.sizes.crowd, Peers(at, at.server.port)
    trees.make_crowd(at.server.data / "crowd", count)
    expected = (count, 0)
    clients: dict[str, Client | Missing] = {
        "ours": at.ours("list", "crowd", expected=expected, counted=True),
        "davix-ls": peers.davix("davix-ls", f"{peers.url}/crowd", expected=expected, counted=True),
        "webdav4": peers.webdav4_list("crowd", expected=expected, counted=True),
    }
    for name, program in peers.rclones().items():
        clients[name] = peers.rclone(program, "lsf", ":webdav:crowd", expected=expected, counted=True)
    targets = {"davix-ls": Target(1.5), "rclone": Target(5), "rclone, newest": Target(3), "webdav4": Target(8)}
    yield from against(f"list {count:,} entries of one folder", at.rounds(clients), targets)
    shutil.rmtree(at.server.data / "crowd")


def list_tree(at: Setting) -> Iterator[Row]:
    """A tree of many folders, listed; and fetched again where all of it is there already."""
    count, folders, peers = at.sizes.tree, at.sizes.tree_folders, Peers(at, at.server.port)
    tree = at.server.data / "tree"
    trees.make_tree(tree, folders, count, 0)
    entries = (sum(1 for _ in tree.rglob("*")), 0)
    url = f"{peers.url}/tree".replace("https", "davs", 1)
    clients: dict[str, Client | Missing] = {
        "ours": at.ours("list", "-r", "tree", expected=entries, counted=True),
        "davix-ls -r": peers.davix("davix-ls", "-r", str(8), url, counted=True),
    }
    for name, program in peers.rclones().items():
        clients[name] = peers.rclone(program, "lsf", "-R", ":webdav:tree", expected=entries, counted=True)
    targets = {"davix-ls -r": Target(1.3), "rclone": Target(5), "rclone, newest": Target(5)}
    what = f"{count:,} files in {folders:,} folders"
    yield from against(f"list -r {what}", at.rounds(clients), targets)
    there = at.folder / "there"
    shutil.copytree(tree, there)
    clients = {
        "ours": at.ours("get", "-q", "-r", "tree/", there),
        "our list -r": at.ours("list", "-r", "tree", expected=entries, counted=True),
    }
    yield from against(f"get -r again, nothing to do, {what}", at.rounds(clients), {"our list -r": Target(0.75)})
    for folder in (there, tree):
        shutil.rmtree(folder)


def million(at: Setting) -> Iterator[Row]:
    """A folder of a million entries: when the first row comes, and how much memory it takes."""
    count, note = at.sizes.million, at.folder / "first-byte"
    trees.make_crowd(at.server.data / "million", count)
    lags: list[float] = []
    took: list[Took] = []
    work = f"list {count:,} entries of one folder"
    for _ in range(min(at.sizes.rounds, 3)):
        with far(at.server.port, 0, window=1 << 30, note=note) as port:
            result = at.rounds({"ours": at.ours("list", "million", port=port, expected=(count, 0), counted=True)}, 1)
        own = result["ours"]
        if isinstance(own, Missing):
            yield missing(work, "-", "s", Target(1.0, most=True), f"{OURS_FAILED}{own.why}")
            break
        took += own
        lags.append(own[0].first_at - float(note.read_text()))
    else:
        yield alone(f"{work}: first byte to first row", "s", lags, Target(1.0, most=True))
        yield bound(f"{work}: memory", took, "MB", lambda t: t.memory, Target(120, most=True))
    shutil.rmtree(at.server.data / "million")


def many_files(at: Setting) -> Iterator[Row]:
    """A long download: that memory does not grow with it."""
    peaks: list[Result] = []
    for count in (at.sizes.many // 10, at.sizes.many):
        tree = at.server.data / "many"
        trees.make_tree(tree, max(1, count // 100), count, 100)
        expected = (count, count * 100)
        ours = at.ours("get", "-q", "-r", "many/", at.out, makes=at.out, expected=expected)
        peaks.append(at.rounds({"ours": ours}, 1)["ours"])
        shutil.rmtree(tree)
    tenth, whole = peaks
    work = f"get -r {at.sizes.many:,} files"
    yield bound(f"{work}: memory", whole, "MB", lambda t: t.memory, Target(150, most=True))
    targets = {"a tenth of the files": Target(1.15, most=True)}
    results = {"ours": whole, "a tenth of the files": tenth}
    yield from against(f"{work}: memory", results, targets, unit="MB", figure=lambda t: t.memory)


WORKS: dict[str, tuple[Work, ...]] = {
    "large": (large_file, large_file_far),
    "small": (small_get, small_get_disk, small_get_far, small_put),
    "crowd": (list_crowd,),
    "tree": (list_tree,),
    "million": (million,),
    "many": (many_files,),
}
"""By the name that `--only` takes; those of one name build on each other."""


def mb(size: int) -> str:
    """A size in words."""
    return f"{size >> 30} GiB" if size >= 1 << 30 else f"{size >> 20} MiB"


def _small(at: Setting) -> str:
    return f"{at.sizes.small:,} x 10 kB in {at.sizes.folders} folders"
