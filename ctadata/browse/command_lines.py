"""Write the command line that does in a shell what a key has done in the browser."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ctadata.browse.places import LocalLink
from ctadata.entries import Entry
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable

PROGRAM = "cta-data-direct"


def quote(word: str) -> str:
    r"""Return a word as a shell reads it back; unprintable characters become `$'\x1b'` (bash, zsh, ksh)."""
    if escape_unprintable(word) == word:
        return shlex.quote(word)
    return f"$'{''.join(map(_escape, word))}'"


def _escape(character: str) -> str:
    """Return a character as it stands between `$'` and `'`; what could mean anything becomes its bytes."""
    if escape_unprintable(character) == character and (character.isalnum() or character in " /._-:"):
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="surrogateescape"))


def join(words: Sequence[str]) -> str:
    """Return a command line."""
    return " ".join(map(quote, words))


def spell(profile: str | None, path: RemotePath, *, slash: bool = False) -> str:
    """Return a path as the commands take it: `profile:/path`, or the local path."""
    text = str(path) + ("/" if slash and path.parts else "")
    return text if profile is None else f"{profile}:{text}"


def list_line(profile: str | None, path: RemotePath) -> str:
    """Return the line that lists a directory."""
    program = ["ls", "-l"] if profile is None else [PROGRAM, "list", "-l"]
    return join([*program, spell(profile, path, slash=True)])


def mkdir_line(profile: str | None, path: RemotePath) -> str:
    """Return the line that makes a directory."""
    return join([*(["mkdir"] if profile is None else [PROGRAM, "mkdir"]), spell(profile, path)])


def rename_line(profile: str | None, entries: Sequence[Entry], target: RemotePath) -> str:
    """Return the line that renames entries."""
    program = ["mv", "-n"] if profile is None else [PROGRAM, "mv", "--literal"]
    return join([*program, *(spell(profile, entry.path) for entry in entries), spell(profile, target)])


def delete_line(profile: str | None, entries: Sequence[Entry]) -> str:
    """Return the line that deletes entries; for a directory it asks again."""
    is_tree = any(entry.is_directory and not isinstance(entry, LocalLink) for entry in entries)
    recursive = ["-r"] if is_tree else []
    program = ["rm", *recursive] if profile is None else [PROGRAM, "rm", *recursive, "--literal"]
    return join([*program, *(spell(profile, entry.path) for entry in entries)])


def about_line(command: str, profile: str | None, entries: Sequence[Entry]) -> str:
    """Return the line of a command that only takes paths: `stat`, `stage`, `share`."""
    program = ["stat"] if profile is None else [PROGRAM, *command.split()]
    return join([*program, *(spell(profile, entry.path) for entry in entries)])


def transfer_line(
    source: str | None, entries: Sequence[Entry], target: str | None, into: RemotePath, *, keep: bool, through: bool
) -> str:
    """Return the line that copies entries into a directory: `get`, `put`, or one `copy` for each entry.

    Args:
        source: The profile of the entries; None: this machine.
        entries: What is copied.
        target: The profile of the directory; None: this machine.
        into: The directory.
        keep: Keep existing files that differ.
        through: A copy between two sites passes through this machine.
    """
    recursive = ["-r"] if any(entry.is_directory for entry in entries) else []
    options = [*recursive, *(["--no-clobber"] if keep else [])]
    to, paths = spell(target, into, slash=True), [spell(source, entry.path) for entry in entries]
    if source is None or target is None:
        return join([PROGRAM, "put" if source is None else "get", *options, *paths, to])
    options += ["--through"] if through else []
    return " && ".join(join([PROGRAM, "copy", *options, path, to]) for path in paths)
