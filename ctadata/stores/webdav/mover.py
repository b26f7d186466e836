"""A mover: what the reads of one file share at the server that the door redirects to.

dCache keeps one mover for all connections that use one UUID. A connection that ends in mid-body fails that mover: the
other connections fall silent and stay open, and new requests get 307 (dCache 11.2.5, HttpPoolRequestHandler). So each
mover has connections of its own, and a read that hears nothing asks over one more connection whether it still exists.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from ctadata.errors import CtadataError, Interrupted, Stopped, TimedOut
from ctadata.http.client import Client
from ctadata.http.curl_pool import CurlPool, Route
from ctadata.http.host_limits import BUSY_STATUSES
from ctadata.http.messages import Accept, Consumer, Response, Watch

log = logging.getLogger(__name__)

_DRAINED = 0.1
"""The share of its patience for which a read of an ended mover takes what is still on the way to it."""


class Mover:
    """One mover, at `url`; any number of threads read from it. `close` closes its connections, which ends it."""

    def __init__(self, client: Client, url: str, own: CurlPool) -> None:
        """The mover has answered; `own` are the connections that nothing else uses."""
        self.url = url
        self.own = own
        self.is_usable = True
        self._client = client
        self._patience = client.limits.mover_probe
        self._has_ended = False
        self._is_doubted = False
        self._is_asked = False
        self._answered_at = -self._patience
        self._lock = threading.Lock()

    def read(self, headers: Mapping[str, str], accept: Accept, watch: Watch) -> bool:
        """Ask for one range; False if the mover does not serve it, so that the door has to be asked.

        Raises what breaks the answer off after its head, and Stopped.
        """
        begun = False

        def accepted(response: Response) -> Consumer | None:
            nonlocal begun
            begun = True
            return accept(response)

        try:
            # the door is asked by the caller, who knows what for: no redirect is followed, and nothing repeated
            route = Route(self.own, watch=watch)
            response = self._client.send(
                "GET", self.url, headers=headers, accept=accepted, follow=False, repeat=False, route=route
            )
        except Stopped:
            raise
        except CtadataError as error:
            if begun:
                raise
            if error.status == 416:
                return False
        else:
            if response.status < 300:
                return True
        self.doubt()
        return False

    def doubt(self) -> None:
        """A read has met trouble: nothing new is asked for here, and the silent reads ask whether it exists."""
        self.is_usable = False
        self._is_doubted = True

    def end(self) -> None:
        """A connection was broken off in mid-body, which ends the mover: no read waits for it any more."""
        self.is_usable = False
        self._has_ended = True

    def look(self, silent: float) -> None:
        """A read has heard nothing for `silent` seconds. Interrupted if the mover has ended."""
        if silent < self._patience * _DRAINED:
            return
        if self._has_ended:
            raise Interrupted("the pool has ended the transfer")
        since = time.monotonic() - self._answered_at
        if self._is_doubted or (silent >= self._patience and since >= self._patience):
            self._ask()

    def _ask(self) -> None:
        with self._lock:
            if self._is_asked:
                return
            self._is_asked, self._is_doubted = True, False
        self._find_out()

    def _find_out(self) -> None:
        try:
            exists = self._exists()
            log.info("a read hears nothing; the mover %s", "answers, and is waited for" if exists else "has ended")
            if not exists:
                self.end()
        finally:
            self._answered_at = time.monotonic()
            self._is_asked = False

    def _exists(self) -> bool:
        route = Route(self.own, fresh=True, watch=self._bear)
        try:
            response = self._client.send(
                "GET", self.url, headers={"Range": "bytes=0-0"}, follow=False, repeat=False, route=route
            )
        except CtadataError as error:
            return error.status in BUSY_STATUSES
        return response.status < 300

    def _bear(self, silent: float) -> None:
        if silent >= self._patience:
            raise TimedOut("no answer")

    def close(self) -> None:
        """Close its connections, those of reads that are under way when these have ended."""
        self.end()
        self.own.close()
