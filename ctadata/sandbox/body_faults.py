"""Faults of a body: bytes are changed, cut off, added or held on their way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ctadata.sandbox.faults import Cut, Flip, Hangup, Long, Meanwhile, Short, Silence, Stall
from ctadata.sandbox.rules import Rule


def shaped(
    blocks: Iterable[bytes], rules: Iterable[Rule], fall_silent: Callable[[], object], length: int = 0
) -> Iterator[bytes]:
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
            case Silence(after):
                flowing = _at(flowing, after, fall_silent)
            case Meanwhile(after=int(after)):
                flowing = _at(flowing, after, rule.run_action)
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
