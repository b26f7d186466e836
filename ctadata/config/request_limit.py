"""The largest number of requests that one server gets at a time. The HTTP client finds out how many it answers well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ctadata.config.resolve import COMMAND_LINE, DEFAULT_VALUE, Resolved

AT_DCACHE = 64
"""Requests to a dCache door. It has threads for 500 requests of all users together (`webdav.limits.threads.max`)."""

ELSEWHERE = 128
"""Requests to any other server; it serves some 1,300 a second at a distance of 100 ms."""

STREAMS = 16
"""Streams of one large file."""

FILES_PER_REQUEST = 2
"""Small files in transfer for each request in flight: some wait for a look that they share, or for the local disk."""


@dataclass(slots=True)
class RequestLimit:
    """The limit of the requests to one server.

    Attributes:
        most: The number of requests in flight at most.
        files: The number of small files in transfer at most.
        pinned: Whether the number is kept however the server answers.
        tasks: The number of tasks that run at once; the other numbers are the share of one of them.
        apply: Limits the requests of the client that has this limit; None: there is no such client.
    """

    most: int
    files: int
    pinned: bool = False
    tasks: int = 1
    apply: Callable[[int], object] | None = field(default=None, compare=False)

    @property
    def streams(self) -> int | None:
        """The number of streams of one large file at most; None if it is pinned too."""
        return None if self.pinned else min(STREAMS, self.most)

    def divide(self, processes: int) -> None:
        """Leave this process its share of the requests: further ones have started, and `processes` share the limit."""
        if self.apply is not None:
            self.apply(max(1, self.most // processes))


def find_request_limit(resolved: Resolved, tasks: int = 1) -> RequestLimit:
    """Return the limit of a profile: `-j` pins it, `jobs` in the settings bounds it, else the kind of place does.

    Args:
        resolved: The profile.
        tasks: The number of tasks that run at once, each of which gets a share.
    """
    origin, jobs = resolved.values["jobs"].origin, resolved.profile.jobs
    if origin != DEFAULT_VALUE:
        share = max(1, jobs // tasks)
        return RequestLimit(share, share, pinned=origin == COMMAND_LINE, tasks=tasks)
    share = max(1, (AT_DCACHE if resolved.profile.kind == "dcache" else ELSEWHERE) // tasks)
    return RequestLimit(share, FILES_PER_REQUEST * share, tasks=tasks)
