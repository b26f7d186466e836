"""The kernel's state of a TCP connection, available before a thread has read from the connection."""

from __future__ import annotations

import errno
import socket

CLOSE, CLOSE_WAIT = 7, 8
"""States of a connection (Linux, `tcp_states.h`): ended by a reset or by both sides; ended by the other side."""


def _state(connection: socket.socket) -> int | None:
    if not hasattr(socket, "TCP_INFO"):
        return None
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def is_reset(connection: socket.socket) -> bool:
    """Return whether the other side reset a connection, as a side does that closes it with unread bytes.

    A reset after a regular end (EPIPE) does not count. TLS consumes the error, so then only the state is left.
    """
    error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return error == errno.ECONNRESET if error else _state(connection) == CLOSE


def is_over(connection: socket.socket) -> bool:
    """Return whether the other side has ended a connection, even if the serving thread has not noticed that yet."""
    try:
        return _state(connection) in (CLOSE, CLOSE_WAIT)
    except OSError:  # the serving thread has closed it
        return True
