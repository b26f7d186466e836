"""The handles of a pool: as many as are at work at once, each with its open connections, used over and over."""

from __future__ import annotations

import copy
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pycurl

from ctadata.errors import LocalError
from ctadata.http.ca import CaCertificates
from ctadata.http.curl_pool import CurlHandle
from ctadata.http.messages import Watch
from ctadata.resources import shortage

CLOSING = 1.0
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

    def branch(self) -> CurlPool:
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
            raise shortage(error) or LocalError("no further connection can be opened") from None

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
            closing.join(CLOSING)


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
