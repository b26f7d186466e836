"""The number of requests in flight, as a server sees it: it doubles while nothing queues, and -j pins it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from servers.plain_dav import PlainDav, plain_dav
from stores.clients import Holder

from ctadata.config.profile import Profile
from ctadata.config.request_limit import AT_DCACHE, ELSEWHERE, STREAMS, find_request_limit
from ctadata.config.resolve import resolve_profile
from ctadata.http.client import Client
from ctadata.http.congestion import START
from ctadata.http.curl_pool import CurlHandle
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.factory import open_store
from ctadata.tokens.origins import trusted_origins
from ctadata.transfer.download_tree import DownloadTarget, download
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import NullReporter
from ctadata.transfer.run import Run

PATIENCE = 60.0
ROOT = RemotePath()


class Gate:
    """Answers GET requests in groups of these sizes: each group only when all of it has arrived."""

    def __init__(self, *groups: int) -> None:
        self.groups = list(groups)
        self.faults: list[str] = []
        self.most = self.in_flight = 0
        self._group = self._arrived = 0
        self._change = threading.Condition()

    def arrive(self, method: str, path: str) -> None:
        if method != "GET":
            return
        with self._change:
            group = self._group
            self._arrived += 1
            self.most = max(self.most, self._arrived)
            if self._arrived == self.groups[group]:
                self._group, self._arrived = group + 1, 0
                self._change.notify_all()
            elif not self._change.wait_for(lambda: self._group > group or self.faults, PATIENCE):
                self.faults.append(f"group {group} of {self.groups[group]} has {self._arrived} requests")
                self._change.notify_all()


@pytest.fixture(autouse=True)
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first connection tells no distance: on a busy machine it takes long, and the first window would be wider."""
    monkeypatch.setattr(CurlHandle, "round_trip", lambda handle: 0.0)


@pytest.fixture
def dav() -> Iterator[PlainDav]:
    with plain_dav() as server:
        server.nodes["/run"] = None
        yield server


def get_all(dav: PlainDav, tmp_path, files: int, *, most: int, pinned: bool) -> None:
    """Download so many small files; the client's clock hardly moves, so no answer takes long."""
    for i in range(files):
        dav.put(f"/run/{i}", b"x")
    ticks = itertools.count()
    profile = Profile(name="test", door=dav.url, kind="webdav")
    client = Client(
        trusted=trusted_origins(profile), credentials=Holder("t"), jobs=most, pinned=pinned,
        clock=lambda: next(ticks) * 1e-9, sleep=lambda seconds: None,
    )  # fmt: skip
    store: Store = open_store(profile, client)
    try:
        run = Run(store, Rules(jobs=min(8, most), small_jobs=most), NullReporter(), threading.Event())
        entry = next(entry for entry in store.list(store.info(ROOT).path) if entry.path.name == "run")
        summary = download(run, [DownloadTarget(entry, tmp_path / "out")])
    finally:
        store.close()
    assert (summary.done, summary.failed) == (files, [])


def test_it_doubles_with_each_round_of_answers_up_to_the_most(dav: PlainDav, tmp_path) -> None:
    gate = Gate(START, 2 * START, 4 * START, 5 * START, 5 * START)
    dav.before = gate.arrive
    get_all(dav, tmp_path, sum(gate.groups), most=5 * START, pinned=False)
    assert gate.faults == []
    assert gate.most == 5 * START


def test_a_pinned_number_is_kept(dav: PlainDav, tmp_path) -> None:
    gate = Gate(*[START + 3] * 4)
    dav.before = gate.arrive
    get_all(dav, tmp_path, sum(gate.groups), most=START + 3, pinned=True)
    assert gate.faults == []
    assert gate.most == START + 3


@pytest.mark.parametrize(
    ("kind", "jobs", "options", "limit"),
    [
        ("dcache", None, {}, (AT_DCACHE, False, STREAMS)),
        ("webdav", None, {}, (ELSEWHERE, False, STREAMS)),
        ("dcache", "12", {}, (12, False, 12)),
        ("dcache", "12", {"jobs": "3"}, (3, True, None)),
        ("webdav", None, {"jobs": "64"}, (64, True, None)),
    ],
)
def test_the_most_depends_on_the_place_unless_the_user_has_a_say(tmp_path, kind, jobs, options, limit) -> None:
    settings = tmp_path / "settings.toml"
    settings.touch(0o600)
    env = {"CTADATA_DOOR": "https://door.example", "CTADATA_KIND": kind, **({"CTADATA_JOBS": jobs} if jobs else {})}
    found = find_request_limit(resolve_profile(overrides=options, env=env, config_file=settings))
    assert (found.most, found.pinned, found.streams) == limit
    assert found.files >= found.most
    assert found.files == found.most or not (jobs or options)
