"""Shell completion of remote paths: one listing with a short time-out, without a login and without messages.

typer has the scripts for bash, zsh, fish and PowerShell (`--install-completion`, `--show-completion`).
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
KEYS_HERE = "ctadata.keys_here"
"""The entry of a context's `meta` with the keys that may stand at the cursor in place of a path."""
TIMEOUT = 2.0
"""Seconds. A listing that takes longer completes nothing."""
MAX_NAMES = 500
"""The largest number of names to offer."""


class _Word:
    """The word at the cursor.

    Attributes:
        prefix: The beginning of the word that bash keeps; the completions must not repeat it.
    """

    prefix: ClassVar[str] = ""


def rejoin_words(env: MutableMapping[str, str]) -> None:
    """Join the words that bash has split at `:` and `=` (its COMP_WORDBREAKS); it sends `home:x` as three words.

    A lone `:` right after the command begins a word, as in `sync :lst/run1 run1`.

    Args:
        env: The environment that bash sends; COMP_WORDS and COMP_CWORD are changed.
    """
    words = env.get("COMP_WORDS", "").split("\n")
    cursor = _parse_cursor(env.get("COMP_CWORD", ""), len(words) - 1)
    joined: list[str] = []
    prefix_length = 0
    glue = False
    for word in words[: cursor + 1]:
        is_break = bool(word) and set(word) <= set(":=")
        if (glue and word) or (is_break and len(joined) > 2):
            joined[-1] += word
            prefix_length = len(joined[-1]) - (0 if is_break else len(word))
        else:
            prefix_length = 0
            joined.append(word)
        glue = is_break
    if prefix_length and not joined[-1].startswith("-"):
        _Word.prefix, joined[-1] = joined[-1][:prefix_length].replace("\\", ""), joined[-1][prefix_length:]
    env.update(COMP_WORDS="\n".join(joined), COMP_CWORD=str(len(joined) - 1))


def _parse_cursor(text: str, last: int) -> int:
    """The index of the word at the cursor; the last word if the shell sends no number."""
    return min(int(text), last) if re.fullmatch("[0-9]{1,9}", text) else last


def complete_remote(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return paths on the storage that begin like the incomplete word, from the root; after `--sort`, keys too."""
    keys = [key for key in ctx.meta.get(KEYS_HERE, ()) if key.startswith(incomplete)]
    return [*keys, *_complete_paths(ctx, incomplete, "/")]


def complete_put_target(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return targets for `put`, from the home; nothing for the first argument, which is a local file."""
    has_source = ctx.params.get("local") or ctx.params.get("path")
    return _complete_paths(ctx, incomplete, "home:") if has_source else []


def complete_sync_side(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return paths for a side of `sync` on the storage, from the root or the home; nothing for a local side."""
    return _complete_paths(ctx, incomplete, "/") if (_Word.prefix + incomplete).startswith((":", "home:")) else []


def _complete_paths(ctx: typer.Context, incomplete: str, start: str) -> list[str]:
    """Return the paths that begin like the incomplete word, with that word's spelling.

    If the only match is a directory, its contents are offered too. Otherwise the shell would add a space after the
    directory's name, and completion would end there.

    Args:
        ctx: The command's context.
        incomplete: The word at the cursor, without the prefix that bash keeps.
        start: The directory that a relative path starts from: `/` or `home:`.
    """
    import logging

    logging.disable(logging.CRITICAL)
    incomplete = _Word.prefix + incomplete
    paths: list[str] = []
    with contextlib.suppress(Exception), _open_session(ctx) as session:
        above = re.match(r"(.*/|home:|:)?", incomplete, re.DOTALL)
        base = (above[0] if above else "") or ""
        paths.extend(name for name in _list_paths(session, base, start) if name.startswith(incomplete))
        if len(paths) == 1 and paths[0].endswith("/"):
            paths.extend(_list_paths(session, paths[0], start))
    quoted = (_quote_for_shell(name[len(_Word.prefix) :]) for name in paths if not name.startswith("-"))
    return [word for word in quoted if word is not None]


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
    from ctadata.printable import escape_unprintable

    directory = base.removeprefix(":")
    is_anchored = directory.startswith(("/", "~/", "home:"))
    for entry in itertools.islice(session.list(directory if is_anchored else start + directory), MAX_NAMES):
        name = base + entry.path.name + ("/" if entry.is_directory else "")
        if escape_unprintable(name) == name:
            yield name


def _quote_for_shell(name: str) -> str | None:
    """Quote a name for the shell, so that the shell evaluates nothing in it; None if that is not possible.

    bash and PowerShell put the text into the line unchanged; fish quotes it. The script for zsh evaluates the text
    between double quotes: typer escapes `$` and backticks there, and loses quotes.
    """
    shell = os.environ.get(COMPLETION, "").rpartition("_")[2]
    if shell == "zsh":
        return None if re.search(r"""["'\\]|  """, name) else name
    if shell == "bash":
        return re.sub(r"([^\w@%+=:,./~-])", r"\\\1", name)
    if shell in ("powershell", "pwsh") and not re.fullmatch(r"[\w+=:./~-]*", name):
        return None if re.search("['\u2018-\u201b]|:::", name) else f"'{name}'"
    return name
