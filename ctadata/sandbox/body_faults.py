"""Faults of a body: change, cut, extend or hold its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ctadata.sandbox.faults import Cut, Flip, Hangup, Long, Meanwhile, Short, Silence, Stall
from ctadata.sandbox.rules import Rule


def apply_body_faults(
    blocks: Iterable[bytes], rules: Iterable[Rule], fall_silent: Callable[[], object], length: int = 0
) -> Iterator[bytes]:
    """Apply the faults to a body, and yield its bytes.

    Args:
        blocks: The body.
        rules: The active faults; those that do not concern a body are ignored.
        fall_silent: Send nothing more until the client closes the connection.
        length: The bytes of the body.

    Raises:
        Hangup: A fault cuts the body.
    """
    body = iter(blocks)
    for rule in rules:
        match rule.fault:
            case Cut(after, reset):
                body = _cut(body, after, reset, rule)
            case Short(by):
                body = _cut(body, max(0, length - by), False, rule)
            case Long(by):
                body = _extend(body, by, rule)
            case Flip(at):
                body = _flip(body, at, rule)
            case Stall(after):
                body = _call_at(body, after, rule.hold)
            case Silence(after):
                body = _call_at(body, after, fall_silent)
            case Meanwhile(after=int(after)):
                body = _call_at(body, after, rule.run_action)
            case _:
                pass
    return body


def _split(blocks: Iterator[bytes], at: int) -> Iterator[tuple[int, bytes]]:
    """Yield the blocks with their offsets, and begin a block at offset `at` if the body is that long."""
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
    sent = 0
    if after:
        for offset, block in _split(blocks, after):
            sent = offset + len(block)
            yield block
            if sent >= after:
                break
    if sent >= after:
        rule.reached.set()
        raise Hangup(reset)


def _extend(blocks: Iterator[bytes], by: int, rule: Rule) -> Iterator[bytes]:
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


def _call_at(blocks: Iterator[bytes], after: int, act: Callable[[], object]) -> Iterator[bytes]:
    acted = False
    for offset, block in _split(blocks, after):
        if offset >= after and not acted:
            acted = True
            act()
        yield block
