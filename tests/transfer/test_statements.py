"""What a server says of one file in two places, and what it sends that nobody asked for."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stores.clients import opened
from stores.odd_server import Answer, OddServer

from ctadata.errors import CtadataError, IntegrityError, Interrupted, ServerTrouble
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.transfer import integrity
from ctadata.transfer.download_file import download_file
from ctadata.transfer.local_dir import LocalDir
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import NullReporter, Outcome
from ctadata.transfer.run import Run
from ctadata.transfer.streams import DO_NOT_USE, stream_range_to, stream_to

F = RemotePath(("f",))
CONTENT = b"line of text\n" * 500
OTHER = bytes(reversed(CONTENT))
PACKED = gzip.compress(CONTENT)
CODED = {"Content-Encoding": "gzip"}


@pytest.fixture
def server() -> Iterator[OddServer]:
    with OddServer() as server:
        server.answers["HEAD /f"] = [Answer(200)]  # and no checksum
        yield server


@pytest.fixture
def dcache(server: OddServer) -> Iterator[Store]:
    with opened("dcache", server.url, None, "token") as store:
        yield store


@pytest.fixture
def webdav(server: OddServer) -> Iterator[Store]:
    with opened("webdav", server.url, None, "token") as store:
        yield store


def listed(content: bytes, size: str | None = "", etag: str = "", checksum: str = "", mtime: int = 0) -> Answer:
    """What a listing says of the file; `size` is what it says of that, None nothing, empty the truth."""
    length = "" if size is None else f"<D:getcontentlength>{size or len(content)}</D:getcontentlength>"
    date = f"<D:getlastmodified>Sun, 09 Sep 2001 01:46:{mtime:02} GMT</D:getlastmodified>"
    tag = f"<D:getetag>{etag}</D:getetag>" if etag else ""
    sums = f'<c:Checksums xmlns:c="http://www.dcache.org/2013/webdav">{checksum}</c:Checksums>' if checksum else ""
    status = "<D:status>HTTP/1.1 200 OK</D:status>"
    prop = f"<D:propstat><D:prop>{length}{date}{tag}{sums}</D:prop>{status}</D:propstat>"
    response = f"<D:response><D:href>/f</D:href>{prop}</D:response>"
    return Answer(207, {}, f'<D:multistatus xmlns:D="DAV:">{response}</D:multistatus>'.encode())


def adler32(content: bytes) -> str:
    return f"adler32={zlib.adler32(content):08x}"


def whole(content: bytes, **headers: str) -> Answer:
    return Answer(200, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def in_chunks(content: bytes, **headers: str) -> Answer:
    """Without a length, and yet with an end."""
    said = {"Transfer-Encoding": "chunked", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Answer(200, said, lambda: [b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)])


def gets(server: OddServer) -> int:
    return sum(asked.method == "GET" for asked in server.asked)


def run_of(store: Store) -> Run:
    return Run(store, Rules(jobs=1), NullReporter(), threading.Event(), pause=lambda seconds: None)


def fetched(store: Store, out: Path) -> Outcome:
    """A download of what is listed now; on an error nothing is left."""
    run, entry = run_of(store), store.info(F)
    with LocalDir.open(out) as folder:
        try:
            return download_file(run, entry, folder, "f", out / "f")
        except CtadataError:
            assert list(out.iterdir()) == []
            raise


# --- two statements that disagree


def test_the_pools_checksum_does_not_overrule_the_listing(server: OddServer, dcache: Store, tmp_path: Path) -> None:
    server.answers["PROPFIND /f"] = [listed(CONTENT, checksum=adler32(CONTENT))]
    server.answers["GET /f"] = [whole(OTHER, Digest=adler32(OTHER))]
    with pytest.raises(IntegrityError, match="in the listing"):
        fetched(dcache, tmp_path)
    assert gets(server) == 2  # it is looked at again once


def test_a_file_that_was_replaced_since_the_listing_is_downloaded_as_it_is_now(
    server: OddServer, dcache: Store, tmp_path: Path
) -> None:
    server.answers["PROPFIND /f"] = [
        listed(CONTENT, checksum=adler32(CONTENT)),
        listed(OTHER, checksum=adler32(OTHER), mtime=40),
    ]
    server.answers["GET /f"] = [whole(OTHER, Digest=adler32(OTHER))]
    fetched(dcache, tmp_path)
    assert (tmp_path / "f").read_bytes() == OTHER
    assert (tmp_path / "f").stat().st_mtime == 1_000_000_000  # the listing's newest


def test_the_bytes_must_agree_with_all_known_checksums(server: OddServer, dcache: Store, tmp_path: Path) -> None:
    """The listing has another kind of checksum than the pool tells."""
    server.answers["PROPFIND /f"] = [listed(CONTENT, checksum="md5=AAAAAAAAAAAAAAAAAAAAAA==")]
    server.answers["GET /f"] = [whole(CONTENT, Digest=adler32(CONTENT))]
    with pytest.raises(IntegrityError, match="the md5 is"):
        fetched(dcache, tmp_path)


def test_a_different_tag_in_the_read_asks_for_the_entry_again(server: OddServer, webdav: Store, tmp_path: Path) -> None:
    server.answers["PROPFIND /f"] = [listed(CONTENT, etag='"1"'), listed(OTHER, etag='"2"', mtime=40)]
    server.answers["GET /f"] = [whole(OTHER, ETag='"2"')]
    outcome = fetched(webdav, tmp_path)
    assert ((tmp_path / "f").read_bytes(), outcome.etag) == (OTHER, '"2"')


def test_a_server_with_two_kinds_of_tags_is_remembered(server: OddServer, webdav: Store, tmp_path: Path) -> None:
    server.answers["PROPFIND /f"] = [listed(CONTENT, etag='"listed"')]
    server.answers["GET /f"] = [whole(CONTENT, ETag='"read"')]
    run, entry = run_of(webdav), webdav.info(F)
    with LocalDir.open(tmp_path) as folder:
        for name in ("f", "g"):
            download_file(run, entry, folder, name, tmp_path / name)
            assert (tmp_path / name).read_bytes() == CONTENT
    assert gets(server) == 3


def test_a_tag_of_the_listing_counts_where_tags_are_digests(
    server: OddServer, webdav: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At S3 both come from one place."""
    server.answers["PROPFIND /f"] = [listed(CONTENT, etag='"listed"')]
    server.answers["GET /f"] = [whole(CONTENT, ETag='"read"')]
    features = dataclasses.replace(webdav.features, etag_may_be_md5=True)
    monkeypatch.setattr(webdav, "features", features)
    with pytest.raises(IntegrityError, match="its tag is"):
        fetched(webdav, tmp_path)


def test_a_contradiction_is_checked_before_the_first_byte_goes_into_a_pipe(server: OddServer, dcache: Store) -> None:
    server.answers["PROPFIND /f"] = [listed(CONTENT, checksum=adler32(CONTENT))]
    server.answers["GET /f"] = [whole(OTHER, Digest=adler32(OTHER))]
    written: list[bytes] = []
    with pytest.raises(IntegrityError, match="in the listing"):
        stream_to(run_of(dcache), dcache.info(F), written.append)
    assert (written, gets(server)) == ([], 2)


# --- a file for a pipe is compared with the digest that only HEAD states


def digest_header(algorithm: str, content: bytes) -> str:
    if algorithm == "adler32":
        return adler32(content)
    value = hashlib.new({"sha": "sha1"}.get(algorithm, algorithm.replace("-", "")), content)
    return f"{algorithm}={base64.b64encode(value.digest()).decode()}"


@pytest.mark.parametrize("kind", ["dcache", "webdav"])
@pytest.mark.parametrize("algorithm", ["adler32", "md5", "sha", "sha-256", "sha-512"])
def test_a_digest_that_comes_after_the_first_bytes_is_compared(server: OddServer, kind: str, algorithm: str) -> None:
    """Nothing waits for it before the last byte."""
    began = threading.Event()
    server.answers["PROPFIND /f"] = [listed(CONTENT)]
    server.answers["HEAD /f"] = [Answer(200, {"Digest": digest_header(algorithm, CONTENT)}, until=began)]
    server.answers["GET /f"] = [whole(CONTENT), whole(OTHER)]
    with opened(kind, server.url, None, "token") as store:
        outcome = stream_to(run_of(store), store.info(F), lambda block: began.set())
        assert outcome.verified == f"size, {algorithm}"
        assert outcome.digest.startswith(f"{algorithm}:")
        with pytest.raises(IntegrityError, match=f"the {algorithm} is") as caught:
            stream_to(run_of(store), store.info(F), lambda block: None)
        assert caught.value.hint == DO_NOT_USE


def test_a_stream_must_agree_with_all_known_checksums(server: OddServer, dcache: Store) -> None:
    server.answers["PROPFIND /f"] = [listed(CONTENT, checksum="md5=AAAAAAAAAAAAAAAAAAAAAA==")]
    server.answers["GET /f"] = [whole(CONTENT, Digest=adler32(CONTENT))]
    with pytest.raises(IntegrityError, match="the md5 is"):
        stream_to(run_of(dcache), dcache.info(F), lambda block: None)


@pytest.mark.parametrize("kind", ["dcache", "webdav"])
def test_no_byte_beyond_the_end_of_the_file_is_written(server: OddServer, kind: str) -> None:
    server.answers["PROPFIND /f"] = [listed(CONTENT)]
    server.answers["GET /f"] = [Answer(200, {}, lambda: [CONTENT[:100]] + [bytes(1 << 16)] * 1000)]
    written: list[bytes] = []
    with opened(kind, server.url, None, "token") as store, pytest.raises(IntegrityError, match="more bytes arrive"):
        stream_to(run_of(store), store.info(F), written.append)
    assert len(b"".join(written)) <= len(CONTENT)


# --- encoded on the way


@pytest.mark.parametrize("size", ["", None], ids=["size known", "size unknown"])
@pytest.mark.parametrize("answer", [whole, in_chunks])
@pytest.mark.parametrize("verb", ["get", "cat", "range"])
def test_bytes_that_are_encoded_on_the_way_are_refused(
    server: OddServer, webdav: Store, tmp_path: Path, size: str | None, answer: Callable[..., Answer], verb: str
) -> None:
    server.answers["PROPFIND /f"] = [listed(CONTENT, size)]
    server.answers["GET /f"] = [answer(PACKED, Content_Encoding="gzip")]
    written: list[bytes] = []
    with pytest.raises(IntegrityError, match="encoded as gzip"):
        if verb == "get":
            fetched(webdav, tmp_path)
        elif verb == "cat":
            stream_to(run_of(webdav), webdav.info(F), written.append)
        else:
            stream_range_to(webdav, webdav.info(F), 0, 4, written.append)
    assert written == []


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "identity", "Identity"])
def test_a_file_that_is_stored_encoded_is_downloaded_as_it_is(
    server: OddServer, webdav: Store, tmp_path: Path, coding: str
) -> None:
    """A `.fits.gz`, as Apache serves it."""
    server.answers["PROPFIND /f"] = [listed(PACKED)]
    server.answers["GET /f"] = [whole(PACKED, Content_Encoding=coding)]
    fetched(webdav, tmp_path)
    assert (tmp_path / "f").read_bytes() == PACKED


@pytest.mark.parametrize(("total", "right"), [(str(len(PACKED)), True), ("*", False), ("6500", False)])
def test_the_total_of_a_range_is_compared(server: OddServer, webdav: Store, total: str, right: bool) -> None:
    server.answers["PROPFIND /f"] = [listed(PACKED)]
    server.answers["GET /f"] = [Answer(206, {**CODED, "Content-Range": f"bytes 2-5/{total}"}, PACKED[2:6])]
    written: list[bytes] = []
    try:
        stream_range_to(webdav, webdav.info(F), 2, 6, written.append)
    except IntegrityError:
        assert not right
    assert b"".join(written) == PACKED[2:6] * right


def test_a_listing_that_is_encoded_is_refused_in_words(server: OddServer, webdav: Store) -> None:
    server.answers["PROPFIND /f"] = [Answer(207, CODED, gzip.compress(b"<x/>"))]
    with pytest.raises(ServerTrouble, match="encoded as gzip"):
        webdav.info(F)


# --- begun again, and no end


@pytest.mark.parametrize("body", [b"", b"ab"])
def test_a_short_answer_without_a_length_is_asked_for_a_few_times(
    server: OddServer, webdav: Store, tmp_path: Path, body: bytes
) -> None:
    """The server knows no ranges either."""
    server.answers["PROPFIND /f"] = [listed(CONTENT)]
    server.answers["GET /f"] = [in_chunks(body)]
    with pytest.raises(Interrupted, match=f"ended at byte {len(body)} instead of 6500"):
        fetched(webdav, tmp_path)
    assert gets(server) <= 8


def test_a_server_that_gives_a_byte_more_each_time_comes_to_an_end(
    server: OddServer, webdav: Store, tmp_path: Path
) -> None:
    server.answers["PROPFIND /f"] = [listed(CONTENT)]
    server.answers["GET /f"] = [in_chunks(CONTENT[:size]) for size in range(1, 200)]
    with pytest.raises(Interrupted):
        fetched(webdav, tmp_path)
    assert gets(server) <= 8


# --- unknown is never 0


@pytest.mark.parametrize("size", [None, " ", "-3", "1e4", "10000000000000000000000"])
@pytest.mark.parametrize("there", [CONTENT, b""])
def test_an_upload_without_a_listed_size_is_checked_by_a_read(
    server: OddServer, webdav: Store, size: str | None, there: bytes
) -> None:
    server.answers["PROPFIND /f"] = [listed(there, size)]
    server.answers["GET /f"] = [
        Answer(206, {"Content-Range": f"bytes 0-0/{len(there)}"}, there[:1]) if there else Answer(416)
    ]
    integrity.check_entry(webdav, webdav.info(F), len(there))
    with pytest.raises(IntegrityError, match=f"storage has {len(there)} bytes instead of 7"):
        integrity.check_entry(webdav, webdav.info(F), 7)


def test_an_upload_with_unknown_size_does_not_count_as_verified(server: OddServer, webdav: Store) -> None:
    server.answers["PROPFIND /f"] = [listed(CONTENT, None)]
    server.answers["GET /f"] = [Answer(200, {}, lambda: [CONTENT])]
    with pytest.raises(IntegrityError, match="states the size of the file"):
        integrity.check_entry(webdav, webdav.info(F), len(CONTENT))


def test_the_bytes_of_an_upload_are_counted_if_no_size_is_stated(server: OddServer, webdav: Store) -> None:
    server.answers["PROPFIND /f"] = [listed(CONTENT, None)]
    server.answers["GET /f"] = [in_chunks(CONTENT)]
    integrity.check_entry(webdav, webdav.info(F), len(CONTENT))
    with pytest.raises(IntegrityError, match="storage has 6500 bytes instead of 0"):
        integrity.check_entry(webdav, webdav.info(F), 0)


@pytest.mark.parametrize("size", [None, "-3", "0"])
@pytest.mark.parametrize("answer", [whole, in_chunks])
def test_a_file_of_unknown_size_comes_whole_and_one_of_another_size_does_not(
    server: OddServer, webdav: Store, tmp_path: Path, size: str | None, answer: Callable[..., Answer]
) -> None:
    server.answers["PROPFIND /f"] = [listed(CONTENT, size)]
    server.answers["GET /f"] = [answer(CONTENT)]
    if size == "0":
        with pytest.raises(IntegrityError):
            fetched(webdav, tmp_path)
    else:
        assert fetched(webdav, tmp_path).size == len(CONTENT)
        assert (tmp_path / "f").read_bytes() == CONTENT


@pytest.mark.parametrize("size", ["", None])
def test_a_body_without_a_marked_end_is_refused(
    server: OddServer, webdav: Store, tmp_path: Path, size: str | None
) -> None:
    """The connection closes, as it would if it were cut."""
    server.answers["PROPFIND /f"] = [listed(CONTENT, size)]
    server.answers["GET /f"] = [Answer(200, {}, lambda: [CONTENT])]
    if size is None:
        with pytest.raises(IntegrityError, match="states the size of the file"):
            fetched(webdav, tmp_path)
    else:
        fetched(webdav, tmp_path)
        assert (tmp_path / "f").read_bytes() == CONTENT
