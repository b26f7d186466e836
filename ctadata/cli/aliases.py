"""The words that people bring from other programs: each is another name of a command, and has no code of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from ctadata.cli.option_advice import ALIKE
from ctadata.cli.output import DIRECT, PROGRAM
from ctadata.errors import UsageError

ALIASES = {
    "login": "start-agent",
    "status": "agent-status",
    "whoami": "agent-status",
    "ls": "list",
    "download": "get",
    "upload": "put",
}
"""Other names of commands."""

SORT_WORDS = ("name", "size", "time")
"""The words after `--sort` that are a key and no path."""
CP, HELP, VERSION = "cp", "help", "version"


def resolve_alias(arguments: list[str], commands: Mapping[str, Any], ctx: Any) -> list[str]:
    """Return the arguments of the program with the name of a command in place of an alias.

    Args:
        arguments: The command's name and its own arguments.
        commands: The commands of the program by their names.
        ctx: The context of the program.

    Raises:
        UsageError: `cp` does not say which side is on the storage.
    """
    word, *rest = arguments
    if word in commands:
        return arguments
    if word == CP:
        return _resolve_cp(rest, commands, ctx)
    if word == HELP and rest:
        return [*resolve_alias(rest, commands, ctx), "--help"]
    name = ALIASES.get(word, word)
    return [name if name in commands else word, *rest]


def join_sort_key(arguments: list[str]) -> list[str]:
    """Return the arguments of `list` with `--sort KEY` as `--sort-by=KEY`; `--sort` may also stand before a path.

    A word that looks like a key is one, so that a wrong key is not taken for a path. A path was named before, or holds
    another character than letters, as the slash at its end.
    """
    joined: list[str] = []
    for word in arguments:
        if joined and joined[-1] == "--sort" and _is_meant_as_key(word, joined):
            joined[-1] = f"--sort-by={word}"
        else:
            joined.append(f"--sort-by={word[7:]}" if word.startswith("--sort=") else word)
    return joined


def _is_meant_as_key(word: str, before: list[str]) -> bool:
    alike = word.isalpha() and get_close_matches(word.lower(), SORT_WORDS, 1, ALIKE)
    return word in SORT_WORDS or (bool(alike) and word not in before)


def alias_meanings(commands: Mapping[str, Any]) -> dict[str, str]:
    """Return what each word stands for."""
    return {word: meaning for words, meaning in alias_lines(commands) for word in words.split(", ")}


def alias_lines(commands: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each alias with what it stands for, for the help of the program."""
    for name in dict.fromkeys(ALIASES.values()):
        if name in commands:
            yield ", ".join(word for word, each in ALIASES.items() if each == name), name
    both = ", copy" if "copy" in commands else ""
    yield CP, f"get, put{both}: home:x and :x are on the storage"
    yield HELP, "--help; also help get, help paths, help exit-codes"
    yield VERSION, "--version"


def _resolve_cp(arguments: list[str], commands: Mapping[str, Any], ctx: Any) -> list[str]:
    """Return the arguments of `get`, `put` or `copy`, whichever the paths of `cp` ask for."""
    words = _paths(arguments, commands, ctx)
    remote = [_is_remote(word) for word in words]
    if len(words) < 2 or not any(remote):
        raise UsageError(
            "cp: no argument says which side is on the storage, as home:x, :x and profile:x do",
            hint=f"{PROGRAM} get PATH LOCAL, or {PROGRAM} put LOCAL PATH",
        )
    if remote[0] and remote[-1]:
        if "copy" not in commands:
            raise UsageError("cp: both sides are on the storage", hint=f"use {DIRECT} cp")
        return ["copy", *arguments]
    absolute = {word: f"/{word[1:].lstrip('/')}" for word in words if word.startswith(":")}
    return ["get" if remote[0] else "put", *(absolute.get(each, each) for each in arguments)]


def _paths(arguments: list[str], commands: Mapping[str, Any], ctx: Any) -> list[str]:
    """Return the arguments that are neither options nor their values, as the first command reads them that can."""
    for name in ("get", "put", "copy"):
        if name not in commands:
            continue
        command = commands[name].real
        parser = command.make_parser(type(ctx)(command, parent=ctx, info_name=name))
        try:
            found, rest, _ = parser.parse_args(list(arguments))
        except Exception:  # noqa: BLE001, S112  (the next command may know the option)
            continue
        values = [found.get(each.name) for each in command.get_params(ctx) if each.param_type_name == "argument"]
        words = [word for each in values for word in (each if isinstance(each, list | tuple) else [each])]
        return [word for word in (*words, *rest) if isinstance(word, str)]
    return [word for word in arguments if not word.startswith("-")]


def _is_remote(text: str) -> bool:
    from ctadata.cli.locations import parse_side

    return parse_side(text) is not None
