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


class _Sockets:
    """The sockets and the time that libcurl waits for.

    libcurl's multi handle keeps this object and nothing else of ours: `Handle` is part of no circle of references, so
    it ends with its last user, in that thread, and never in a run of the garbage collector.
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
        sockets, poll = self._sockets, poller() or select.poll()
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
