"""Rules: faults switched on for the requests of a server, a method and a path, for ever or a number of times."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from ctadata.sandbox.faults import Delay, Fault, Meanwhile

Kind = TypeVar("Kind")


@dataclass
class Rule:
    """A fault switched on: the handle that tests keep. `reached` is set when it first takes effect."""

    server: str
    method: str
    path: str
    fault: Fault
    left: int | None
    skip: int
    forget: Callable[[Rule], None]
    hits: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def applies(self, server: str, method: str, path: str) -> bool:
        """Whether a request is meant: `pool` is any pool, `*` is anything, a path may end in `*`."""
        return (
            self.server in ("*", server, server.rstrip("0123456789"))
            and self.method in ("*", method)
            and (path == self.path or (self.path.endswith("*") and path.startswith(self.path[:-1])))
        )

    def release(self) -> None:
        """Let go of whoever is held by a Delay or a Stall."""
        self.released.set()
        if isinstance(self.fault, Delay) and self.fault.until is not None:
            self.fault.until.set()

    def remove(self) -> None:
        """Switch the fault off and let go of whoever it holds."""
        self.forget(self)
        self.release()

    def hold(self) -> None:
        """Wait as a Delay or a Stall says."""
        self.reached.set()
        if isinstance(self.fault, Delay) and self.fault.until is not None:
            self.fault.until.wait()
        else:
            self.released.wait(self.fault.seconds if isinstance(self.fault, Delay) else None)

    def run_action(self) -> None:
        """Have happen what a Meanwhile says."""
        self.reached.set()
        if isinstance(self.fault, Meanwhile):
            self.fault.do()


class Faults:
    """The rules of one sandbox."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._all: list[Rule] = []

    def add(
        self, server: str, method: str, path: str, fault: Fault, *, times: int | None = None, skip: int = 0
    ) -> Rule:
        """Switch a fault on for requests to `server` (door, pool, pool1, pool2, issuer, frontend or *).

        `path` is the decoded path, without query; a `*` at its end stands for any rest. The method HANDSHAKE
        (path "") means the TLS handshake. It applies `times` times (None: for ever), after the first `skip`
        matching requests.
        """
        rule = Rule(server, method, path, fault, times, skip, self._forget)
        with self._lock:
            self._rules.append(rule)
            self._all.append(rule)
        return rule

    def _forget(self, rule: Rule) -> None:
        with self._lock:
            if rule in self._rules:
                self._rules.remove(rule)

    def take(self, server: str, method: str, path: str) -> list[Rule]:
        """The rules that apply to one request, counted as used."""
        with self._lock:
            return [rule for rule in list(self._rules) if rule.applies(server, method, path) and self._use(rule)]

    def _use(self, rule: Rule) -> bool:
        if rule.skip:
            rule.skip -= 1
            return False
        rule.hits += 1
        if rule.left is not None:
            rule.left -= 1
            if not rule.left:
                self._rules.remove(rule)
        return True

    def clear(self) -> None:
        """Switch all faults off and let go of whoever is held."""
        with self._lock:
            held, self._rules, self._all = self._all, [], []
        for rule in held:
            rule.release()


def first_fault(rules: Iterable[Rule], kind: type[Kind]) -> Kind | None:
    """The first fault of a kind among the rules of a request."""
    for rule in rules:
        if isinstance(rule.fault, kind):
            rule.reached.set()
            return rule.fault
    return None
