"""What dCache answers when something is wrong (dcache.md 4, and what its pools say: 1.4, 1.6), row by row: the error,
its exit code, what is said, and what to do, at a server that answers exactly that."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from stores.clients import opened
from stores.odd_server import Answer, OddServer
from stores.suite import Basket, Bytes, get

from ctadata.errors import (
    AccessError,
    Busy,
    CtadataError,
    Forbidden,
    IntegrityError,
    LoginNeeded,
    NeedsStaging,
    NotFound,
    ServerTrouble,
    StorageFull,
    TemporaryError,
    Unreachable,
    UsageError,
)
from ctadata.http.retries import Retries
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import NullReporter
from ctadata.transfer.run import BROKEN_OFF, Run

A = RemotePath(("a",))
LOCALITY = '<l:FileLocality xmlns:l="http://srm.lbl.gov/StorageResourceManager">{}</l:FileLocality>'
DIRECTORY = "<D:resourcetype><D:collection/></D:resourcetype>"


@dataclass(frozen=True)
class Row:
    """method, status, reason (None: the standard's) and text of the answer, and the file's locality; what comes of it.

    words and hint: parts of what is said; "": nothing is advised.
    """

    method: str
    status: int
    reason: str | None
    text: str
    kind: type[CtadataError]
    code: int
    words: str
    hint: str
    locality: str = ""


ROWS = {
    "not found": Row(
        "GET",
        404,
        None,
        "Path not found: /a",
        NotFound,
        3,
        "there is no such file or directory: 404 Not Found, Path",
        "",
    ),
    "no permission": Row(
        "PUT", 403, None, "Permission denied for PUT on path /a", Forbidden, 4, "not allowed: 403", "scope"
    ),
    "no permission to look": Row(
        "PROPFIND", 403, None, "Permission denied for PROPFIND on path /a", Forbidden, 4, "not allowed", "scope"
    ),
    "no permission, anonymous": Row(
        "DELETE", 401, None, "You are not unauthorised for DELETE on path /a", LoginNeeded, 4, "login", "log in"
    ),
    "login failed": Row("GET", 401, "login failed", "", LoginNeeded, 4, "401 login failed", "log in again"),
    "a macaroon's caveat": Row(
        "GET", 401, "macaroon login denied: IP address not within caveat", "", LoginNeeded, 4, "the macaroon", "another"
    ),
    "a token over http": Row(
        "GET", 401, "not allowed to send bearer token unencrypted", "", AccessError, 4, "without TLS", "https://"
    ),
    "two tokens": Row("GET", 401, "Multiple bearer tokens", "", AccessError, 4, "two different tokens", ""),
    "user root is not the door's": Row("PROPFIND", 403, None, "", Forbidden, 4, "not allowed: 403 Forbidden", "ask"),
    "pools full": Row(
        "PUT", 507, None, "Insufficient storage: SER_DISK_FULL", StorageFull, 11, "the storage has no room: 507", ""
    ),
    "no room to fetch it to a disk": Row(
        "GET", 507, None, "Insufficient storage: SER_DISK_FULL", StorageFull, 11, "to fetch the file to disk", "later"
    ),
    "quota": Row(
        "PUT", 507, None, "Insufficient storage: SER_QUOTA_EXCEEDED", StorageFull, 11, "the quota is used up", "delete"
    ),
    "quota, of an older build": Row(
        "PUT",
        500,
        None,
        "Internal problem: CUSTODIAL user quota exceeded for uid=2002",
        StorageFull,
        11,
        "the quota is used up",
        "delete",
    ),
    "pool manager silent": Row(
        "GET",
        500,
        None,
        "Internal problem: Request to [>PoolManager@local] timed out.",
        ServerTrouble,
        5,
        "found no pool in time: 500 Internal Server Error, Internal problem: Request to [>PoolManager",
        "tell the administrators of the storage",
    ),
    "namespace silent": Row(
        "PROPFIND",
        500,
        None,
        "Internal problem: Request to [>PnfsManager@local] timed out.",
        ServerTrouble,
        5,
        "part of the storage did not answer in time",
        "try again later",
    ),
    "mover queue full": Row(
        "PUT",
        500,
        None,
        "Internal problem: No redirect from mover on pool p1 after 180000 ms",
        ServerTrouble,
        5,
        "a pool did not answer in time",
        "try again later",
    ),
    "busy inside": Row(
        "GET",
        500,
        None,
        "Internal problem: Server is busy (internal timeout)",
        ServerTrouble,
        5,
        "the server is too busy",
        "try again later",
    ),
    "any other internal problem": Row(
        "MKCOL", 500, None, "Internal problem: Boom", ServerTrouble, 5, "the server failed: 500", "try again later"
    ),
    "a directory that is not empty after all": Row(
        "DELETE", 500, None, "Internal problem: Directory is not empty: /a", UsageError, 2, "is not empty", ""
    ),
    "rate limited": Row(
        "GET", 429, None, "Server is busy. Please try again later.", Busy, 5, "the server is busy: 429", "later"
    ),
    "restart": Row("GET", 503, None, "dCache is shutting down", Busy, 5, "the server is being restarted", "later"),
    "tape, staged meanwhile": Row(
        "GET",
        500,
        None,
        "Internal problem: Request to [>PoolManager@local] timed out.",
        NeedsStaging,
        10,
        "the file is on tape and on its way to disk",
        "stage it",
        "NEARLINE",
    ),
    "tape, staging forbidden": Row(
        "GET",
        403,
        None,
        "Permission denied for GET on path /a",
        Forbidden,
        4,
        "the file is on tape, and you may not stage it",
        "ask the administrators of the storage",
        "NEARLINE",
    ),
    "disk-only, pool offline": Row(
        "GET", 500, None, "Internal problem: ...", ServerTrouble, 5, "has the file is offline", "tell", "UNAVAILABLE"
    ),
    "broken": Row("GET", 500, None, "Internal problem: ...", CtadataError, 1, "has lost the file", "tell", "LOST"),
    "without a location": Row(
        "GET",
        500,
        None,
        "Internal problem: ...",
        Busy,
        5,
        "the upload of the file has not been completed",
        "upload",
        "NONE",
    ),
    "never uploaded to its end": Row(
        "GET",
        500,
        "Server Error",
        "Internal problem: File upload not yet completed",
        Busy,
        5,
        "the upload of the file has not been completed",
        "upload the file again",
        "NONE",
    ),
    "a replica that is broken": Row(
        "GET",
        500,
        "Server Error",
        "Internal problem: File is broken",
        IntegrityError,
        7,
        "copy of the file is damaged",
        "upload the file again",
        "ONLINE",
    ),
    "a replica that is broken, of a file on tape": Row(
        "GET",
        500,
        "Server Error",
        "Internal problem: File is broken",
        IntegrityError,
        7,
        "copy of the file is damaged",
        "upload the file again",
        "NEARLINE",
    ),
    "on disk, and yet": Row(
        "GET", 500, None, "Internal problem: Boom", ServerTrouble, 5, "the server failed: 500", "later", "ONLINE"
    ),
    "pool: other size": Row(
        "PUT", 400, "File size mismatch (expected=5, actual=4)", "", IntegrityError, 7, "did not receive the bytes", ""
    ),
    "pool: other checksum": Row(
        "PUT",
        400,
        "Checksum mismatch (expected=[2:ab], actual=[1:cd])",
        "",
        IntegrityError,
        7,
        "did not receive the bytes",
        "",
    ),
    "pool: dead redirect": Row(
        "GET",
        400,
        "Request is no longer valid. Please resubmit to door.",
        "",
        ServerTrouble,
        5,
        "redirect had expired",
        "later",
    ),
    "pool: no redirect": Row(
        "GET", 400, "Query string does not include any UUID.", "", ServerTrouble, 5, "its own redirect", "later"
    ),
    "pool: full while writing": Row("PUT", 507, "No space left", "", StorageFull, 11, "no room: 507 No space left", ""),
    "pool: full before": Row("PUT", 500, "Out of space", "", StorageFull, 11, "the storage has no room", ""),
    "pool: a macaroon's limit": Row(
        "PUT", 507, "Exceeded allowed upload size", "", StorageFull, 11, "this login may not upload so much", "another"
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[OddServer]:
    with OddServer() as server:
        yield server


@pytest.fixture(scope="module")
def store(server: OddServer) -> Iterator[Store]:
    with opened("dcache", server.url, None, "token", retries=Retries(attempts=1, busy_attempts=1)) as store:
        yield store


DO: dict[str, Callable[[Store], object]] = {
    "GET": lambda store: get(store, A),
    "PUT": lambda store: store.write(A, Bytes(b"12345")),
    "PROPFIND": lambda store: store.info(A),
    "DELETE": lambda store: store.delete(A),
    "MKCOL": lambda store: store.mkdir(A),
}


def about(locality: str, kind: str = "") -> Answer:
    """A listing of /a."""
    props = f"<D:getcontentlength>5</D:getcontentlength>{LOCALITY.format(locality)}{kind}"
    found = f"<D:propstat><D:prop>{props}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    body = f'<D:multistatus xmlns:D="DAV:"><D:response><D:href>/a</D:href>{found}</D:response></D:multistatus>'
    return Answer(207, {}, body.encode())


@pytest.mark.parametrize("name", ROWS)
def test_each_response_becomes_the_error_of_its_row(server: OddServer, store: Store, name: str) -> None:
    row = ROWS[name]
    server.answers = {"PROPFIND /a": [about(row.locality)]}
    server.answers |= {"PROPFIND /a": [Answer(404)]} if row.method == "MKCOL" else {}
    answer = Answer(row.status, {"Content-Type": "text/plain;charset=utf-8"}, row.text.encode(), reason=row.reason)
    server.answers[f"{row.method} /a" + ("/" if row.method == "MKCOL" else "")] = [answer]
    with pytest.raises(CtadataError) as caught:
        DO[row.method](store)
    error = caught.value
    assert (type(error), error.exit_code, error.path, error.status) == (row.kind, row.code, "/a", row.status)
    assert row.words in error.what
    assert re.split(":| bearer", row.reason or row.text)[0] in error.what
    assert row.hint in error.hint
    assert bool(row.hint) == bool(error.hint)


@pytest.mark.parametrize(
    ("said", "code"), [("Internal problem: File is broken", 7), ("Internal problem: File upload not yet completed", 5)]
)
def test_a_permanent_error_is_not_retried(server: OddServer, said: str, code: int) -> None:
    """By the HTTP client, and by a run that begins broken transfers anew."""
    answer = Answer(500, {"Content-Type": "text/plain"}, said.encode(), reason="Server Error")
    server.answers = {"PROPFIND /a": [about("ONLINE")], "GET /a": [answer]}
    server.asked.clear()
    with opened("dcache", server.url, None, "token", retries=Retries()) as store:
        run = Run(store, Rules(), NullReporter(), threading.Event())
        with pytest.raises(CtadataError) as caught:
            run.retry(lambda: get(store, A), after=(TemporaryError, *BROKEN_OFF))
    assert (caught.value.exit_code, caught.value.retryable, caught.value.retries) == (code, False, 0)
    assert "try again later" not in caught.value.hint
    assert [asked.method for asked in server.asked].count("GET") == 1


def test_a_server_that_cannot_be_reached() -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with opened("dcache", url, None, "token") as store, pytest.raises(Unreachable) as caught:
            store.info(A)
    assert (caught.value.exit_code, caught.value.retryable) == (5, True)
    assert "no connection" in caught.value.what
    assert "network" in caught.value.hint


def test_a_server_that_hangs_up() -> None:
    """A door that is restarted resets its connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def reset() -> None:
            while not over.is_set():
                peer, _ = listener.accept()
                peer.recv(65536)
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.close()

        thread = threading.Thread(daemon=True, target=reset)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with opened("dcache", url, None, "token") as store, pytest.raises(Unreachable) as caught:
            store.open(A).send(Basket())
        over.set()
        socket.create_connection(listener.getsockname()).close()
        thread.join(60)
    assert caught.value.exit_code == 5
    assert "closed before an answer" in caught.value.what
