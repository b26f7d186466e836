"""A pool of curl handles with their open connections, and the loop that runs one transfer.

`Curl.perform` waits inside libcurl. It calls no function of ours while it connects, and later only once a second. So
this module waits itself (libcurl's `multi_socket` interface), in steps of a quarter of a second: a stop, a time limit
and Ctrl-C take effect within a step. This loop also takes fewer calls than `Curl.perform`.
"""

from __future__ import annotations

import copy
import functools
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import pycurl

from ctadata import system
from ctadata.errors import LocalError
from ctadata.fibers import wait_for_sockets
from ctadata.http.ca import CaCertificates
from ctadata.http.messages import Origin, Watch
from ctadata.resources import limit_connections, shortage_error

TICK = 0.25
"""The longest time between two calls of `watch`, in seconds."""

CONNECTIONS = 16
"""The largest number of connections that a handle keeps open: one to a door, the others to its pools."""

_READABLE = system.POLLIN | system.POLLPRI | system.POLLHUP | system.POLLERR
_WRITABLE = system.POLLOUT | system.POLLERR
_EVENTS = {
    pycurl.POLL_NONE: 0,
    pycurl.POLL_IN: system.POLLIN,
    pycurl.POLL_OUT: system.POLLOUT,
    pycurl.POLL_INOUT: system.POLLIN | system.POLLOUT,
}
"""What libcurl waits for at a socket (CURLMOPT_SOCKETFUNCTION), as events of `select.poll`."""


def _note_socket(sockets: dict[int, int], events: int, socket: int, _multi: Any, _data: Any) -> None:
    """Receive from libcurl which events of a socket it waits for.

    libcurl's multi handle refers to this function and to `sockets`, and to no other object of ours. So `CurlHandle` is
    part of no reference cycle: it is closed by the thread that drops it last, and never by the garbage collector.
    """
    if events == pycurl.POLL_REMOVE:
        sockets.pop(socket, None)
    else:
        sockets[socket] = _EVENTS[events]


class CurlHandle:
    """A curl handle. It runs one transfer at a time and keeps its connections for the next one.

    Any thread or fiber may use it, one at a time. The thread that has acquired the handle runs it, and then releases or
    closes it.

    Attributes:
        curl: The easy handle, on which the caller sets the options of the transfer.
        origins: The servers that the handle has kept connections to, as far as they have said.
        may_hang: Whether the last transfer failed or was aborted. libcurl may then still look up a name, and `close`
            waits until it has finished.
    """

    def __init__(self, share: Any) -> None:
        """Create a handle that shares the DNS cache and the TLS sessions of `share`."""
        self.curl = pycurl.Curl()
        self.curl.setopt(pycurl.SHARE, share)
        self.origins = set[Origin]()
        self.may_hang = False
        self._sockets: dict[int, int] = {}
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, limit_connections(CONNECTIONS))
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, functools.partial(_note_socket, self._sockets))

    def run(self, watch: Callable[[], None]) -> tuple[int, str]:
        """Run the transfer that `curl` is set up for.

        Args:
            watch: Called at least every `TICK` seconds. An exception from it ends the transfer and closes its
                connection.

        Returns:
            curl's error code (0 for success) and its message.
        """
        multi = self._multi
        self.may_hang = True
        multi.add_handle(self.curl)
        try:
            _, running = multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            while running:
                watch()
                timeout = multi.timeout()
                seconds = TICK if timeout < 0 else min(TICK, timeout / 1000)
                ready = wait_for_sockets(self._sockets, seconds)
                for socket, event in ready:
                    readable = pycurl.CSELECT_IN if event & _READABLE else 0
                    writable = pycurl.CSELECT_OUT if event & _WRITABLE else 0
                    _, running = multi.socket_action(socket, readable | writable)
                if running and (not ready or multi.timeout() == 0):  # also while a socket is always ready
                    _, running = multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            _, _, failures = multi.info_read()
            self.may_hang = bool(failures)
            return (failures[0][1], failures[0][2]) if failures else (pycurl.E_OK, "")
        finally:
            multi.remove_handle(self.curl)

    def may_have_repeated(self, origin: Origin, *, closes: bool) -> bool:
        """Return whether libcurl may have sent the last request twice.

        libcurl repeats a request by itself if the connection that it had kept ends without an answer.

        Args:
            origin: The server.
            closes: Whether the server has said that it closes the connection.
        """
        kept = origin in self.origins
        (self.origins.discard if closes else self.origins.add)(origin)
        return kept and bool(self.curl.getinfo(pycurl.NUM_CONNECTS))

    def round_trip(self) -> float:
        """Return the seconds of one round trip to the server, as the last transfer's connection took them to open.

        The handshake of TCP takes one, that of TLS 1.3 another one (RFC 8446 section 2). A connection that was kept
        took no time.
        """
        looked_up: float = self.curl.getinfo(pycurl.NAMELOOKUP_TIME)
        connected: float = self.curl.getinfo(pycurl.CONNECT_TIME)
        secured: float = self.curl.getinfo(pycurl.APPCONNECT_TIME)
        return (secured - looked_up) / 2 if secured else connected - looked_up

    def close(self) -> None:
        """Close the handle and its connections."""
        self.curl.close()
        self._multi.close()


CLOSE_TIMEOUT = 1.0
"""The longest time that `CurlPool.close` takes, in seconds."""

BLOCK = 512 * 1024
"""The largest number of bytes that curl receives or sends at a time."""

_SUPPRESS_CONNECT_HEADERS = 265  # CURLOPT_SUPPRESS_CONNECT_HEADERS has no name in pycurl


class Route(NamedTuple):
    """The connections that a request uses, and its observer.

    Attributes:
        pool: The connections for a redirected request, and for a request that follows no redirects; None for those of
            the client.
        fresh: Send the request at once over a new connection, without a slot at the server's limiter. It is for a short
            question about a transfer that is under way.
        watch: Called a few times a second with the seconds since the server's last byte.
    """

    pool: CurlPool | None = None
    fresh: bool = False
    watch: Watch | None = None


class CurlPool:
    """A pool of curl handles: each thread that runs a transfer acquires one. All share a DNS cache and TLS sessions.

    libcurl cannot share connections between threads, so each handle has its own. The handle that was released last is
    acquired first, so that few threads keep few connections.
    """

    def __init__(self, trust: CaCertificates, user_agent: str) -> None:
        """Create an empty pool; `acquire` opens handles when it needs them."""
        self._idle: deque[CurlHandle] = deque()
        self._share = pycurl.CurlShare()
        self._share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_DNS)
        self._share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_SSL_SESSION)
        self._options = _common_options(trust, user_agent)
        self._closed = False

    def separate_pool(self) -> CurlPool:
        """Return a pool with its own connections that shares DNS cache and TLS sessions; the caller closes it."""
        pool = copy.copy(self)
        pool._idle = deque()
        pool._closed = False
        return pool

    def acquire(self) -> CurlHandle:
        """Return a handle on which only the options common to all requests are set; `release` takes it back.

        Raises:
            LocalError: The system refuses another handle, for lack of files or memory.
        """
        try:
            handle = self._idle.pop()
        except IndexError:
            handle = self._open_handle()
        set_option = handle.curl.setopt
        for option, value in self._options:
            set_option(option, value)
        return handle

    def _open_handle(self) -> CurlHandle:
        try:
            return CurlHandle(self._share)
        except (pycurl.error, MemoryError) as error:
            raise shortage_error(error) or LocalError("no further connection can be opened") from None

    def release(self, handle: CurlHandle) -> None:
        """Take a handle back with its connections open, and reset all that the request has set."""
        handle.curl.reset()  # and so release the callbacks of the last transfer
        self._idle.append(handle)
        if self._closed:
            self.close()

    def close(self) -> None:
        """Close the idle connections at once, and each acquired handle when it is released.

        It returns within `CLOSE_TIMEOUT` seconds: libcurl waits for a name look-up that hangs, and Ctrl-C must not.
        """
        self._closed = True
        hanging = []
        with suppress(IndexError):
            while True:
                handle = self._idle.pop()
                if handle.may_hang:
                    hanging.append(handle)
                else:
                    handle.close()
        if hanging:
            closing = threading.Thread(target=_close_each, args=(hanging,), name="ctadata-close", daemon=True)
            closing.start()
            closing.join(CLOSE_TIMEOUT)


def _close_each(handles: list[CurlHandle]) -> None:
    """Close handles that no other thread uses."""
    while handles:
        handles.pop().close()


def _common_options(trust: CaCertificates, user_agent: str) -> list[tuple[int, Any]]:
    options = [
        (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),  # libcurl also speaks file, scp, ftp
        (pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
        (pycurl.FOLLOWLOCATION, 0),  # `client` follows redirects: it knows which origins are trusted
        (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
        (pycurl.NETRC, pycurl.NETRC_IGNORED),  # it would replace our Authorization
        (pycurl.PATH_AS_IS, 1),
        (pycurl.NOSIGNAL, 1),
        (pycurl.SSL_VERIFYPEER, 1),
        (pycurl.SSL_VERIFYHOST, 2),
        (pycurl.USERAGENT, user_agent),
        (pycurl.BUFFERSIZE, BLOCK),
        (pycurl.UPLOAD_BUFFERSIZE, BLOCK),
        (pycurl.TCP_KEEPALIVE, 1),
        (_SUPPRESS_CONNECT_HEADERS, 1),
    ]
    if trust.file:
        options.append((pycurl.CAINFO, str(trust.file)))
    if trust.directory:
        options.append((pycurl.CAPATH, str(trust.directory)))
    return options
