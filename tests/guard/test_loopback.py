"""The guard refuses what is not loopback, in this process and in child processes, and lets loopback through."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO

import loopback
import pycurl
import pytest
import requests

TEST_NET = "192.0.2.1"  # RFC 5737: an address that is nobody's


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "::ffff:127.0.0.1", "localhost", "a.localhost", "", None]
)
def test_loopback_is_let_through(host):
    assert loopback.is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [TEST_NET, "2001:db8::1", "::ffff:192.0.2.1", "127.0.0.1.example.org", "localhost.example.org", "127", "cta"],
)
def test_everything_else_is_not(host):
    assert not loopback.is_loopback(host)


def test_sockets(refusals):
    with socket.socket() as sock, pytest.raises(loopback.Refused):
        sock.connect((TEST_NET, 80))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, pytest.raises(loopback.Refused):
        sock.sendto(b"x", (TEST_NET, 53))
    with pytest.raises(loopback.Refused):
        socket.getaddrinfo("example.org", 443)
    assert len(refusals()) == 3


def test_requests(refusals):
    with pytest.raises(requests.ConnectionError, match="not loopback"):
        requests.get(f"https://{TEST_NET}/", timeout=5)
    assert refusals()


@pytest.mark.parametrize("url", [f"https://{TEST_NET}/", "https://example.org/", b"http://example.org:80/"])
def test_curl_does_not_take_the_url(url, refusals):
    curl = pycurl.Curl()
    with pytest.raises(loopback.Refused):
        curl.setopt(pycurl.URL, url)
    curl.close()
    assert refusals()


@pytest.mark.parametrize("way", ["fresh", "reset", "copy"])
def test_curl_opens_no_socket(way, refusals):
    """A name that passes for loopback and is not: refused when its address is known."""
    curl = pycurl.Curl()
    if way == "reset":
        curl.reset()
    curl.setopt(pycurl.URL, "http://localhost:80/")
    curl.setopt(pycurl.RESOLVE, [f"localhost:80:{TEST_NET}"])
    user = curl.duphandle() if way == "copy" else curl
    with pytest.raises(pycurl.error) as caught:
        user.perform()
    assert caught.value.args[0] == pycurl.E_COULDNT_CONNECT
    assert TEST_NET in refusals()[0]


def test_curl_works_on_loopback():
    class Hello(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *words):
            pass

    with HTTPServer(("127.0.0.1", 0), Hello) as server:
        threading.Thread(daemon=True, target=server.handle_request).start()
        body, curl = BytesIO(), pycurl.Curl()
        curl.setopt(pycurl.URL, f"http://127.0.0.1:{server.server_port}/")
        curl.setopt(pycurl.WRITEDATA, body)
        curl.perform()
        curl.close()
    assert body.getvalue() == b"hello"


CHILDREN = {
    "socket": f"import socket; socket.create_connection(({TEST_NET!r}, 80), 5)",
    "pycurl": f"import pycurl; pycurl.Curl().setopt(pycurl.URL, 'http://{TEST_NET}/')",
    "from pycurl": f"from pycurl import Curl, URL; Curl().setopt(URL, 'http://{TEST_NET}/')",
}


@pytest.mark.parametrize("child", CHILDREN)
def test_child_processes(child, refusals):
    ran = subprocess.run([sys.executable, "-c", CHILDREN[child]], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert "not loopback" in ran.stderr
    assert TEST_NET in refusals()[0]


def test_the_guard_itself_imports_no_pycurl():
    """Imports, and so start-up time, of a child process stay what they are without the guard."""
    look = "import sys; print('pycurl' in sys.modules, 'loopback' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "False True\n"
