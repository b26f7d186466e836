"""A curl handle with the connections it keeps, run so that a stop, a limit and Ctrl-C are heard at any moment.

`Curl.perform` waits inside libcurl: it calls nobody while it connects, and once a second later on. Here the waiting is
ours (libcurl's `multi_socket` interface), in steps of a quarter of a second, and costs fewer calls besides.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any

import pycurl

from ctadata.fibers import Poller, poller

TICK = 0.25
"""Seconds between two looks around at most."""

CONNECTIONS = 16
"""Connections that a handle keeps open: a door and its pools."""

_READABLE = select.POLLIN | select.POLLPRI | select.POLLHUP | select.POLLERR
_WRITABLE = select.POLLOUT | select.POLLERR


class Handle:
    """One transfer at a time; its connections outlive it. Any thread or fiber may use it, one at a time."""

    def __init__(self, share: Any) -> None:
        """A new handle, with the look-ups and TLS sessions of `share`."""
        self.curl = pycurl.Curl()
        self.curl.setopt(pycurl.SHARE, share)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, CONNECTIONS)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._sockets: dict[int, int] = {}
        self._poll: Poller | None = None
        self._due: float | None = None

    def run(self, watch: Callable[[], None]) -> tuple[int, str]:
        """Do what `curl` has been set up for; curl's error code (0 for none) and words.

        watch: called at least every `TICK`; what it raises ends the transfer and its connection.
        """
        self._poll = poller() or select.poll()
        self._multi.add_handle(self.curl)
        try:
            for socket, events in self._sockets.items():  # of connections that libcurl is closing
                self._poll.register(socket, events)
            running = self._act(pycurl.SOCKET_TIMEOUT, 0)
            while running:
                watch()
                running = self._step(self._poll)
            _, _, failed = self._multi.info_read()
            return (failed[0][1], failed[0][2]) if failed else (pycurl.E_OK, "")
        finally:
            self._multi.remove_handle(self.curl)
            for socket in self._sockets:
                self._poll.unregister(socket)
            self._poll = None

    def close(self) -> None:
        """Close the connections."""
        self.curl.close()
        self._multi.close()

    def _step(self, poll: Poller) -> int:
        """Wait, but not for long, and let curl do what there is to do; 0 when the transfer is over."""
        wait = TICK if self._due is None else min(TICK, max(0.0, self._due - time.monotonic()))
        running = 1
        for socket, event in poll.poll(wait * 1000):
            readable = pycurl.CSELECT_IN if event & _READABLE else 0
            writable = pycurl.CSELECT_OUT if event & _WRITABLE else 0
            running = self._act(socket, readable | writable)
        if running and self._due is not None and self._due <= time.monotonic():
            running = self._act(pycurl.SOCKET_TIMEOUT, 0)
        return running

    def _act(self, socket: int, events: int) -> int:
        if socket == pycurl.SOCKET_TIMEOUT:
            self._due = None
        running: int = self._multi.socket_action(socket, events)[1]
        return running

    def _on_socket(self, what: int, socket: int, _multi: Any, _data: Any) -> None:
        """Curl says what it waits for at a socket."""
        if what == pycurl.POLL_REMOVE:
            if self._sockets.pop(socket, None) is not None and self._poll:
                self._poll.unregister(socket)
            return
        reads = select.POLLIN if what & pycurl.POLL_IN else 0
        writes = select.POLLOUT if what & pycurl.POLL_OUT else 0
        self._sockets[socket] = reads | writes
        if self._poll:
            self._poll.register(socket, reads | writes)

    def _on_timer(self, milliseconds: int) -> None:
        """Curl says when it wants to be called though nothing has happened."""
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000
