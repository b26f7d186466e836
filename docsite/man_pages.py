"""Man pages, from the commands: one page for each program and each command, in the macros of man(7)."""

from __future__ import annotations

import re

from ctadata.config.variables import VARIABLES
from docsite.commands import PROGRAMS, ROOT, Command, read_commands

EXIT_CODES = ROOT / "docs" / "reference" / "exit-codes.md"
ALIASES = {"ctadata": "cta-data"}
"""Further names of a program; man(1) reads the page of the other name."""


def man_pages() -> dict[str, str]:
    """Return the text of each page by its path below the repository."""
    pages = {f"share/man/man1/{name}.1": f".so man1/{other}.1\n" for name, other in ALIASES.items()}
    for program in PROGRAMS:
        known = read_commands(program)
        pages |= {f"share/man/man1/{each.page}.1": _page(each, known) for each in known}
    return pages


def _page(command: Command, known: list[Command]) -> str:
    examples = [text for text in command.paragraphs if text.startswith("\b")]
    prose = [text for text in command.paragraphs if not text.startswith("\b")]
    lines = [
        f'.TH "{escape(command.page.upper())}" 1 "" "ctadata" "Files on CTA storage"',
        *_section("NAME", [f"{escape(command.page)} \\- {escape(command.summary.rstrip('.'))}"]),
        *_section("SYNOPSIS", [f".B {escape(command.words)}", escape(command.usage)]),
        *_section("DESCRIPTION", [escape(command.summary), *(f".PP\n{_fill(text)}" for text in prose)]),
        *_section("EXAMPLES", [f".PP\n.nf\n{_verbatim(text)}\n.fi" for text in examples]),
        *_section("COMMANDS", _commands(command, known)),
        *_section("ARGUMENTS", _definitions(command.arguments)),
        *_section("OPTIONS", _definitions(command.options)),
        *_section("COMMON OPTIONS", _definitions(command.common)),
    ]
    if command.words in PROGRAMS:
        lines += _section("ENVIRONMENT", _definitions([(each.name, f"{each.meaning}.") for each in VARIABLES]))
    lines += _section("EXIT STATUS", _definitions(_exit_codes()))
    lines += _section("SEE ALSO", [", ".join(f".BR {escape(name)} (1)" for name in _see_also(command, known))])
    return "\n".join(lines).replace(", .BR", ",\n.BR").replace(" (1),", " (1),") + "\n"


def _see_also(command: Command, known: list[Command]) -> list[str]:
    """The pages above and below this one; for a program, the other program."""
    if command.words in PROGRAMS:
        return [program for program in PROGRAMS if program != command.words]
    above = command.words.rpartition(" ")[0]
    below = [each.page for each in known if each.words.startswith(f"{command.words} ")]
    return [*dict.fromkeys([known[0].page, above.replace(" ", "-")]), *below]


def _commands(command: Command, known: list[Command]) -> list[str]:
    lines: list[str] = []
    below = {each.words: each for each in known if each.words.rpartition(" ")[0] == command.words}
    for heading in dict.fromkeys(each.heading for each in below.values()):
        lines += [f".SS {escape(heading)}"] if command.words in PROGRAMS else []
        here = [each for each in below.values() if each.heading == heading]
        lines += [f".TP\n.BR {escape(each.page)} (1)\n{escape(each.summary)}" for each in here]
    return lines


def _exit_codes() -> list[tuple[str, str]]:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", EXIT_CODES.read_text(), re.MULTILINE)
    return [(code, f"{meaning}.") for code, meaning in rows]


def _section(title: str, lines: list[str]) -> list[str]:
    return [f".SH {title}", *lines] if lines else []


def _definitions(pairs: list[tuple[str, str]]) -> list[str]:
    return [f".TP\n.B {escape(name)}\n{escape(meaning)}" for name, meaning in pairs]


def _fill(paragraph: str) -> str:
    return escape(" ".join(paragraph.split()))


def _verbatim(paragraph: str) -> str:
    return "\n".join(escape(line) for line in paragraph.removeprefix("\b\n").splitlines())


def escape(text: str) -> str:
    """Return the text as roff prints it: `-` as a minus that can be copied, no line read as a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq")
    return re.sub(r"^(?=[.])", r"\\&", text, flags=re.MULTILINE)
