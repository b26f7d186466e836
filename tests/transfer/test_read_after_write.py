"""A file that was just stored is looked at again where the server shows it, or its size, a moment late."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from stores.clients import opened
from stores.odd_server import Answer, OddServer

from ctadata.errors import NotFound, Stopped
from ctadata.paths import RemotePath
from ctadata.stores.late_answers import WAITS
from ctadata.transfer.plan import Rules
from ctadata.transfer.read_after_write import wait_for_entry
from ctadata.transfer.report import NullReporter
from ctadata.transfer.run import Run

A = RemotePath(("a",))
ENTRY = (
    '<D:multistatus xmlns:D="DAV:"><D:response><D:href>/a</D:href><D:propstat><D:prop>{}</D:prop>'
    "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>"
)


def shown(size: int | None) -> Answer:
    length = "" if size is None else f"<D:getcontentlength>{size}</D:getcontentlength>"
    return Answer(207, {}, ENTRY.format(length).encode())


@pytest.fixture(scope="module")
def server() -> Iterator[OddServer]:
    with OddServer() as server:
        yield server


@pytest.fixture
def waited() -> list[float]:
    return []


@pytest.fixture
def run(server: OddServer, waited: list[float]) -> Iterator[Run]:
    with opened("webdav", server.url, None, "token") as store:
        yield Run(store, Rules(), NullReporter(), threading.Event(), pause=waited.append)


@pytest.mark.parametrize("late", [[], [Answer(404)], [Answer(404), shown(0), shown(3)]])
def test_a_late_entry_is_found(server: OddServer, run: Run, waited: list[float], late: list[Answer]) -> None:
    server.answers = {"PROPFIND /a": [*late, shown(7)]}
    assert wait_for_entry(run, A, 7).size == 7
    assert waited == list(WAITS[: len(late)])


def test_any_size_is_accepted_if_none_is_expected(server: OddServer, run: Run, waited: list[float]) -> None:
    server.answers = {"PROPFIND /a": [Answer(404), shown(3)]}
    assert wait_for_entry(run, A, None).size == 3
    assert waited == [WAITS[0]]


def test_a_server_that_states_no_size_is_asked_once(server: OddServer, run: Run, waited: list[float]) -> None:
    server.answers = {"PROPFIND /a": [shown(None), shown(7)]}
    assert wait_for_entry(run, A, 7).size is None
    assert waited == []


def test_a_missing_entry_is_not_found(server: OddServer, run: Run, waited: list[float]) -> None:
    server.answers = {"PROPFIND /a": [Answer(404)]}
    with pytest.raises(NotFound):
        wait_for_entry(run, A, 7)
    assert waited == list(WAITS)


def test_a_size_that_stays_too_small_is_returned(server: OddServer, run: Run, waited: list[float]) -> None:
    server.answers = {"PROPFIND /a": [shown(3)]}
    assert wait_for_entry(run, A, 7).size == 3
    assert waited == list(WAITS)


def test_a_stop_ends_the_wait(server: OddServer, run: Run) -> None:
    server.answers = {"PROPFIND /a": [Answer(404)]}
    run.pause = lambda _: run.stop.set()
    with pytest.raises(Stopped):
        wait_for_entry(run, A, 7)
