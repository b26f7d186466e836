"""The lines that reporters write: one for a file that ended, one for how far the run is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ctadata.paths import escape_unprintable
from ctadata.progress import units
from ctadata.progress.tally import Snapshot
from ctadata.transfer.report import Outcome, State

MANY = 9
"""Outcomes of one reason that get a line each, at most."""

NAMED = 3
"""Files that a line about many of them names."""


def remote_name(outcome: Outcome) -> str:
    """The remote side as `list` writes it: from the root, without a slash in front; safe for a terminal."""
    return escape_unprintable("/".join(outcome.remote.parts)) or "/"


def outcome_line(outcome: Outcome) -> str:
    """`done lst/a/b (1.2 MiB in 3 s; checked: size, adler32)`, or the reason in the brackets; safe for a terminal."""
    if outcome.state is State.FAILED:
        return f"failed {escape_unprintable(str(outcome.error))}"
    if outcome.state is State.PASSED:
        return f"passed over {_name(outcome)} ({outcome.why})"
    if outcome.state is State.DONE:
        checked = f"; checked: {outcome.verified}" if outcome.verified else ""
        why = f"{units.size(outcome.size)} in {units.duration(outcome.seconds)}{checked}"
        return f"done {remote_name(outcome)} ({why})"
    if outcome.state is State.DELETED:
        return f"deleted {remote_name(outcome) if outcome.local is None else escape_unprintable(str(outcome.local))}"
    return f"{outcome.state} {remote_name(outcome)} ({outcome.why})"


def outcome_lines(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """A line for each outcome; one for more than `MANY` that ended for the same reason, with a count and some names."""
    groups: dict[tuple[object, ...], list[Outcome]] = {}
    for outcome in outcomes:
        error = outcome.error
        reason = (error.what, error.hint, error.exit_code) if error and outcome.state is State.FAILED else outcome.why
        groups.setdefault((outcome.state, reason), []).append(outcome)
    for same in groups.values():
        if len(same) > MANY:
            yield counted_line(same)
        else:
            yield from map(outcome_line, same)


def counted_line(same: Sequence[Outcome]) -> str:
    """`failed 50 files: no room is left (make room): a, b, c and 47 more`; safe for a terminal."""
    first, error = same[0], same[0].error
    names = ", ".join(_name(outcome) for outcome in same[:NAMED])
    more = f" and {len(same) - NAMED} more" if len(same) > NAMED else ""
    if first.state is State.FAILED and error is not None:
        why = escape_unprintable(f"{error.what} ({error.hint})" if error.hint else error.what)
        return f"failed {units.files(len(same))}: {why}: {names}{more}"
    verb = "passed over" if first.state is State.PASSED else str(first.state)
    why = "; ".join(sorted({outcome.why for outcome in same}))
    return f"{verb} {units.files(len(same))} ({why}): {names}{more}"


def _name(outcome: Outcome) -> str:
    """What a line about this file calls it."""
    if outcome.key:
        return escape_unprintable(outcome.key)
    if outcome.state is State.PASSED and outcome.local is not None:
        return escape_unprintable(str(outcome.local))
    return escape_unprintable(outcome.error.path) if outcome.error and outcome.error.path else remote_name(outcome)


def dry_run_line(outcome: Outcome, action: str) -> str:
    """What a dry run says: `get lst/a -> out/a (5 B)`, `put out/a -> lst/a (5 B)`, `delete out/a`; safe for a terminal.

    action: `get` or `put`.
    """
    here = "-" if outcome.local is None else escape_unprintable(str(outcome.local))
    there = remote_name(outcome)
    if outcome.state is State.DONE:
        way = f"get {there} -> {here}" if action == "get" else f"put {here} -> {there}"
        return f"{way} ({units.size(outcome.size)})"
    if outcome.state is State.DELETED:
        return f"delete {there if outcome.local is None else here}"
    return outcome_line(outcome)


def progress_line(now: Snapshot) -> str:
    """`3 of 20 files, 1.2 GiB of 3.4 GiB, 56.1 MiB/s, 41 s left`; what is not known is left out."""
    line = f"{now.done} of {units.files(now.planned)}, {units.size(now.moved)} of {units.size(now.size)}"
    if now.rate > 0:
        line += f", {units.rate(now.rate)}, {units.duration(now.left)} left"
    return line
