"""Rules: which fault applies to which server, method and path, and how many times."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from ctadata.sandbox.faults import Delay, Fault, Meanwhile

Kind = TypeVar("Kind")


@dataclass
class Rule:
    """One fault that is switched on; tests keep it as a handle.

    Attributes:
        left: How many more times it applies; None for ever.
        skip: How many matching requests pass before it applies.
        hits: How many times it has applied.
        reached: Set when it first takes effect.
        released: Set when it holds no request any more.
    """

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
        """Return whether the rule is about a request: `pool` is any pool, `*` is anything, a path may end in `*`."""
        return (
            self.server in ("*", server, server.rstrip("0123456789"))
            and self.method in ("*", method)
            and (path == self.path or (self.path.endswith("*") and path.startswith(self.path[:-1])))
        )

    def release(self) -> None:
        """Let the requests go on that a Delay or a Stall holds."""
        self.released.set()
        if isinstance(self.fault, Delay) and self.fault.until is not None:
            self.fault.until.set()

    def remove(self) -> None:
        """Switch the fault off, and let the requests go on that it holds."""
        self.forget(self)
        self.release()

    def hold(self) -> None:
        """Wait as long as a Delay or a Stall says."""
        self.reached.set()
        if isinstance(self.fault, Delay) and self.fault.until is not None:
            self.fault.until.wait()
        else:
            self.released.wait(self.fault.seconds if isinstance(self.fault, Delay) else None)

    def run_action(self) -> None:
        """Run the action of a Meanwhile."""
        self.reached.set()
        if isinstance(self.fault, Meanwhile):
            self.fault.do()


class Faults:
    """The rules of one sandbox."""

    def __init__(self) -> None:
        """Start without rules."""
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._all: list[Rule] = []

    def add(
        self, server: str, method: str, path: str, fault: Fault, *, times: int | None = None, skip: int = 0
    ) -> Rule:
        """Switch a fault on.

        Args:
            server: door, pool, pool1, pool2, issuer, frontend or `*`.
            method: The HTTP method or `*`. HANDSHAKE, with the path "", means the TLS handshake.
            path: The decoded path without a query; a `*` at its end stands for any rest.
            fault: What happens to the requests.
            times: How many times the fault applies; None for ever.
            skip: How many matching requests pass before.

        Returns:
            The rule, by which a test waits for the fault or removes it.
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
        """Return the rules that apply to one request, and count their use."""
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
        """Switch all faults off, and let all held requests go on."""
        with self._lock:
            held, self._rules, self._all = self._all, [], []
        for rule in held:
            rule.release()


def first_fault(rules: Iterable[Rule], kind: type[Kind]) -> Kind | None:
    """Return the first fault of a kind among the rules of a request; None if there is none."""
    for rule in rules:
        if isinstance(rule.fault, kind):
            rule.reached.set()
            return rule.fault
    return None
