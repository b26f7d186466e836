"""A weak entity tag proves nothing about bytes; a strong one, a checksum, or an old mtime does."""

from __future__ import annotations

import dataclasses
import threading
import zlib
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from stores.clients import opened
from stores.odd_server import Answer, Asked, OddServer
from transfer.trees import Recorder

from ctadata.entries import Entry, Kind
from ctadata.errors import CtadataError
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.transfer import resume_journal, segmented_download
from ctadata.transfer.download_file import download_file
from ctadata.transfer.local_dir import LocalDir
from ctadata.transfer.plan import Rules
from ctadata.transfer.receipt import Record as Line
from ctadata.transfer.records import Record, remote_version
from ctadata.transfer.report import NullReporter, State
from ctadata.transfer.run import Run
from ctadata.transfer.verify_receipt import verify_receipt

F = RemotePath(("f",))
CONTENT = b"line of text\n" * 20_000
OTHER = bytes(reversed(CONTENT))
OLD = 1e9
COMING = 4e9

GOES_ON = [
    pytest.param('"1"', OLD, False, True, id="strong"),
    pytest.param('"1"', None, False, True, id="strong, no mtime"),
    pytest.param('W/"1"', OLD, True, True, id="weak, checksum"),
    pytest.param("", OLD, False, True, id="no tag, old mtime"),
    pytest.param("", COMING, False, False, id="no tag, mtime to come"),
    pytest.param("", None, False, False, id="nothing"),
    pytest.param('W/"1"', OLD, False, False, id="weak"),
    pytest.param("W/1", OLD, False, False, id="weak, no quotes"),
    pytest.param('w/"1"', OLD, False, False, id="weak, lower case"),
    pytest.param('W/"1"', None, False, False, id="weak, no mtime"),
    pytest.param('""', OLD, False, False, id="empty"),
]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume_journal, "BLOCK", 20_000)
    monkeypatch.setattr(resume_journal, "RESUMABLE_FROM", 1)


@pytest.fixture
def server() -> Iterator[OddServer]:
    with OddServer() as server:
        server.answers["HEAD /f"] = [Answer(200)]
        yield server


@pytest.fixture
def store(server: OddServer) -> Iterator[Store]:
    with opened("webdav", server.url, None, "token") as store:
        yield store


def listed(content: bytes, etag: str, mtime: float | None, *, checksum: bool = False) -> Answer:
    date = f"<D:getlastmodified>{formatdate(mtime, usegmt=True)}</D:getlastmodified>" if mtime is not None else ""
    tag = f"<D:getetag>{etag.replace('&', '&amp;')}</D:getetag>" if etag else ""
    said = f"adler32={zlib.adler32(content):08x}"
    sums = f'<c:Checksums xmlns:c="http://www.dcache.org/2013/webdav">{said}</c:Checksums>' if checksum else ""
    prop = f"<D:getcontentlength>{len(content)}</D:getcontentlength>{date}{tag}{sums}"
    propstat = f"<D:propstat><D:prop>{prop}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    response = f"<D:response><D:href>/f</D:href>{propstat}</D:response>"
    return Answer(207, {}, f'<D:multistatus xmlns:D="DAV:">{response}</D:multistatus>'.encode())


def headers(etag: str) -> dict[str, str]:
    return {"ETag": etag} if etag else {}


def half(content: bytes, etag: str) -> Answer:
    return Answer(200, headers(etag), content[: len(content) // 2], length=len(content))


def run_of(store: Store, jobs: int = 1) -> Run:
    return Run(store, Rules(jobs=jobs), NullReporter(), threading.Event(), pause=lambda seconds: None)


def fetch(store: Store, out: Path, jobs: int = 1) -> None:
    entry = store.info(F)
    with LocalDir.open(out) as folder:
        download_file(run_of(store, jobs), entry, folder, "f", out / "f")


def ranges(server: OddServer) -> list[str | None]:
    return [asked.headers.get("Range") for asked in server.asked if asked.method == "GET"]


@pytest.mark.parametrize(("etag", "mtime", "checksum", "goes_on"), GOES_ON)
def test_the_next_run_resumes_only_a_proved_version(
    server: OddServer, store: Store, tmp_path: Path, etag: str, mtime: float | None, checksum: bool, goes_on: bool
) -> None:
    server.answers["PROPFIND /f"] = [listed(CONTENT, etag, mtime, checksum=checksum)]
    server.answers["GET /f"] = [half(CONTENT, etag), Answer(503)]
    with pytest.raises(CtadataError):
        fetch(store, tmp_path)
    left = bool(list(tmp_path.iterdir()))
    server.asked.clear()
    now = CONTENT if goes_on else OTHER
    server.answers["PROPFIND /f"] = [listed(now, etag, mtime, checksum=checksum)]
    server.answers["GET /f"] = [Answer(200, headers(etag), now)]
    fetch(store, tmp_path)
    assert (tmp_path / "f").read_bytes() == now
    assert left is goes_on
    assert bool(ranges(server)[0]) is goes_on
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize(("etag", "mtime", "checksum", "goes_on"), GOES_ON)
def test_a_broken_read_continues_only_with_a_proved_version(
    server: OddServer, store: Store, tmp_path: Path, etag: str, mtime: float | None, checksum: bool, goes_on: bool
) -> None:
    content = CONTENT if goes_on else OTHER
    server.answers["PROPFIND /f"] = [listed(CONTENT, etag, mtime, checksum=checksum)]
    server.answers["GET /f"] = [half(CONTENT, etag), Answer(200, headers(etag), content)]
    fetch(store, tmp_path)
    assert (tmp_path / "f").read_bytes() == content
    assert ranges(server)[0] is None
    assert bool(ranges(server)[1]) is goes_on


@pytest.mark.parametrize(("etag", "mtime", "checksum", "goes_on"), GOES_ON)
def test_a_file_is_divided_only_if_its_version_can_be_proved(
    server: OddServer,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    etag: str,
    mtime: float | None,
    checksum: bool,
    goes_on: bool,
) -> None:
    monkeypatch.setattr(segmented_download, "DIVIDED_FROM", 1000)
    monkeypatch.setattr(store, "features", dataclasses.replace(store.features, parallel_reads=True))
    server.answers["PROPFIND /f"] = [listed(CONTENT, etag, mtime, checksum=checksum)]
    server.answers["GET /f"] = [Answer(200, headers(etag), CONTENT)]
    fetch(store, tmp_path, jobs=4)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert bool(ranges(server)[0]) is goes_on


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"Last-Modified": "Sun, 09 Sep 2001 01:46:40 GMT"}, {"Last-Modified": "Mon, 10 Sep 2001 01:46:40 GMT"}),
        ({"ETag": '"1"'}, {}),
        ({"ETag": '"1"'}, {"ETag": 'W/"1"'}),
        ({"ETag": 'W/"1"'}, {"ETag": 'W/"1"'}),
    ],
)
def test_an_old_mtime_in_the_listing_proves_nothing_beside_other_answers(
    server: OddServer, store: Store, tmp_path: Path, first: dict[str, str], second: dict[str, str]
) -> None:
    end = len(CONTENT) - 1
    at = end // 2 + 1
    part = Answer(200, first, CONTENT[:at], length=len(CONTENT))
    rest = Answer(206, {**second, "Content-Range": f"bytes {at}-{end}/{end + 1}"}, OTHER[at:])
    asks_for_rest = first.get("ETag") != 'W/"1"'
    server.answers["PROPFIND /f"] = [listed(CONTENT, "", OLD)]
    server.answers["GET /f"] = [part, *[rest] * asks_for_rest, Answer(200, second, OTHER)]
    fetch(store, tmp_path)
    assert (tmp_path / "f").read_bytes() == OTHER
    assert [bool(each) for each in ranges(server)] == [False, *[True] * asks_for_rest, False]


def test_a_file_whose_reads_have_weak_tags_and_its_listing_none_comes_in_one_read(
    server: OddServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segmented_download, "DIVIDED_FROM", 1000)
    monkeypatch.setattr(store, "features", dataclasses.replace(store.features, parallel_reads=True))
    server.answers["PROPFIND /f"] = [listed(CONTENT, "", OLD)]

    def answer(asked: Asked) -> Answer:
        wanted = asked.headers.get("Range")
        if asked.method != "GET" or wanted is None:
            return Answer(200, headers('W/"1"'), CONTENT) if asked.method == "GET" else next_answer(asked)
        server.asked.append(asked)
        start, stop = (int(each) for each in wanted.removeprefix("bytes=").split("-"))
        said = {**headers('W/"1"'), "Content-Range": f"bytes {start}-{stop}/{len(CONTENT)}"}
        return Answer(206, said, CONTENT[start : stop + 1])

    next_answer = server.next_answer
    monkeypatch.setattr(server, "next_answer", answer)
    fetch(store, tmp_path, jobs=4)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_second_answer_without_the_first_ones_strong_tag_starts_again(
    server: OddServer, store: Store, tmp_path: Path
) -> None:
    """The listing tells no tag, the answers do: nginx."""
    end = len(CONTENT) - 1
    rest = Answer(206, {"Content-Range": f"bytes {end // 2 + 1}-{end}/{end + 1}"}, OTHER[end // 2 + 1 :])
    server.answers["PROPFIND /f"] = [listed(CONTENT, "", COMING)]
    server.answers["GET /f"] = [half(CONTENT, '"1"'), rest, Answer(200, {}, OTHER)]
    fetch(store, tmp_path)
    assert (tmp_path / "f").read_bytes() == OTHER


@pytest.mark.parametrize(
    ("then", "now", "holds"),
    [
        (('W/"1"', None), ('W/"1"', None), False),
        (('W/"1"', None), ('"1"', None), False),
        (('"1"', None), ('"1"', None), True),
        (('W/"1"', OLD), ('W/"1"', OLD), True),  # by the mtime
        (('W/"1"', OLD), ('"1"', OLD), True),  # Apache, a second later
        (('W/"1"', OLD), ('W/"2"', OLD), False),
        (('"1"', OLD), ('W/"2"', OLD), False),
    ],
)
def test_a_weak_tag_does_not_make_a_record_hold(
    then: tuple[str, float | None], now: tuple[str, float | None], holds: bool
) -> None:
    before, after = (Entry(F, Kind.FILE, 3, mtime, etag) for etag, mtime in (then, now))
    assert Record((3, 1, 1, 1), remote_version(before)).holds((3, 1, 1, 1), after) is holds


@pytest.mark.parametrize(
    ("then", "now", "verified"),
    [('W/"1"', 'W/"1"', "size"), ('W/"1"', '"1"', "size"), ('"1"', '"1"', "size, tag"), ('W/"1"', 'W/"2"', None)],
)
def test_verify_reports_no_weak_tag_as_proof(
    server: OddServer, store: Store, then: str, now: str, verified: str | None
) -> None:
    server.answers["PROPFIND /f"] = [listed(CONTENT, now, OLD)]
    recorder = Recorder()
    run = Run(store, Rules(jobs=1), recorder, threading.Event())
    verify_receipt(run, [Line("get", "p", State.DONE, F, None, len(CONTENT), "", then, "")], remote=True)
    ((outcome),) = recorder.outcomes
    assert (outcome.state is State.FAILED) is (verified is None)
    assert outcome.verified == (verified or "")
