"""The sandbox as a whole: start and stop, restarts of doors and pools, many clients, the request log."""

import contextlib
import socket
import ssl
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from ctadata.sandbox import Sandbox
from ctadata.sandbox.faults import Delay, NoAnswer, Stall

PATH = "/lst/users/ada/file"


def port_of(url):
    return urlsplit(url).port


def until_the_end(wire):
    """Return the bytes that still come on a connection that ends without close_notify."""
    received = b""
    with contextlib.suppress(OSError):
        while block := wire.recv(1000):
            received += block
    return received


def test_every_server_has_its_own_port(box):
    urls = [box.door, box.frontend, box.issuer, *box.pools]
    assert len({port_of(url) for url in urls}) == 5
    assert {urlsplit(url).scheme for url in urls} == {"https"}


def test_every_server_shows_a_certificate_of_the_ca(box):
    context = ssl.create_default_context(cafile=str(box.ca))
    for url in [box.door, box.frontend, box.issuer, *box.pools]:
        for name in ("localhost", "127.0.0.1"):
            with (
                socket.create_connection(("127.0.0.1", port_of(url)), 60) as plain,
                context.wrap_socket(plain, server_hostname=name) as wire,
            ):
                assert wire.version()


def test_the_ca_is_trusted_only_if_it_is_named(box):
    with (
        socket.create_connection(("127.0.0.1", port_of(box.door)), 60) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")


def test_two_sandboxes_know_nothing_of_each_other(box, make_box):
    other = make_box()
    box.files.put(PATH, b"x")
    assert not other.files.exists(PATH)
    assert not {box.door, box.issuer} & {other.door, other.issuer}


def test_close_removes_everything(make_caller):
    with Sandbox() as box:
        ports = [port_of(url) for url in [box.door, box.frontend, box.issuer, *box.pools]]
        call = make_caller(box)
        call.door("PUT", PATH, b"x")
        kept = call.socket(box.door)
    assert not box.ca.parent.exists()
    assert until_the_end(kept) == b""
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)


def test_close_releases_held_requests(make_caller):
    before = set(threading.enumerate())
    with Sandbox() as box:
        call = make_caller(box)
        box.files.put(PATH, b"x" * 100)
        ticket = call.ticket(PATH)
        rules = [
            box.faults.add("door", "HEAD", PATH, Delay()),
            box.faults.add("door", "PROPFIND", PATH, Delay(until=threading.Event())),
            box.faults.add("pool", "GET", PATH, Stall(10)),
            box.faults.add("door", "DELETE", PATH, NoAnswer()),
        ]
        for method in ("HEAD", "PROPFIND", "DELETE"):
            call.head(method, box.door + PATH, call.bearer)
        call.head("GET", ticket)
        assert all(rule.reached.wait(60) for rule in rules)
    assert set(threading.enumerate()) <= before


def test_a_sandbox_never_started_can_be_closed():
    box = Sandbox()
    box.close()
    assert not box.ca.parent.exists()


def test_a_door_that_goes_away_and_comes_back(box, call):
    kept = call.socket(box.door)
    box.stop_door()
    assert until_the_end(kept) == b""
    with pytest.raises(ConnectionRefusedError):
        call.socket(box.door)
    box.start_door()
    assert call.door("HEAD", "/lst/").status == 200


def test_a_stopped_door_keeps_its_port(box):
    box.stop_door()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port_of(box.door)))


def test_a_pool_that_comes_back_has_forgotten_its_urls(box, call):
    box.files.put(PATH, b"x")
    tickets = [call.ticket(PATH), call.ticket(PATH)]
    box.restart_pool(0)
    statuses = [call.bare("GET", ticket).status for ticket in tickets]
    assert statuses == [307, 200]
    assert call.bare("GET", call.ticket(PATH)).status == 200


def test_a_pool_that_is_away_refuses_connections(box, call):
    box.files.put(PATH, b"x")
    box.stop_pool(0)
    with pytest.raises(ConnectionRefusedError):
        call.bare("GET", call.ticket(PATH))
    assert call.bare("GET", call.ticket(PATH)).status == 200
    box.start_pool(0)
    assert call.bare("GET", call.ticket(PATH)).status == 200


def test_a_pool_restarted_during_a_download_cuts_it(box, call):
    box.files.put(PATH, b"x" * 100)
    ticket = call.ticket(PATH)
    rule = box.faults.add("pool", "GET", PATH, Stall(10))
    wire = call.head("GET", ticket)
    assert rule.reached.wait(60)
    box.restart_pool(0)
    assert until_the_end(wire).endswith(b"\r\n\r\n" + b"x" * 10)


def test_pools_without_tls_have_an_ip_address(make_box, make_caller):
    box = make_box(http_pools=True)
    call = make_caller(box)
    assert all(pool.startswith("http://127.0.0.1:") for pool in box.pools)
    ticket = call.upload_ticket(PATH, {"Content-Length": "3"})
    assert ticket.startswith("http://127.0.0.1:")
    assert call.bare("PUT", ticket, b"abc").status == 201
    assert call.bare("GET", call.ticket(PATH)).body == b"abc"


def test_fifty_clients_at_once(box, call):
    content = b"0123456789" * 30_000

    def round_trip(number):
        path = f"/lst/users/ada/{number}"
        ticket = call.upload_ticket(path, {"Content-Length": str(len(content))})
        assert call.bare("PUT", ticket, content).status == 201
        assert call.bare("GET", call.ticket(path)).body == content

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(round_trip, range(100)))
    assert len(box.files.tree("/lst/users/ada")) == 100


def test_requests_are_recorded(box, call):
    call.door("MKCOL", "/lst/users/ada/a%20b?x=1", headers={"X-Mine": "1", "x-mine": "2"})
    (seen,) = box.seen
    assert (seen.server, seen.method, seen.target, seen.status) == (
        "door",
        "MKCOL",
        "/lst/users/ada/a%20b?x=1",
        201,
    )
    assert [pair for pair in seen.headers if pair[0].lower() == "x-mine"] == [
        ("X-Mine", "1"),
        ("x-mine", "2"),
    ]
    assert seen.header("x-MINE") == "1"
    assert seen.header("absent") is None
    box.forget_seen()
    assert box.seen == []


def test_waiting_for_a_request(box, call):
    later = threading.Thread(daemon=True, target=call.door, args=("HEAD", "/lst/"))
    later.start()
    assert box.wait_for(lambda seen: seen.method == "HEAD").status == 200
    later.join()
    with pytest.raises(TimeoutError):
        box.wait_for(lambda seen: seen.method == "GET", timeout=0.01)


def test_the_profile(box):
    profile = box.profile()
    assert profile == {
        "kind": "dcache",
        "door": box.door,
        "frontend": box.frontend,
        "issuer": box.issuer,
        "client_id": box.client_id,
        "home": ["lst/users/{user}"],
        "ca": str(box.ca),
    }
    assert tomllib.loads(box.profile_toml("mine")) == {"profiles": {"mine": profile}}


def test_files_by_hand(box):
    box.files.put("a/b", b"xyz", mtime=5.0)
    box.files.mkdir("c/d")
    box.files.mkdir("c/d")
    assert box.files.tree() == ["/a/", "/a/b", "/c/", "/c/d/", "/lst/", "/lst/users/", "/lst/users/ada/"]
    assert box.files.tree("/a") == ["/a/b"]
    assert (box.files.read("/a/b"), box.files.entry("a/b").mtime) == (b"xyz", 5.0)
    box.files.remove("a")
    assert not box.files.exists("a/b")


def test_large_files_are_not_held_in_memory(box, call):
    """The file has half a gigabyte, mostly holes; the sandbox must not read it whole."""
    import resource

    box.files.put(PATH, b"x")
    entry = box.files.entry(PATH)
    with entry.data.open("r+b") as stream:
        stream.truncate(256 << 20)
    entry.size = 256 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wire = call.head("GET", call.ticket(PATH))
    left = entry.size
    while left > 0:
        left -= len(wire.recv(1 << 20)) or left + 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
