"""Run clients in threads and fibers, and close, drop or break them off while the garbage collector runs all the time.

Run by `test_ownership.py` in a process of its own, since a fault here is a segmentation fault. Arguments: rounds, URL,
CA, and the collector's threshold. It ends with `well`, if nothing of curl is left.
"""

from __future__ import annotations

import faulthandler
import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pycurl

from ctadata import fibers
from ctadata.errors import CtadataError
from ctadata.fibers import Fibers
from ctadata.http.client import Client
from ctadata.http.messages import Response
from ctadata.http.retries import Retries

CURL = (pycurl.Curl, pycurl.CurlMulti, pycurl.CurlShare)


class Circle:
    """An object in a reference cycle with what it holds: only the garbage collector frees it."""

    def __init__(self, *held: Any) -> None:
        """Close the reference cycle."""
        self.held = (self, *held)


def ask(client: Client, url: str, *, after: int | None = None, pause: bool = False) -> None:
    """Send one request; its consumer raises after `after` bytes."""
    got = 0

    def accept(response: Response) -> Callable[[bytes], None]:
        def take(block: bytes) -> None:
            nonlocal got
            got += len(block)
            if pause:
                fibers.sleep(0)
            if after is not None and got > after:
                raise KeyError(Circle(response))

        return take

    try:
        client.send("GET", url, accept=accept)
    except (KeyError, CtadataError) as error:
        Circle(error, client)


def work(number: int, url: str, ca: Path) -> None:
    """Run one client: in fibers or threads, with a failure or not, closed or dropped."""
    client = Client(trusted=[], credentials=None, ca=ca, retries=Retries(attempts=1))
    if number % 2:

        def fail() -> None:
            fibers.sleep(0.002)
            raise KeyError

        tasks: list[Callable[[], None]] = [lambda: ask(client, url, pause=True) for _ in range(3)]
        try:
            Fibers().run([*tasks, fail] if number % 4 == 1 else tasks)
        except KeyError as error:
            Circle(error)
    else:
        ask(client, url)
        ask(client, url, after=20_000)
    if number % 3:
        client.close()
    Circle(client)


def main() -> None:
    """Run all rounds."""
    faulthandler.enable()
    rounds, url, ca = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    gc.set_threshold(int(sys.argv[4]), 2, 2)
    for number in range(rounds):
        threads = [threading.Thread(target=work, args=(4 * number + i, url, ca), daemon=True) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    gc.set_threshold(700, 10, 10)
    gc.collect()
    left = [thing for thing in gc.get_objects() if isinstance(thing, CURL)]
    assert left == [], left
    print("well")


if __name__ == "__main__":
    main()
