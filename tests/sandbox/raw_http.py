"""HTTP/1.1 over a socket: one request as written, and every answer with its framing."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Answer:
    """One response.

    Attributes:
        headers: In lower case.
        framing: `chunked`, `length`, `none` or `close`.
    """

    status: int
    reason: str
    headers: dict[str, str]
    framing: str
    body: str

    @property
    def line(self) -> str:
        """The status and the reason."""
        return f"{self.status} {self.reason}"


def parse_head(head: str) -> tuple[int, str, dict[str, str]]:
    """Return the status, reason and headers."""
    status_line, *lines = head.strip().splitlines()
    _, status, reason = (status_line + " ").split(" ", 2)
    pairs = (line.partition(": ")[::2] for line in lines)
    return int(status), reason.strip(), {name.lower(): value.strip() for name, value in pairs}


def framing_of(status: int, headers: Mapping[str, str]) -> str:
    """Return how the end of a body is marked."""
    if headers.get("transfer-encoding") == "chunked":
        return "chunked"
    if "content-length" in headers:
        return "length"
    return "none" if status in (100, 204) or status // 100 == 3 else "close"


class RawHttp:
    """Sends each request on its own connection, which trusts one CA."""

    def __init__(self, ca: str) -> None:
        self._context = ssl.create_default_context(cafile=ca)

    def connect(self, url: str) -> ssl.SSLSocket:
        """Return a connection to the origin of a URL."""
        parts = urlsplit(url)
        plain = socket.create_connection((parts.hostname, parts.port), timeout=60)
        return self._context.wrap_socket(plain, server_hostname=parts.hostname)

    def ask(
        self, method: str, url: str, headers: Mapping[str, str] = NO_HEADERS, body: bytes = b"", hold: bool = False
    ) -> list[Answer]:
        """Return all responses to one request, interim responses too.

        With `hold`, the body is sent after `100 Continue` only; without a body, the exchange ends there.
        """
        with self.connect(url) as wire:
            wire.sendall(request_head(method, url, headers) + (b"" if hold else body))
            reader = wire.makefile("rb")
            found = [_answer(reader, method)]
            while found[-1].status == 100 and (body or not hold):
                wire.sendall(body if hold else b"")
                found.append(_answer(reader, method))
            return found

    def ask_and_leave(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send a request, and close the connection at once."""
        with self.connect(url) as wire:
            wire.sendall(request_head(method, url, headers) + body)


def request_head(method: str, url: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def _answer(reader, method: str) -> Answer:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline()
        assert line, "the server closed the connection"
        head += line
    status, reason, headers = parse_head(head.decode("utf-8"))
    framing = framing_of(status, headers)
    text = b"" if method == "HEAD" or status == 100 else _body(reader, framing, headers)
    return Answer(status, reason, headers, framing, text.decode("utf-8"))


def _body(reader, framing: str, headers: Mapping[str, str]) -> bytes:
    if framing == "length":
        return reader.read(int(headers["content-length"]))
    if framing == "close":
        return reader.read()
    body = b""
    while framing == "chunked" and (size := int(reader.readline(), 16)):
        body += reader.read(size)
        assert reader.readline() == b"\r\n"
    if framing == "chunked":
        assert reader.readline() == b"\r\n"
    return body
