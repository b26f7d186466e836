"""Read the commands of a program, with their options, as plain data: man pages and the reference are made from it."""

from __future__ import annotations

import functools
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PROGRAMS = ("cta-data-direct", "cta-data")


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        words: The words that call it: `cta-data-direct receipts merge`.
        usage: The arguments that follow the words.
        summary: One line.
        paragraphs: The text after the summary; those that begin with a backspace keep their lines, as in click.
        arguments: Each argument with its meaning.
        options: Each option, with its short and long names, and its meaning.
        common: The options that several commands of the program share, in the same form.
        heading: The heading of the help below which it stands.
        parts: The commands below a program or a group: last word and summary.
    """

    words: str
    usage: str
    summary: str
    paragraphs: list[str]
    arguments: list[tuple[str, str]]
    options: list[tuple[str, str]]
    common: list[tuple[str, str]]
    heading: str
    parts: list[tuple[str, str]]

    @property
    def page(self) -> str:
        """The name of the command's pages: `cta-data-direct-receipts-merge`."""
        return self.words.replace(" ", "-")


@functools.cache
def read_commands(program: str) -> list[Command]:
    """Return the program, its groups and its commands, in the order of the help.

    Args:
        program: `cta-data-direct` or `cta-data`. The package decides at its import which of the two it is, so another
            process reads it.
    """
    line = [sys.executable, "-c", "from docsite.commands import print_commands; print_commands()", program]
    done = subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True)
    return [Command(**each) for each in json.loads(done.stdout)]


def print_commands() -> None:
    """Print the commands of the program that the first argument names, as JSON."""
    sys.argv = [sys.argv[1]]
    from ctadata.cli.app import command_line

    print(json.dumps([asdict(each) for each in _walk(sys.argv[0], command_line(), "", set())]))  # noqa: T201


def _walk(words: str, command: Any, heading: str, shared: set[str]) -> Iterator[Command]:
    from ctadata.cli.command_table import DIRECT_COMMANDS, PLATFORM_COMMANDS

    sections = DIRECT_COMMANDS if sys.argv[0] == PROGRAMS[0] else PLATFORM_COMMANDS
    command = getattr(command, "real", command)
    headings = {name.partition(" ")[0]: each for each, part in sections.items() for name in part}
    parts = getattr(command, "commands", {})
    with command.context_class(command, info_name=words, help_option_names=["-h", "--help"]) as ctx:
        yield _describe(words, command, ctx, heading, shared)
        shared = shared or {option for option, _ in _options(command, ctx)}
    for name in parts if heading else [name for name in headings if name in parts]:
        yield from _walk(f"{words} {name}", parts[name], heading or headings[name], shared)


def _describe(words: str, command: Any, ctx: Any, heading: str, shared: set[str]) -> Command:
    summary, _, rest = inspect.cleandoc(command.help or "").partition("\n\n")
    options = _options(command, ctx)
    text = [paragraph for paragraph in rest.split("\n\n") if paragraph.strip()]
    return Command(
        words=words,
        usage=" ".join(command.collect_usage_pieces(ctx)),
        summary=" ".join(summary.split()),
        paragraphs=text,
        arguments=[each.get_help_record(ctx) for each in _arguments(command, ctx)],
        options=[each for each in options if each[0] not in shared],
        common=[each for each in options if each[0] in shared],
        heading=heading,
        parts=[(name, each.get_short_help_str(200)) for name, each in getattr(command, "commands", {}).items()],
    )


def _arguments(command: Any, ctx: Any) -> Iterator[Any]:
    return (each for each in command.params if each.param_type_name == "argument" and each.get_help_record(ctx))


def _options(command: Any, ctx: Any) -> list[tuple[str, str]]:
    options = [each for each in command.get_params(ctx) if each.param_type_name == "option"]
    return [record for each in options if (record := each.get_help_record(ctx))]
