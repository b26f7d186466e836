"""Pages of the reference, from the program: commands, settings, errors, the Python interface."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable

from ctadata import errors
from ctadata.config import variables
from ctadata.config.builtin import BUILT_IN
from ctadata.config.keys import KEYS
from ctadata.config.profile import Profile
from docsite.commands import PROGRAMS, Command, read_commands

COMMANDS = "reference/commands"


def reference_pages() -> dict[str, str]:
    """Return the Markdown of each page by its path below `docs`."""
    pages = {"reference/settings.md": _settings(), "reference/errors.md": _errors(), "reference/python.md": _python()}
    for program in PROGRAMS:
        known = read_commands(program)
        pages |= {f"{COMMANDS}/{each.page}.md": _command(each, known) for each in known}
    return pages


def command_navigation() -> dict[str, dict[str, dict[str, str]]]:
    """Return the pages of the commands: by program, by heading of the help, by name."""
    navigation: dict[str, dict[str, dict[str, str]]] = {}
    for program in PROGRAMS:
        parts = navigation.setdefault(program, {})
        for each in read_commands(program):
            page = f"{COMMANDS}/{each.page}.md"
            parts.setdefault(each.heading or "All commands", {})[_last(each, program)] = page
    return navigation


def _last(command: Command, program: str) -> str:
    return command.words.removeprefix(f"{program} ")


def _command(command: Command, known: list[Command]) -> str:
    lines = [f"# {command.words}", command.summary, _fenced(f"{command.words} {command.usage}")]
    for text in command.paragraphs:
        is_verbatim = text.startswith("\b")
        lines.append(_fenced(inspect.cleandoc(text.removeprefix("\b\n"))) if is_verbatim else cell(text))
    below = [each for each in known if each.words.rpartition(" ")[0] == command.words]
    for heading in dict.fromkeys(each.heading for each in below):
        lines.append(f"## {heading}" if command.words in PROGRAMS else "## Commands")
        rows = [(f"[`{_last(each, command.words)}`]({each.page}.md)", each.summary) for each in below]
        here = [row for row, each in zip(rows, below, strict=True) if each.heading == heading]
        lines.append(table(("command", "what it does"), here))
    titles = ("Arguments", command.arguments), ("Options", command.options), ("Common options", command.common)
    for title, pairs in titles:
        if pairs:
            rows = [(" ".join(f"`{name}`" for name in names.split(", ")), cell(text)) for names, text in pairs]
            lines += [f"## {title}", table((title.lower().rstrip("s"), "meaning"), rows)]
    if any("--json" in names for names, _ in command.options):
        anchor = _last(command, known[0].words).replace(" ", "-")
        lines.append(f"[JSON output](../json.md#{anchor}) explains the lines of `--json`.")
    lines.append("The exit codes are [the same for all commands](../exit-codes.md).")
    return "\n\n".join(lines) + "\n"


def _fenced(text: str) -> str:
    return f"```text\n{text}\n```"


def cell(text: str) -> str:
    """Return text of a help as Markdown that shows the same characters, on one line."""
    return re.sub(r"([\\`*_<>|{}\[\]~])", r"\\\1", " ".join(text.split()))


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of Markdown."""
    lines = [list(titles), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _settings() -> str:
    defaults = {field.name: field.default for field in dataclasses.fields(Profile)}
    keys = [
        (f"`{key.name}`", f"`{key.variable}`", _default(defaults[key.name]), cell(key.meaning), str(key.shape))
        for key in KEYS
    ]
    others = {
        "The profile and the output": variables.GENERAL,
        "Tokens, keys and secrets": variables.TOKENS,
        "The JupyterHub platform": variables.PLATFORM,
        "The shell, the system and other programs": variables.SYSTEM,
    }
    lines = [
        "# Settings and environment variables",
        "A setting comes from an option, else from its environment variable, else from the settings file, else from "
        "the built-in profile, else it has its default. [`cta-data-direct config`](commands/cta-data-direct-config.md) "
        "shows the value of each setting and where it comes from, and names the settings file.",
        "## Keys of a profile",
        table(("key", "variable", "default", "meaning", "form"), keys),
        "In a variable, commas separate the items of a list.",
    ]
    for title, part in others.items():
        lines += [f"## {title}", table(("variable", "meaning"), [(f"`{v.name}`", cell(v.meaning)) for v in part])]
    lines.append("## Built-in profiles")
    for name, values in BUILT_IN.items():
        lines += [f"### {name}", table(("key", "value"), [(f"`{k}`", _default(v)) for k, v in values.items()])]
    return "\n\n".join(lines) + "\n"


def _default(value: object) -> str:
    """Return a value as the settings file writes it; a dash if there is none."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return " ".join(_default(each) for each in value) or "-"
    return "-" if value in (None, "", dataclasses.MISSING) else f"`{value}`"


def _errors() -> str:
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.CtadataError)]
    rows = []
    for kind in kinds:
        code = kind.exit_code if isinstance(kind.exit_code, int) else errors.PartialFailure.exit_code
        base = (
            ""
            if kind is errors.CtadataError
            else f"[`{kind.__base__.__name__}`][ctadata.errors.{kind.__base__.__name__}]"
        )
        meaning = inspect.getdoc(kind).partition("\n")[0]
        rows.append((f"[`{kind.__name__}`][ctadata.errors.{kind.__name__}]", base, str(code), cell(meaning)))
    head = (
        "All errors are classes of `ctadata.errors`. A command that ends with one has its [exit code](exit-codes.md)."
    )
    body = "\n\n".join(f"::: ctadata.errors.{kind.__name__}" for kind in kinds)
    return f"# Errors in Python\n\n{head}\n\n{table(('class', 'base', 'exit code', 'meaning'), rows)}\n\n{body}\n"


def _python() -> str:
    from ctadata import __all__ as platform_names
    from ctadata import direct

    lines = [
        "# Python",
        "`from ctadata import direct` talks to the storage of a profile. `import ctadata` has the functions of the "
        "JupyterHub platform. `ctadata.filesystem` opens files for libraries that use fsspec "
        "([guide](../guides/analysis.md)).",
        "## ctadata.direct",
    ]
    skipped = {"direct", "api", "PartialFailure"}
    lines += [f"::: ctadata.direct.{name}" for name in direct.__all__ if name not in skipped]
    lines.append("## ctadata")
    lines += [f"::: ctadata.{name}" for name in platform_names if name not in {*skipped, "start_agent_daemon"}]
    return "\n\n".join(lines) + "\n"
