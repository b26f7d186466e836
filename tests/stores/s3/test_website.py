"""A bucket's website: aliases redirect to their files, and nothing leads out of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from servers.rgw import Rgw
from stores.s3.connections import FixedKey, opened_s3
from stores.suite import Bytes, get

from ctadata.errors import AccessError, NotFound, Unsupported, Untrusted
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.s3.buckets import make_bucket

CONTENT = b"ACGTACGTTT"
FILE, ALIAS = RemotePath(("sequence", "a")), RemotePath(("sequence", "ga4gh:SQ.b"))


@pytest.fixture
def pages() -> dict[str, str]:
    """Return the redirects of the simulated website, beside the file `/sequence/a`."""
    return {"/sequence/ga4gh%3ASQ.b": "/sequence/a"}


@pytest.fixture
def website(pages: dict[str, str]) -> Iterator[Store]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert not any(name.lower() == "authorization" for name in self.headers)
            if self.path in pages:
                self.answer(301, b"", Location=pages[self.path])
            elif self.path == "/sequence/a" and (asked := self.headers.get("Range")):
                first, last = map(int, asked.removeprefix("bytes=").split("-"))
                said = {"Content-Range": f"bytes {first}-{last}/{len(CONTENT)}"}
                self.answer(206, CONTENT[first : last + 1], **said)
            elif self.path == "/sequence/a":
                self.answer(200, CONTENT)
            else:
                self.answer(404, b"<html>no such page</html>")

        do_HEAD = do_GET  # noqa: N815

        def answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(daemon=True, target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    key = FixedKey("AKIA", "a secret that is nobody's business here")
    with opened_s3(f"http://127.0.0.1:{server.server_port}", key, addressing="website") as store:
        yield store
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_alias_is_read_as_its_file(website):
    for path in (FILE, ALIAS):
        assert website.info(path).size == len(CONTENT)
        assert get(website, path) == CONTENT
        assert get(website, path, 2, 6) == CONTENT[2:6]


@pytest.mark.parametrize(
    "location", ["http://example.org/sequence/a", "//example.org/a", "https://127.0.0.1/sequence/a", "ftp://x/a"]
)
def test_a_redirect_out_of_the_website_is_refused(website, pages, location):
    pages["/x"] = location
    for ask in (website.info, lambda path: get(website, path)):
        with pytest.raises(Untrusted) as refused:
            ask(RemotePath(("x",)))
        assert refused.value.path == "/x"


def test_a_circle_of_redirects_is_refused(website, pages):
    pages.update({"/x": "/y", "/y": "/x"})
    with pytest.raises(Untrusted, match="circle"):
        get(website, RemotePath(("x",)))


def test_a_missing_file_is_not_found(website):
    with pytest.raises(NotFound):
        website.info(RemotePath(("missing",)))


def test_changes_and_listings_are_unsupported(website):
    verbs: list[Callable[[], object]] = [
        lambda: website.list(RemotePath()),
        lambda: website.write(FILE, Bytes(b"x")),
        lambda: website.mkdir(FILE),
        lambda: website.delete(FILE),
        lambda: website.delete_tree(FILE),
        lambda: website.move(FILE, ALIAS, replace=True),
        lambda: website.move_tree(FILE, ALIAS),
    ]
    for verb in verbs:
        with pytest.raises(Unsupported, match="website"):
            verb()


def test_at_ceph(rgw: Rgw) -> None:
    keys = rgw.new_user()
    bucket = f"bucket-{keys.access.lower()}"
    with opened_s3(rgw.http, FixedKey(keys.access, keys.secret)) as store:
        make_bucket(store.connection, bucket, website=True, public=True)
    client = rgw.client(keys)
    client.put_object(Bucket=bucket, Key="sequence/a", Body=CONTENT)
    client.put_object(Bucket=bucket, Key="sequence/ga4gh:SQ.b", WebsiteRedirectLocation="/sequence/a")
    client.put_object(Bucket=bucket, Key="out", WebsiteRedirectLocation="http://example.org/a")
    with opened_s3(rgw.website(bucket), FixedKey(), addressing="website") as store:
        for path in (FILE, ALIAS):
            assert store.info(path).size == len(CONTENT)
            assert get(store, path) == CONTENT
            assert get(store, path, 2, 6) == CONTENT[2:6]
        with pytest.raises(Untrusted):
            store.info(RemotePath(("out",)))
        with pytest.raises((NotFound, AccessError)):
            store.info(RemotePath(("missing",)))
