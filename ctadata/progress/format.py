"""Write the lines of the reporters: one for a file that ended, one for the progress of the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import unquote

from ctadata.errors import CtadataError
from ctadata.printable import escape_unprintable
from ctadata.progress import units
from ctadata.progress.tally import Snapshot
from ctadata.transfer.report import Outcome, State

MANY = 9
"""The largest number of outcomes of one reason that get a line each; of failures it is `NAMED`."""

SHOWN = 5
"""The number of files in transfer that get a line each."""

NAMED = 3
"""The number of files that a line about many of them names."""


def remote_name(outcome: Outcome) -> str:
    """Return the remote path as `list` writes it: from the root, without a slash in front, safe for a terminal."""
    return escape_unprintable("/".join(outcome.remote.parts)) or "/"


def outcome_line(outcome: Outcome) -> str:
    """Return the line of one file: `done lst/a/b (1.2 MiB in 3 s; checked: size, adler32)`; safe for a terminal.

    If nothing was moved, the brackets hold the reason.
    """
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
    """Yield a line for each outcome; if more than `MANY`, or `NAMED` failures, have one reason, yield one for all."""
    groups: dict[tuple[object, ...], list[Outcome]] = {}
    for outcome in outcomes:
        error = outcome.error
        reason = (_what(error), error.hint, error.exit_code) if error and outcome.state is State.FAILED else outcome.why
        groups.setdefault((outcome.state, reason), []).append(outcome)
    for alike in groups.values():
        if len(alike) > (NAMED if alike[0].state is State.FAILED else MANY):
            yield counted_line(alike)
        else:
            yield from map(outcome_line, alike)


def counted_line(alike: Sequence[Outcome]) -> str:
    """Return one line for many outcomes of one reason; safe for a terminal.

    `failed 50 files: no room is left (make room): a, b, c and 47 more`
    """
    first, error = alike[0], alike[0].error
    shown = [_name(outcome) for outcome in alike[:NAMED]]
    if len(set(shown)) < len(shown):  # the error names the directory of all of them
        shown = [remote_name(outcome) for outcome in alike[:NAMED]]
    names = ", ".join(shown)
    more = f" and {len(alike) - NAMED} more" if len(alike) > NAMED else ""
    if first.state is State.FAILED and error is not None:
        why = escape_unprintable(f"{_what(error)} ({error.hint})" if error.hint else _what(error))
        return f"failed {units.files(len(alike))}: {why}: {names}{more}"
    verb = "passed over" if first.state is State.PASSED else str(first.state)
    why = "; ".join(sorted({outcome.why for outcome in alike}))
    return f"{verb} {units.files(len(alike))} ({why}): {names}{more}"


def _what(error: CtadataError) -> str:
    """Return what happened, without the path that a server repeats at the end: it differs for each file."""
    if not error.path:
        return error.what
    before, _, path = error.what.rpartition(": ")
    if unquote(path, errors="surrogateescape") == error.path:  # a percent-encoded path holds no ": "
        return before
    return error.what.removesuffix(f": {error.path}")


def _name(outcome: Outcome) -> str:
    """Return the name that a line gives to the file of an outcome."""
    if outcome.key:
        return escape_unprintable(outcome.key)
    if outcome.state is State.PASSED and outcome.local is not None:
        return escape_unprintable(str(outcome.local))
    return escape_unprintable(outcome.error.path) if outcome.error and outcome.error.path else remote_name(outcome)


def dry_run_line(outcome: Outcome, action: str) -> str:
    """Return the line of a dry run: `get lst/a -> out/a (5 B)`, `put out/a -> lst/a (5 B)`, `delete out/a`.

    It is safe for a terminal.

    Args:
        outcome: The outcome that the run would have.
        action: `get` or `put`.
    """
    local = "-" if outcome.local is None else escape_unprintable(str(outcome.local))
    remote = remote_name(outcome)
    if outcome.state is State.DONE:
        transfer = f"get {remote} -> {local}" if action == "get" else f"put {local} -> {remote}"
        return f"{transfer} ({units.size(outcome.size)})"
    if outcome.state is State.DELETED:
        return f"delete {remote if outcome.local is None else local}"
    return outcome_line(outcome)


def progress_line(snapshot: Snapshot) -> str:
    """Return `3 of 20 files, 1.2 GiB of 3.4 GiB, 56.1 MiB/s, 41 s left`, without the parts that are unknown."""
    line = f"{snapshot.done} of {units.files(snapshot.planned)}"
    line += f", {units.size(snapshot.moved)} of {units.size(snapshot.size)}"
    if snapshot.rate > 0:
        line += f", {units.rate(snapshot.rate)}, {units.duration(snapshot.left)} left"
    return line


def status_line(snapshot: Snapshot) -> str:
    """Return `42%, 3 of 20 files, 1.2 GiB of 3.4 GiB, 56.1 MiB/s, 41 s left, 30 s elapsed, 2 failed`.

    The parts that are unknown are left out, and so are failures if there are none.
    """
    failed = f", {snapshot.failed} failed" if snapshot.failed else ""
    return f"{snapshot.percent}%, {progress_line(snapshot)}, {units.duration(snapshot.elapsed)} elapsed{failed}"


def status_lines(snapshot: Snapshot) -> list[str]:
    """Return where a run stands: its `status_line`, then the `active_lines`."""
    return [status_line(snapshot), *active_lines(snapshot)]


def active_lines(snapshot: Snapshot) -> list[str]:
    """Return a line for each of the first `SHOWN` files in transfer, and one that counts the others."""
    more = len(snapshot.active) - SHOWN
    return [*(file_line(*file) for file in snapshot.active[:SHOWN]), *([f"  and {more} more"] if more > 0 else [])]


def file_line(name: str, moved: int, size: int = 0) -> str:
    """Return the line of a file in transfer: `3.2 MiB of 7.6 MiB  lst/a`; safe for a terminal.

    Args:
        name: The path of the file.
        moved: Bytes that have moved.
        size: Bytes of the file; 0 if they are not known.
    """
    sizes = units.size(moved) + (f" of {units.size(size)}" if size else "")
    return f"  {sizes:>20}  {escape_unprintable(name.lstrip('/'))}"
