"""What is known of a server's answers to `If-None-Match: *`, which asks that an upload replace nothing.

Amazon, Ceph and MinIO honour the header: they answer 412 if the name is taken. Other servers ignore it, and some refuse
it with 501 or 400. Only a 412 proves that a server honours it. An upload that replaces an object on purpose carries the
header once, to find out: a server that ignores it does what was wanted. A later run of the same user may then send a
new object without a look at its name.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ctadata.stores.s3.state_file import StateFile

IF_FREE = {"If-None-Match": "*"}
"""The header of an upload that replaces nothing."""

VALID = 30 * 86400.0
"""Seconds after which a server has to prove anew that it honours the header: its software may be another one."""

_REFUSES, _HONOURS = "refuses_if_none_match", "honours_if_none_match"


class Condition:
    """What is known of one server. Many threads may use it; a file keeps it for later runs."""

    def __init__(self, file: Callable[[], StateFile], now: Callable[[], float] = time.time) -> None:
        """Read nothing yet.

        Args:
            file: Returns the file.
            now: Returns the time in seconds since 1970.
        """
        self._file = file
        self._now = now
        self._lock = threading.Lock()
        self._known: Mapping[str, Any] | None = None

    @property
    def is_refused(self) -> bool:
        """Whether the server has refused the header, and then accepted the same request without it."""
        return self._is_recent(self._read().get(_REFUSES))

    def is_honoured(self, bucket: str) -> bool:
        """Return whether the server has proved that it honours the header in this bucket."""
        return self._is_recent(self._buckets().get(bucket))

    def note_refused(self) -> None:
        """Remember that the server refuses the header."""
        self._write({_REFUSES: self._now()})

    def note_honoured(self, bucket: str) -> None:
        """Remember that the server has answered an upload to this bucket with 412."""
        if not self.is_honoured(bucket):
            self._write({_HONOURS: {**self._buckets(), bucket: self._now()}})

    def _buckets(self) -> Mapping[str, Any]:
        buckets = self._read().get(_HONOURS)
        return buckets if isinstance(buckets, dict) else {}

    def _is_recent(self, noted: object) -> bool:
        return isinstance(noted, int | float) and 0 <= self._now() - noted < VALID

    def _read(self) -> Mapping[str, Any]:
        with self._lock:
            if self._known is None:
                self._known = self._file().read()
            return self._known

    def _write(self, more: Mapping[str, Any]) -> None:
        known = {**self._read(), **more}
        with self._lock:
            self._known = known
            self._file().try_to_write(known)
