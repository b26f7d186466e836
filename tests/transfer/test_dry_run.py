"""A dry run tells what the run then does, and changes nothing: over generated trees, filters and rules."""

import dataclasses
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stores.memory import MemoryStore
from transfer.trees import Content, Recorder, remote_names, shape

from ctadata.namespace.filters import Filters
from ctadata.paths import RemotePath
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.download_tree import download
from ctadata.transfer.equality import Compare
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import Outcome, Summary
from ctadata.transfer.run import Run
from ctadata.transfer.sync import Deletion, sync_down, sync_up
from ctadata.transfer.upload_tree import upload

TOP = RemotePath(("top",))
NAMES = st.sampled_from(["a", "b.h5", "c d", "é", "100% #1?;&.h5", "-r", "~", "x\\y", "line\nfeed"])
FILE = st.tuples(st.sampled_from([b"", b"1", b"2", b"two"]), st.sampled_from([1e9, 1e9 + 0.5, 1.1e9]))
TREE = st.recursive(
    st.dictionaries(NAMES, FILE, max_size=3),
    lambda below: st.dictionaries(NAMES, FILE | below, max_size=3),
    max_leaves=8,
)


class Link(str):
    """A symbolic link to this place."""


PIPE = "a named pipe"
OWN_NAMES = NAMES | st.just("\udcff")  # not UTF-8
OTHERS = st.sampled_from([Link("a"), Link("."), Link(".."), Link("nowhere"), Link("../b.h5"), PIPE])
LOCAL_TREE = st.recursive(
    st.dictionaries(OWN_NAMES, FILE | OTHERS, max_size=3),
    lambda below: st.dictionaries(OWN_NAMES, FILE | OTHERS | below, max_size=3),
    max_leaves=8,
)
PATTERNS = st.lists(st.sampled_from(["*.h5", "a", "a/", "/a", "**/é", "c d/*"]), max_size=1)
RULES = st.builds(
    Rules,
    no_clobber=st.booleans(),
    follow_links=st.booleans(),
    filters=st.builds(Filters.read, PATTERNS, PATTERNS),
    compare=st.sampled_from(Compare),
    update=st.booleans(),
    jobs=st.just(3),
)
DELETIONS = st.none() | st.builds(
    Deletion,
    st.just(lambda extras, stop: True),
    limit=st.sampled_from([0, 2, 100]),
    trust_empty=st.booleans(),
)


def fill_store(store: MemoryStore, path: RemotePath, tree: dict) -> None:
    store.mkdir(path)
    for name, what in tree.items():
        if isinstance(what, dict):
            fill_store(store, path / name, what)
        else:
            store.write(path / name, Content(*what))


def fill_folder(path: Path, tree: dict) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for name, what in tree.items():
        if isinstance(what, dict):
            fill_folder(path / name, what)
        elif isinstance(what, Link):
            (path / name).symlink_to(what)
        elif what is PIPE:
            os.mkfifo(path / name)
        else:
            (path / name).write_bytes(what[0])
            os.utime(path / name, (what[1], what[1]))


def told(outcomes: list[Outcome]) -> list[tuple]:
    return sorted(
        (
            str(o.state),
            str(o.remote),
            str(o.local),
            o.size,
            o.why,
            o.digest if o.state == "skipped" else "",
            str(o.error),
        )
        for o in outcomes
    )


def snapshot(store: MemoryStore, here: Path) -> tuple:
    folder = {str(p): (p.lstat().st_mtime_ns, p.is_file() and p.read_bytes()) for p in here.rglob("*")}
    return remote_names(store), folder


def both(store: MemoryStore, here: Path, rules: Rules, act: Callable[[Run], Summary]) -> None:
    """Dry, then not; and once more, when nothing is left to do."""
    runs = []
    before = snapshot(store, here)
    dangling = [path for path in here.rglob("*") if path.is_symlink() and not path.exists()]
    for dry in (True, False):
        if not dry:
            assert snapshot(store, here) == before
        run = Run(store, dataclasses.replace(rules, dry_run=dry), Recorder(), threading.Event(), pause=lambda s: None)
        act(run)
        runs.append(run)
    if any(link.exists() for link in dangling):
        return  # the run makes what a link leads to, and which of the two comes first is chance
    foreseen, done = runs
    assert told(foreseen.reporter.outcomes) == told(done.reporter.outcomes)
    assert (foreseen.summary.exit_code, foreseen.summary.empty) == (done.summary.exit_code, done.summary.empty)


WAYS: dict[str, Callable[[Run, Path, Deletion | None], Summary]] = {
    "get": lambda run, here, _: download(run, [DownloadTarget(run.store.info(TOP), here)]),
    "put": lambda run, here, _: upload(run, [UploadSource(TOP, here)]),
    "sync down": lambda run, here, deletion: sync_down(run, DownloadTarget(run.store.info(TOP), here), deletion),
    "sync up": lambda run, here, deletion: sync_up(run, UploadSource(TOP, here), deletion),
}


IN_THE_WAY = {"a": (b"1", 1e9), "d": {"a": (b"1", 1e9)}}


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=60)
@example(remote=IN_THE_WAY, local={"a": Link("nowhere"), "d": Link(".")}, rules=Rules(), deletion=None)
@example(remote=IN_THE_WAY, local={"a": PIPE, "d": (b"2", 1e9)}, rules=Rules(), deletion=None)
@given(remote=TREE, local=LOCAL_TREE, rules=RULES, deletion=DELETIONS)
def test_a_dry_run_reports_what_the_run_then_does(
    way: str, remote: dict, local: dict, rules: Rules, deletion: Deletion | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, here = MemoryStore(), Path(folder) / "here"
        fill_store(store, TOP, remote)
        fill_folder(here, local)
        both(store, here, rules, lambda run: WAYS[way](run, here, deletion))


@settings(max_examples=60)
@given(remote=TREE, local=TREE, down=st.booleans())
def test_a_sync_that_deletes_makes_equal_trees_where_no_file_is_in_the_way_of_a_directory(
    remote: dict, local: dict, down: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, here = MemoryStore(), Path(folder) / "here"
        fill_store(store, TOP, remote)
        fill_folder(here, local)
        run = Run(store, Rules(jobs=3, compare=Compare.CHECKSUM), Recorder(), threading.Event())
        deletion = Deletion(lambda extras, stop: True, trust_empty=True)
        summary = WAYS["sync down" if down else "sync up"](run, here, deletion)
        if summary.failed:
            assert summary.deleted == 0
            return
        there = {name.removeprefix("/top/"): None for name in remote_names(store) if name != "/top"}
        for name in there:
            if not store.info(RemotePath.parse(f"/top/{name}")).is_directory:
                there[name] = store.content(RemotePath.parse(f"/top/{name}"))[0]
        assert there == shape(here)
