"""Completion in the shell: of remote paths, by a short look at the storage; never a login, no words.

typer brings the scripts for bash, zsh, fish and PowerShell (`--install-completion`, `--show-completion`).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import threading
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, ClassVar

import typer

from ctadata.cli.options import get_common
from ctadata.cli.output import DIRECT, PLATFORM, PROGRAM

if TYPE_CHECKING:
    from ctadata.session import Session

COMPLETION = {DIRECT: "_CTA_DATA_DIRECT_COMPLETE", PLATFORM: "_CTA_DATA_COMPLETE"}[PROGRAM]
TIMEOUT = 2.0
"""Seconds that somebody who pressed TAB is let wait."""
MAX_NAMES = 500
"""Names offered at most."""


class _Word:
    """The word at the cursor. begun: what bash keeps of it, whatever we offer for the rest."""

    begun: ClassVar[str] = ""


def rejoin_words(env: MutableMapping[str, str]) -> None:
    """Put words together again that bash has taken apart at `:` and `=` (its COMP_WORDBREAKS): `home:x` comes as three.

    A lone `:` right after the command begins a word, as in `sync :lst/run1 run1`.
    """
    words = env.get("COMP_WORDS", "").split("\n")
    cursor = _parse_cursor(env.get("COMP_CWORD", ""), len(words) - 1)
    joined: list[str] = []
    begun = 0
    glue = False
    for word in words[: cursor + 1]:
        is_break = bool(word) and set(word) <= set(":=")
        if (glue and word) or (is_break and len(joined) > 2):
            joined[-1] += word
            begun = len(joined[-1]) - (0 if is_break else len(word))
        else:
            begun = 0
            joined.append(word)
        glue = is_break
    if begun and not joined[-1].startswith("-"):
        _Word.begun, joined[-1] = joined[-1][:begun].replace("\\", ""), joined[-1][begun:]
    env.update(COMP_WORDS="\n".join(joined), COMP_CWORD=str(len(joined) - 1))


def _parse_cursor(told: str, last: int) -> int:
    """The word that the cursor is in; the last one where the shell does not say."""
    return min(int(told), last) if re.fullmatch("[0-9]{1,9}", told) else last


def complete_remote(ctx: typer.Context, incomplete: str) -> list[str]:
    """Paths on the storage, from its root."""
    return _complete_paths(ctx, incomplete, "/")


def complete_put_target(ctx: typer.Context, incomplete: str) -> list[str]:
    """Where `put` may put things, from home; nothing for its first argument, which is local."""
    given = ctx.params.get("local") or ctx.params.get("path")
    return _complete_paths(ctx, incomplete, "home:") if given else []


def complete_sync_side(ctx: typer.Context, incomplete: str) -> list[str]:
    """A side of `sync` on the storage, from its root or from home; a local one is no matter of ours."""
    return _complete_paths(ctx, incomplete, "/") if (_Word.begun + incomplete).startswith((":", "home:")) else []


def _complete_paths(ctx: typer.Context, incomplete: str, start: str) -> list[str]:
    """The paths that begin so, as spelled so far; of a lone directory what lies in it as well.

    With that the shell goes on inside the directory, where it would otherwise put a space after its name.
    """
    import logging

    logging.disable(logging.CRITICAL)
    incomplete = _Word.begun + incomplete
    found: list[str] = []
    with contextlib.suppress(Exception), _open_session(ctx) as session:
        above = re.match(r"(.*/|home:|:)?", incomplete, re.DOTALL)
        base = (above[0] if above else "") or ""
        found.extend(name for name in _list_paths(session, base, start) if name.startswith(incomplete))
        if len(found) == 1 and found[0].endswith("/"):
            found.extend(_list_paths(session, found[0], start))
    written = (_quote_for_shell(name[len(_Word.begun) :]) for name in found if not name.startswith("-"))
    return [word for word in written if word is not None]


@contextlib.contextmanager
def _open_session(ctx: typer.Context) -> Iterator[Session]:
    stop = threading.Event()
    timer = threading.Timer(TIMEOUT, stop.set)
    timer.daemon = True
    timer.start()
    common = get_common(ctx)
    try:
        with common.session(stop, ctx.params.get("token_file")) as session:
            yield session
    finally:
        timer.cancel()


def _list_paths(session: Session, base: str, start: str) -> Iterator[str]:
    from ctadata.paths import escape_unprintable

    place = base.removeprefix(":")
    anchored = place.startswith(("/", "~/", "home:"))
    for entry in itertools.islice(session.list(place if anchored else start + place), MAX_NAMES):
        name = base + entry.path.name + ("/" if entry.is_directory else "")
        if escape_unprintable(name) == name:
            yield name


def _quote_for_shell(name: str) -> str | None:
    """The name as this shell may be given it, so that it evaluates nothing in it; None where there is no such way.

    bash puts what it is given into the line as it stands, and so does PowerShell; fish quotes by itself. The script of
    zsh evaluates it between double quotes, where typer escapes `$` and backticks, and loses quotes.
    """
    shell = os.environ.get(COMPLETION, "").rpartition("_")[2]
    if shell == "zsh":
        return None if re.search(r"""["'\\]|  """, name) else name
    if shell == "bash":
        return re.sub(r"([^\w@%+=:,./~-])", r"\\\1", name)
    if shell in ("powershell", "pwsh") and not re.fullmatch(r"[\w+=:./~-]*", name):
        return None if re.search("['\u2018-\u201b]|:::", name) else f"'{name}'"
    return name
