"""Faults: what can go wrong at a server, switched on by tests for a server, a method and a path.

A fault is a frozen description. `Faults.add` makes it a rule and returns its handle; a rule applies for ever or a
number of times. Byte offsets count the bytes of one body: of the request for PUT and POST, of the answer else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar


class Hangup(Exception):
    """The connection ends here, in the middle or instead of an answer; `reset` asks for a TCP reset."""

    def __init__(self, reset: bool = False) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


@dataclass(frozen=True)
class Status:
    """This answer instead of the real one; the server does nothing for the request."""

    code: int
    reason: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Redirect:
    """A redirect to `location`, whatever that is, instead of the real answer."""

    location: str
    code: int = 302


@dataclass(frozen=True)
class Delay:
    """Nothing happens for `seconds`, or until `until` is set, or else until the handle is released; with `late` the
    work is done before and only its answer waits."""

    seconds: float | None = None
    until: threading.Event | None = None
    late: bool = False


@dataclass(frozen=True)
class NoAnswer:
    """The request is read and never answered; the connection stays open until the client or the sandbox ends."""


@dataclass(frozen=True)
class LostAnswer:
    """The request is carried out in full, then the connection ends instead of the answer."""

    reset: bool = False


@dataclass(frozen=True)
class Cut:
    """The connection ends after that many bytes of the body (0: after the headers of an answer; a PUT or POST gets
    no answer at all)."""

    after: int = 0
    reset: bool = False


@dataclass(frozen=True)
class Short:
    """The answer's body lacks its last `by` bytes, then the connection closes; its Content-Length stays."""

    by: int = 1


@dataclass(frozen=True)
class Long:
    """The answer's body has `by` bytes too many; `announced` counts them in Content-Length too."""

    by: int = 1
    announced: bool = False


@dataclass(frozen=True)
class Flip:
    """The byte at that offset is one more (flipped bits of equal pieces can cancel out in adler32); the digests stay
    those of the sender's bytes (of a download) or become those of the changed bytes (of an upload)."""

    at: int = 0


@dataclass(frozen=True)
class Stall:
    """Nothing moves any more after that many bytes, until the handle is released."""

    after: int = 0


@dataclass(frozen=True)
class Meanwhile:
    """`do` is called meanwhile: before the server sees the request, or after that many bytes of the body."""

    do: Callable[[], object]
    after: int | None = None


@dataclass(frozen=True)
class WholeFile:
    """A Range is not looked at: 200 and the whole file."""


@dataclass(frozen=True)
class WrongRange:
    """Content-Range names bytes that lie `by` further on than those that come."""

    by: int = 1


@dataclass(frozen=True)
class WrongDigest:
    """The Digest header names a wrong value."""


@dataclass(frozen=True)
class LateChecksum:
    """No Digest header and no Checksums property yet: what a door may answer right after an upload."""


@dataclass(frozen=True)
class EmptyListing:
    """PROPFIND calls the directory empty, a success (dcache.md 1.1); DELETE sees it so, and cannot delete it alone."""


@dataclass(frozen=True)
class Full:
    """The pool runs out of space after that many bytes: 507 while the client may still be sending."""

    after: int = 0
    reason: str = "No space left on device"


@dataclass(frozen=True)
class Prealloc:
    """The pool cannot reserve the space when it sees the length: 500 before any byte of the body."""

    reason: str = "Failed to preallocate space"


@dataclass(frozen=True)
class WrongIssuer:
    """The discovery document names another issuer."""

    issuer: str = "https://localhost/realms/other"


@dataclass(frozen=True)
class RefuseOffline:
    """The issuer answers `invalid_scope` where offline_access is asked for."""


Fault = (
    Status | Redirect | Delay | NoAnswer | LostAnswer | Cut | Short | Long | Flip | Stall | Meanwhile | WholeFile
    | WrongRange | WrongDigest | LateChecksum | EmptyListing | Full | Prealloc | WrongIssuer | RefuseOffline
)  # fmt: skip
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

    def act(self) -> None:
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


def first(rules: Iterable[Rule], kind: type[Kind]) -> Kind | None:
    """The first fault of a kind among the rules of a request."""
    for rule in rules:
        if isinstance(rule.fault, kind):
            rule.reached.set()
            return rule.fault
    return None


def shaped(blocks: Iterable[bytes], rules: Iterable[Rule], length: int = 0) -> Iterator[bytes]:
    """A body of `length` bytes on its way through the faults that change, cut or hold it. Raises Hangup."""
    flowing = iter(blocks)
    for rule in rules:
        match rule.fault:
            case Cut(after, reset):
                flowing = _cut(flowing, after, reset, rule)
            case Short(by):
                flowing = _cut(flowing, max(0, length - by), False, rule)
            case Long(by):
                flowing = _longer(flowing, by, rule)
            case Flip(at):
                flowing = _flip(flowing, at, rule)
            case Stall(after):
                flowing = _at(flowing, after, rule.hold)
            case Meanwhile(after=int(after)):
                flowing = _at(flowing, after, rule.act)
            case _:
                pass
    return flowing


def _split(blocks: Iterator[bytes], at: int) -> Iterator[tuple[int, bytes]]:
    """Blocks with their offsets, one of which begins at `at` where the body is that long."""
    offset = 0
    for block in blocks:
        inside = at - offset
        if 0 < inside < len(block):
            yield offset, block[:inside]
            yield at, block[inside:]
        else:
            yield offset, block
        offset += len(block)


def _cut(blocks: Iterator[bytes], after: int, reset: bool, rule: Rule) -> Iterator[bytes]:
    passed = 0
    if after:
        for offset, block in _split(blocks, after):
            passed = offset + len(block)
            yield block
            if passed >= after:
                break
    if passed >= after:
        rule.reached.set()
        raise Hangup(reset)


def _longer(blocks: Iterator[bytes], by: int, rule: Rule) -> Iterator[bytes]:
    yield from blocks
    rule.reached.set()
    yield b"\0" * by


def _flip(blocks: Iterator[bytes], at: int, rule: Rule) -> Iterator[bytes]:
    for offset, block in _split(blocks, at):
        if offset == at and block:
            rule.reached.set()
            yield bytes([(block[0] + 1) % 256]) + block[1:]
        else:
            yield block


def _at(blocks: Iterator[bytes], after: int, act: Callable[[], object]) -> Iterator[bytes]:
    acted = False
    for offset, block in _split(blocks, after):
        if offset >= after and not acted:
            acted = True
            act()
        yield block
