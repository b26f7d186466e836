"""The digests of a record are computed while the bytes pass, and not by a second read."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import zlib
from pathlib import Path

import pytest
from stores.clients import opened
from stores.odd_server import Answer, OddServer
from transfer.test_equality import DIRECTORY, World

from ctadata.checksums import new_hasher, parts_algorithm
from ctadata.paths import RemotePath
from ctadata.transfer import integrity, record_digests
from ctadata.transfer.download_file import download_file
from ctadata.transfer.local_dir import LocalDir
from ctadata.transfer.plan import Rules
from ctadata.transfer.record_digests import StreamDigest, stream_digest
from ctadata.transfer.records import Records
from ctadata.transfer.report import NullReporter
from ctadata.transfer.run import Run

F = RemotePath(("f",))
CONTENT = b"line of text\n" * 20_000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False)
CRC32 = f"{zlib.crc32(CONTENT):08x}"
LISTED_MD5 = f"md5={base64.b64encode(MD5.digest()).decode()}"


@pytest.mark.parametrize("algorithm", ["md5", "crc32", parts_algorithm("md5", 7), parts_algorithm("md5", 5)])
def test_bytes_in_order_have_a_digest_and_others_have_none(algorithm: str) -> None:
    whole = new_hasher(algorithm)
    whole.update(b"0123456789")
    expected = whole.hexdigest()
    ordered = StreamDigest(algorithm)
    for at in range(0, 10, 2):
        assert ordered.digests(10) == {}
        ordered.add(at, memoryview(b"0123456789")[at : at + 2])
    assert ordered.digests(10) == ordered.digests(10) == {algorithm: expected}  # asked for twice
    assert ordered.digests(11) == ordered.digests(None) == {}
    for places in ([1], [0, 2], [0, 1, 1], [0, 1, 0]):
        broken = StreamDigest(algorithm)
        for at in places:
            broken.add(at, b"x")
        assert broken.digests(sum(1 for _ in places)) == {}


def test_the_digest_depends_on_the_size_and_the_listing() -> None:
    def algorithm(size: int | None, **listed: str) -> str:
        computed = stream_digest(size, listed)
        computed.add(0, b"x")
        return next(iter(computed.digests(1)), "")

    assert algorithm(record_digests.SMALL) == algorithm(1, adler32="1") == "md5"
    assert algorithm(record_digests.SMALL + 1) == algorithm(None) == "crc32"
    assert algorithm(1, md5="1", adler32="1") == algorithm(1 << 40, md5="1", adler32="1") == ""
    assert algorithm(1, md5="1") == algorithm(1 << 40, md5="1") == "md5"  # for the check


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "broken off"])
@pytest.mark.parametrize(
    ("small", "listed", "kept"),
    [
        (1 << 20, f"adler32={zlib.adler32(CONTENT):08x}", {"md5": MD5.hexdigest()}),
        (1 << 20, LISTED_MD5, {"md5": MD5.hexdigest()}),
        (1 << 20, f"adler32={zlib.adler32(CONTENT):08x},{LISTED_MD5}", {"md5": MD5.hexdigest()}),
        (1000, f"adler32={zlib.adler32(CONTENT):08x}", {"crc32": CRC32}),
    ],
    ids=["small", "md5 listed", "both listed", "large"],
)
def test_a_download_is_not_read_again_for_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: int, listed: str, kept: dict[str, str], broken: bool
) -> None:
    monkeypatch.setattr(record_digests, "SMALL", small)
    monkeypatch.setattr(integrity, "digest_of", None)
    sums = f'<c:Checksums xmlns:c="http://www.dcache.org/2013/webdav">{listed}</c:Checksums>'
    prop = f"<D:prop><D:getcontentlength>{len(CONTENT)}</D:getcontentlength>{sums}</D:prop>"
    told = f"<D:propstat>{prop}<D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    body = f'<D:multistatus xmlns:D="DAV:"><D:response><D:href>/f</D:href>{told}</D:response></D:multistatus>'
    half, end = len(CONTENT) // 2, len(CONTENT)
    rest = Answer(206, {"Content-Range": f"bytes {half}-{end - 1}/{end}"}, CONTENT[half:])
    run_records = Records("https://x", tmp_path / "cache")
    with OddServer() as server, opened("dcache", server.url, None, "token") as store:
        server.answers["PROPFIND /f"] = [Answer(207, {}, body.encode())]
        server.answers["GET /f"] = (
            [Answer(200, {}, CONTENT[:half], length=end), rest] if broken else [Answer(200, {}, CONTENT)]
        )
        run = Run(store, Rules(jobs=1), NullReporter(), threading.Event(), pause=lambda seconds: None)
        run.records = run_records
        with LocalDir.open(tmp_path) as folder:
            download_file(run, store.info(F), folder, "f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    record = run_records.of((), tmp_path).get("f")
    assert record is not None
    assert {**record.digests, **kept} == record.digests


@pytest.mark.parametrize("small", [100, 0], ids=["MD5", "crc32"])
@pytest.mark.parametrize("kind", ["webdav", "dcache"])
def test_an_edit_with_the_same_adler32_is_sent(
    kind: str, small: int, tmp_path: Path, rng, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_digests, "SMALL", small)
    world = World(tmp_path, kind, "s3", rng)
    assert zlib.adler32(b"x 121 y") == zlib.adler32(b"x 202 y")
    for number, content in enumerate((b"x 121 y", b"x 202 y")):
        (world.here / "a").write_bytes(content)
        os.utime(world.here / "a", (1.6e9 + number, 1.6e9 + number))
        world.put()
        world.settle()
    assert world.store.content(DIRECTORY / "a")[0] == b"x 202 y"
    (world.here / "a").touch()
    world.put()
    assert (world.moved, world.skipped) == (2, 1)
