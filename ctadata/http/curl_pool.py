"""A curl handle with the connections it keeps, run so that a stop, a limit and Ctrl-C are heard at any moment.

`Curl.perform` waits inside libcurl: it calls nobody while it connects, and once a second later on. Here the waiting is
ours (libcurl's `multi_socket` interface), in steps of a quarter of a second, and costs fewer calls besides.
"""

from __future__ import annotations

import copy
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pycurl

from ctadata.errors import LocalError
from ctadata.fibers import Poller, current_poller
from ctadata.http.ca import CaCertificates
from ctadata.http.messages import Watch
from ctadata.resources import shortage_error

TICK = 0.25
"""Seconds between two looks around at most."""

CONNECTIONS = 16
"""Connections that a handle keeps open: a door and its pools."""

_READABLE = select.POLLIN | select.POLLPRI | select.POLLHUP | select.POLLERR
_WRITABLE = select.POLLOUT | select.POLLERR


class _Sockets:
    """The sockets and the time that libcurl waits for.

    libcurl's multi handle keeps this object and nothing else of ours: `CurlHandle` is part of no circle of references,
    so it ends with its last user, in that thread, and never in a run of the garbage collector.
    """

    __slots__ = ("due", "events", "poll")

    def __init__(self) -> None:
        """Nothing is waited for."""
        self.events: dict[int, int] = {}
        self.poll: Poller | None = None
        self.due: float | None = None

    def on_socket(self, what: int, socket: int, _multi: Any, _data: Any) -> None:
        """libcurl says what it waits for at a socket."""
        if what == pycurl.POLL_REMOVE:
            if self.events.pop(socket, None) is not None and self.poll:
                self.poll.unregister(socket)
            return
        reads = select.POLLIN if what & pycurl.POLL_IN else 0
        writes = select.POLLOUT if what & pycurl.POLL_OUT else 0
        self.events[socket] = reads | writes
        if self.poll:
            self.poll.register(socket, reads | writes)

    def on_timer(self, milliseconds: int) -> None:
        """libcurl says when it wants to be called though nothing has happened."""
        self.due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000


class CurlHandle:
    """One transfer at a time; its connections outlive it. Any thread or fiber may use it, one at a time.

    The thread that has borrowed the handle owns it: the thread runs it, and gives it back or closes it.

    may_hang: the last transfer failed or was broken off; libcurl may still look up a name, and closing waits for that.
    """

    def __init__(self, share: Any) -> None:
        """A new handle, with the look-ups and TLS sessions of `share`."""
        self.curl = pycurl.Curl()
        self.curl.setopt(pycurl.SHARE, share)
        self.may_hang = False
        self._sockets = _Sockets()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, CONNECTIONS)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._sockets.on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._sockets.on_timer)

    def run(self, watch: Callable[[], None]) -> tuple[int, str]:
        """Do what `curl` has been set up for; curl's error code (0 for none) and words.

        watch: called at least every `TICK`; what it raises ends the transfer and its connection.
        """
        sockets, poll = self._sockets, current_poller() or select.poll()
        sockets.poll = poll
        self.may_hang = True
        self._multi.add_handle(self.curl)
        try:
            for socket, events in sockets.events.items():  # of connections that libcurl is closing
                poll.register(socket, events)
            running = self._act(pycurl.SOCKET_TIMEOUT, 0)
            while running:
                watch()
                running = self._step(poll)
            _, _, failed = self._multi.info_read()
            self.may_hang = bool(failed)
            return (failed[0][1], failed[0][2]) if failed else (pycurl.E_OK, "")
        finally:
            self._multi.remove_handle(self.curl)
            for socket in sockets.events:
                poll.unregister(socket)
            sockets.poll = None

    def clear(self) -> None:
        """Forget what the last transfer was told: its functions, and all that they hold; connections stay."""
        self.curl.reset()

    def close(self) -> None:
        """Close the connections."""
        self.curl.close()
        self._multi.close()

    def _step(self, poll: Poller) -> int:
        """Wait, but not for long, and let curl do what there is to do; 0 when the transfer is over."""
        due = self._sockets.due
        wait = TICK if due is None else min(TICK, max(0.0, due - time.monotonic()))
        running = 1
        for socket, event in poll.poll(wait * 1000):
            readable = pycurl.CSELECT_IN if event & _READABLE else 0
            writable = pycurl.CSELECT_OUT if event & _WRITABLE else 0
            running = self._act(socket, readable | writable)
        due = self._sockets.due
        if running and due is not None and due <= time.monotonic():
            running = self._act(pycurl.SOCKET_TIMEOUT, 0)
        return running

    def _act(self, socket: int, events: int) -> int:
        if socket == pycurl.SOCKET_TIMEOUT:
            self._sockets.due = None
        running: int = self._multi.socket_action(socket, events)[1]
        return running


CLOSE_TIMEOUT = 1.0
"""Seconds that closing may take."""

BLOCK = 512 * 1024
"""Bytes that curl receives or sends at a time at most."""

_SUPPRESS_CONNECT_HEADERS = 265  # CURLOPT_SUPPRESS_CONNECT_HEADERS has no name in pycurl


@dataclass(frozen=True, slots=True)
class Route:
    """Which connections a request takes beyond its door, and who watches over it.

    own:   carry what a redirect leads to, and a request that follows none; None: those of the client.
    fresh: it goes at once, over a new connection, whatever the server's gate says: a short question after others.
    watch: hears a few times a second how long the server has been silent.
    """

    own: CurlPool | None = None
    fresh: bool = False
    watch: Watch | None = None


class CurlPool:
    """Handles to borrow, one for each thread that is at work; look-ups and TLS sessions are shared among all.

    Connections are not shared: libcurl cannot share them between threads. The last handle given back is the first
    to be lent, so few threads keep few connections.
    """

    def __init__(self, trust: CaCertificates, user_agent: str) -> None:
        """Of nothing yet: handles are made when they are needed."""
        self._idle: deque[CurlHandle] = deque()
        self._share = pycurl.CurlShare()
        self._share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_DNS)
        self._share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_SSL_SESSION)
        self._options = _common_options(trust, user_agent)
        self._closed = False

    def separate_pool(self) -> CurlPool:
        """Handles with connections of their own, and the same look-ups and TLS sessions; closed by the caller."""
        branch = copy.copy(self)
        branch._idle = deque()
        branch._closed = False
        return branch

    def lend(self) -> CurlHandle:
        """A handle with nothing set but what is common to all requests; to be given back."""
        try:
            handle = self._idle.pop()
        except IndexError:
            handle = self._new()
        for option, value in self._options:
            handle.curl.setopt(option, value)
        return handle

    def _new(self) -> CurlHandle:
        try:
            return CurlHandle(self._share)
        except (pycurl.error, MemoryError) as error:
            raise shortage_error(error) or LocalError("no further connection can be opened") from None

    def take_back(self, handle: CurlHandle) -> None:
        """A handle that was lent, its connections open; it keeps nothing of the request."""
        handle.clear()
        self._idle.append(handle)
        if self._closed:
            self.close()

    def close(self) -> None:
        """Close the connections; of handles that are lent, when they come back, in the thread that gives them back.

        Returns after a second at the latest: where a name look-up hangs libcurl waits for it, and Ctrl-C must not.
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
    """Close handles that nobody else has any more."""
    while handles:
        handles.pop().close()


def _common_options(trust: CaCertificates, user_agent: str) -> list[tuple[int, Any]]:
    options = [
        (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),  # libcurl also speaks file, scp, ftp
        (pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
        (pycurl.FOLLOWLOCATION, 0),  # redirects are followed by `client`, who knows whom to trust
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
