"""The client at the sandbox over TLS: door, pools, tokens."""

import threading
import zlib

import pytest

from ctadata.errors import IntegrityError, LoginNeeded, Stopped, StorageFull
from ctadata.http.client import Client
from ctadata.http.messages import Origin
from ctadata.http.rest import JsonClient
from ctadata.http.retries import Retries
from ctadata.sandbox import Sandbox, faults

DATA = bytes(range(256)) * 8192  # 2 MiB
HOME = "/lst/users/ada"
DIGEST = {"Want-Digest": "adler32"}


@pytest.fixture
def box():
    with Sandbox() as box:
        yield box


class Token:
    """The credentials of a sandbox's user."""

    def __init__(self, *tokens):
        self.tokens = list(tokens)

    def bearer(self):
        return self.tokens[0]

    def renew(self, refused):
        self.tokens = self.tokens[1:]
        return self.tokens[0] if self.tokens else None


@pytest.fixture
def sender(box):
    """`sender(*tokens, **options)`: a client of the sandbox's door."""
    made = []

    def make(*tokens, **options):
        usual = {"trusted": [Origin.parse(box.door)], "ca": box.ca, "retries": Retries(attempts=1)}
        made.append(Client(credentials=Token(*(tokens or [box.token()])), **{**usual, **options}))
        return made[-1]

    yield make
    for client in made:
        client.close()


def at_pools(box):
    return [seen for seen in box.seen if seen.server.startswith("pool")]


def test_a_download_goes_door_pool_without_the_token(box, sender):
    box.files.put(f"{HOME}/a b.fits", DATA)
    blocks, digests = [], []

    def accept(response):
        digests.append(response.headers.get("Digest"))
        return lambda block: blocks.append(bytes(block))

    response = sender().send("GET", f"{box.door}{HOME}/a%20b.fits", headers=DIGEST, accept=accept)
    assert b"".join(blocks) == DATA
    assert digests == [f"adler32={zlib.adler32(DATA):08x}"]
    assert Origin.parse(response.url) in [Origin.parse(pool) for pool in box.pools]
    assert [seen.header("Authorization") for seen in at_pools(box)] == [None]


def test_a_range(box, sender):
    box.files.put(f"{HOME}/a", DATA)
    response = sender().send("GET", f"{box.door}{HOME}/a", headers={"Range": "bytes=256-511"})
    assert (response.status, response.body) == (206, bytes(range(256)))


def test_an_upload_waits_for_the_pool(box, sender, content):
    headers = {**DIGEST, "X-OC-Mtime": "1700000000"}
    response = sender().send("PUT", f"{box.door}{HOME}/a", headers=headers, body=content(DATA), await_redirect=True)
    assert response.status == 201
    assert response.headers.get("Digest") == f"adler32={zlib.adler32(DATA):08x}"
    assert [(seen.server[:4], seen.status, seen.body_bytes) for seen in box.seen] == [
        ("door", 307, 0),
        ("pool", 201, len(DATA)),
    ]
    (pool,) = at_pools(box)
    assert {name.lower() for name, _ in pool.headers} == {
        "host", "user-agent", "accept", "content-length", "want-digest",
    }  # fmt: skip


def test_an_empty_upload(box, sender, content):
    assert sender().send("PUT", f"{box.door}{HOME}/a", body=content(b""), await_redirect=True).status == 201
    assert box.files.entry(f"{HOME}/a").size == 0


def test_a_listing_and_a_directory_and_a_move(box, sender):
    client = sender()
    client.send("MKCOL", f"{box.door}{HOME}/d")
    box.files.put(f"{HOME}/d/a", b"x")
    headers = {"Destination": f"{box.door}{HOME}/d/b", "Overwrite": "F"}
    assert client.send("MOVE", f"{box.door}{HOME}/d/a", headers=headers).status == 201
    body = b'<propfind xmlns="DAV:"><prop><getcontentlength/></prop></propfind>'
    response = client.send("PROPFIND", f"{box.door}{HOME}/d", headers={"Depth": "1"}, body=body)
    assert response.status == 207
    assert b"/d/b" in response.body
    assert client.send("DELETE", f"{box.door}{HOME}/d/b").status == 204


def test_a_token_that_the_door_does_not_take_any_more(box, sender):
    box.files.put(f"{HOME}/a", b"hello")
    stale = box.token(lifetime=-10)
    assert sender(stale, box.token()).send("GET", f"{box.door}{HOME}/a").body == b"hello"
    with pytest.raises(LoginNeeded, match="401"):
        sender(stale).send("GET", f"{box.door}{HOME}/a")


def test_a_pool_that_fills_up_is_heard_while_sending(box, sender, content):
    box.faults.add("pool", "PUT", f"{HOME}/a", faults.Full(after=100_000, reason="Pool is full"))
    with pytest.raises(StorageFull, match="507 Pool is full"):
        sender().send("PUT", f"{box.door}{HOME}/a", body=content(DATA * 50), await_redirect=True)


def test_a_wrong_checksum_is_reported_by_the_pool(box, sender, content):
    headers = {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
    with pytest.raises(IntegrityError, match="400 Checksum mismatch"):
        sender().send("PUT", f"{box.door}{HOME}/a", headers=headers, body=content(DATA), await_redirect=True)


def test_a_server_error_of_the_door_is_retried(box, sender):
    box.files.put(f"{HOME}/a", b"hello")
    box.faults.add("door", "GET", f"{HOME}/a", faults.Status(500, "Internal problem: timed out"), times=2)
    naps = []
    client = sender(retries=Retries(), sleep=naps.append)
    assert client.send("GET", f"{box.door}{HOME}/a").body == b"hello"
    assert len(naps) == 2


def test_a_download_cut_within_its_body_is_not_retried(box, sender):
    box.files.put(f"{HOME}/a", DATA)
    box.faults.add("pool", "GET", f"{HOME}/a", faults.Cut(after=1000))
    blocks = []
    with pytest.raises(Exception, match="before the body did") as cut:
        client = sender(retries=Retries(), sleep=lambda seconds: None)
        client.send("GET", f"{box.door}{HOME}/a", accept=lambda response: lambda block: blocks.append(bytes(block)))
    assert type(cut.value).__name__ == "Interrupted"
    assert (len(b"".join(blocks)), len(at_pools(box))) == (1000, 1)


def test_a_used_pool_url_leads_back_through_the_door(box, sender):
    box.files.put(f"{HOME}/a", b"hello")
    client = sender()
    first = client.send("GET", f"{box.door}{HOME}/a")
    again = client.send("GET", first.url)
    assert again.body == b"hello"
    assert again.url != first.url
    assert [seen.server[:4] for seen in box.seen] == ["door", "pool", "pool", "door", "pool"]
    assert [seen.header("Authorization") for seen in at_pools(box)] == [None, None, None]


def test_a_stop_while_the_door_thinks(box, sender):
    box.files.put(f"{HOME}/a", b"hello")
    rule = box.faults.add("door", "GET", f"{HOME}/a", faults.Delay())
    stop = threading.Event()
    client = sender(stop=stop)
    threading.Thread(daemon=True, target=lambda: rule.reached.wait(60) and stop.set()).start()
    with pytest.raises(Stopped):
        client.send("GET", f"{box.door}{HOME}/a")
    rule.remove()


def test_pools_without_tls_are_refused_or_used_without_the_token(sender):
    with Sandbox(http_pools=True) as box:
        box.files.put(f"{HOME}/a", b"hello")
        for allowed in (False, True):
            client = Client(
                trusted=[Origin.parse(box.door)], credentials=Token(box.token()), ca=box.ca, http_pools=allowed
            )
            try:
                if allowed:
                    assert client.send("GET", f"{box.door}{HOME}/a").body == b"hello"
                else:
                    with pytest.raises(Exception, match="unprotected http"):
                        client.send("GET", f"{box.door}{HOME}/a")
            finally:
                client.close()
        assert [seen.header("Authorization") for seen in at_pools(box)] == [None]


def test_the_frontend_names_the_user(box):
    rest = JsonClient(trusted=[Origin.parse(box.frontend)], ca=box.ca)
    answer = rest.get(f"{box.frontend}/api/v1/user", box.token())
    assert answer.json["homeDirectory"] == HOME


def test_a_pool_that_cannot_reserve_the_space(box, sender, content):
    box.faults.add("pool", "PUT", f"{HOME}/a", faults.Prealloc())
    with pytest.raises(StorageFull, match="500 Failed to preallocate space"):
        sender(retries=Retries()).send("PUT", f"{box.door}{HOME}/a", body=content(b"xy"), await_redirect=True)
    assert len(at_pools(box)) == 1
