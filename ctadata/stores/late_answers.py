"""Ask again for what a server may show late: a new file, its size or its checksum may come a moment after the 201."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

from ctadata.errors import NotFound

T = TypeVar("T")

WAITS = (0.1, 0.2, 0.4, 0.8)
"""Seconds before each further request (dCache's issue 7467)."""


def repeat_until(ask: Callable[[], T], is_enough: Callable[[T], object], wait: Callable[[float], object]) -> T:
    """Return what `ask` returns, and repeat it for a second and a half until `is_enough`.

    Args:
        ask: Sends one request; NotFound counts as an answer that is not enough.
        is_enough: Returns whether the answer is what the server must show in the end.
        wait: Waits for a number of seconds.

    Raises:
        NotFound: The last request raised it.
    """
    for pause in WAITS:
        with contextlib.suppress(NotFound):
            if is_enough(result := ask()):
                return result
        wait(pause)
    return ask()
