"""A mover: the transfer on a pool that the reads of one file share after the door has redirected them.

dCache keeps one mover for all connections that use one UUID. If a connection ends in mid-body, that mover fails: its
other connections fall silent and stay open, and new requests get 307 (dCache 11.2.5, HttpPoolRequestHandler). So each
mover has connections of its own, and a read that receives nothing asks over one more connection whether the mover still
exists.
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

_DRAIN_SHARE = 0.1
"""The share of the patience for which a read of an ended mover still waits for bytes that are on their way."""


class Mover:
    """One mover, at `url`. Any number of threads read from it. `close` closes its connections, which ends it."""

    def __init__(self, client: Client, url: str, pool: CurlPool) -> None:
        """Create the mover after its first response. Nothing else uses the connections of `pool`."""
        self.url = url
        self.pool = pool
        self.is_usable = True
        self._client = client
        self._patience = client.limits.mover_probe
        self._has_ended = False
        self._is_suspected = False
        self._is_probing = False
        self._answered_at = -self._patience
        self._lock = threading.Lock()

    def read(self, headers: Mapping[str, str], accept: Accept, watch: Watch) -> bool:
        """Request one range, and pass its bytes to what `accept` returns.

        Args:
            headers: The request headers, `Range` among them.
            accept: Receives the response headers.
            watch: Receives the seconds for which no byte has come.

        Returns:
            False if the mover does not serve the range, so that the caller has to ask the door.

        Raises:
            Stopped: The user stopped the run.
            CtadataError: The response broke off after its headers.
        """
        has_begun = False

        def note_head(response: Response) -> Consumer | None:
            nonlocal has_begun
            has_begun = True
            return accept(response)

        try:
            # the caller asks the door if this fails, so this follows no redirect and repeats nothing
            route = Route(self.pool, watch=watch)
            response = self._client.send(
                "GET", self.url, headers=headers, accept=note_head, follow=False, repeat=False, route=route
            )
        except Stopped:
            raise
        except CtadataError as error:
            if has_begun:
                raise
            if error.status == 416:
                return False
        else:
            if response.status < 300:
                return True
        self.suspect()
        return False

    def suspect(self) -> None:
        """Take note that a read failed: no new range is requested here, and the silent reads check the mover."""
        self.is_usable = False
        self._is_suspected = True

    def mark_ended(self) -> None:
        """Take note that a connection was closed in mid-body, which ends the mover. No read waits for it any more."""
        self.is_usable = False
        self._has_ended = True

    def check_silence(self, silent: float) -> None:
        """Check the mover after a read received nothing for `silent` seconds; raise Interrupted if it has ended."""
        if silent < self._patience * _DRAIN_SHARE:
            return
        if self._has_ended:
            raise Interrupted("the pool has ended the transfer")
        since = time.monotonic() - self._answered_at
        if self._is_suspected or (silent >= self._patience and since >= self._patience):
            self._start_probe()

    def _start_probe(self) -> None:
        with self._lock:
            if self._is_probing:
                return
            self._is_probing, self._is_suspected = True, False
        self._probe()

    def _probe(self) -> None:
        try:
            exists = self._exists()
            log.info("a read receives nothing; the mover %s", "answers, so the read goes on" if exists else "has ended")
            if not exists:
                self.mark_ended()
        finally:
            self._answered_at = time.monotonic()
            self._is_probing = False

    def _exists(self) -> bool:
        route = Route(self.pool, fresh=True, watch=self._limit_silence)
        try:
            response = self._client.send(
                "GET", self.url, headers={"Range": "bytes=0-0"}, follow=False, repeat=False, route=route
            )
        except CtadataError as error:
            return error.status in BUSY_STATUSES
        return response.status < 300

    def _limit_silence(self, silent: float) -> None:
        if silent >= self._patience:
            raise TimedOut("no answer")

    def close(self) -> None:
        """Close its connections. A connection of a read under way closes when this read has ended."""
        self.mark_ended()
        self.pool.close()
