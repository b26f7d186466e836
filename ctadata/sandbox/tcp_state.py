"""What the kernel knows of a TCP connection before anybody has read from it."""

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
    """Whether the other side reset a connection, as it does that closes it with bytes of ours unread.

    A reset that comes after a proper end (EPIPE) is none. TLS reads the error away, and only the state is left.
    """
    error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return error == errno.ECONNRESET if error else _state(connection) == CLOSE


def is_over(connection: socket.socket) -> bool:
    """Whether the other side has ended a connection, even if the thread that serves it has not noticed yet."""
    try:
        return _state(connection) in (CLOSE, CLOSE_WAIT)
    except OSError:  # that thread has closed it
        return True
