"""Build the group of all commands, with the common options, from the table of commands."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from copy import copy as copy_of
from functools import partial
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from ctadata.cli import aliases, options
from ctadata.cli.command_table import DIRECT_COMMANDS, GROUP_HELP, PLATFORM_COMMANDS, CommandEntry
from ctadata.cli.completion import KEYS_HERE
from ctadata.cli.deferred import DeferredCommand
from ctadata.cli.output import DIRECT, PLATFORM, PROGRAM, write_line
from ctadata.cli.plain_values import PlainCommand, PlainGroup
from ctadata.cli.platform import GREETING, HELP_TEXTS
from ctadata.errors import UsageError

_AT_PLATFORM = PROGRAM == PLATFORM
_SECTIONS = PLATFORM_COMMANDS if _AT_PLATFORM else DIRECT_COMMANDS
_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
_TYPER: dict[str, Any] = {
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": _SETTINGS,
}

_DIRECT_GREETING = """Files on CTA storage: log in once, then list, get and put, verified.

\b
  cta-data-direct start-agent               log in, and stay logged in
  cta-data-direct list lst                  list a directory
  cta-data-direct get lst/some/file.fits    to the current directory
  cta-data-direct get -r lst/some/run out   a directory, to out/run
  cta-data-direct put results.h5 papers/    to your home on the storage
  cta-data-direct sandbox                   a test storage on this machine

Paths start from the root of the storage; only the target of put starts
from your home. home:papers and '~/papers' name your home in all commands.
"""


def command_line() -> TyperGroup:
    """Return the group of all commands; the module of a command is imported when the command is called."""
    app = typer.Typer(cls=_Sections, name=PROGRAM, **_TYPER)
    app.callback(help=GREETING if _AT_PLATFORM else _DIRECT_GREETING)(common_options)
    group: TyperGroup = typer.main.get_command(app)  # type: ignore[assignment]  # it adds --show-completion
    common = [_hidden(each) if each.name in _RARE else each for each in group.params if each.name in _COMMON]
    for section in _SECTIONS.values():
        for name, entry in section.items():
            word, _, action = name.partition(" ")
            if action and word in section:
                continue  # the command `word` is a group too, and builds what is below it
            if action and word not in group.commands:
                group.add_command(_subgroup(word, common))
            holder: Any = group.commands[word] if action else group
            below = {each: section[each] for each in section if each.startswith(f"{name} ")}
            holder.add_command(_defer(name, entry, common, below))
    return group


def _defer(name: str, entry: CommandEntry, common: list[Any], below: Mapping[str, CommandEntry]) -> Any:
    """Return a command that is built when it is called; the arguments are those of `_build`."""
    return DeferredCommand(name.rpartition(" ")[2], _summary(name, entry), partial(_build, name, entry, common, below))


def _subgroup(name: str, common: list[Any]) -> TyperGroup:
    """A group for the commands of two words that begin with this name."""
    group = typer.main.get_group(
        typer.Typer(cls=PlainGroup, name=name, help=GROUP_HELP[name], add_completion=False, **_TYPER)
    )
    group.params.extend(common)
    return group


def _summary(name: str, entry: CommandEntry) -> str:
    """The line in the help of all commands."""
    return HELP_TEXTS[name].partition("\n")[0] if _AT_PLATFORM and name in HELP_TEXTS else entry.summary


def _build(name: str, entry: CommandEntry, common: list[Any], below: Mapping[str, CommandEntry]) -> Any:
    """Import the module of a command, and build the command with its own options and the common ones.

    Args:
        name: The name of the command.
        entry: Its line in the table.
        common: The common options.
        below: The commands of two words that begin with this name. If there are some, the command is their group, and
            does its own work if none of them is called.
    """
    function = getattr(importlib.import_module(f"ctadata.cli.commands.{entry.module}"), entry.function)
    text = (_AT_PLATFORM and HELP_TEXTS.get(name)) or (function.__doc__ or "").replace(DIRECT, PROGRAM)
    app = typer.Typer(add_completion=False, **_TYPER)
    settings = {**_SETTINGS, **entry.settings}
    if below:
        app.callback(cls=PlainGroup, invoke_without_command=True, context_settings=settings, help=text)(function)
        app.info.name = name
    else:
        app.command(name.rpartition(" ")[2], cls=PlainCommand, context_settings=settings, help=text)(function)
    command: Any = typer.main.get_command(app)
    for each, one in below.items():
        command.add_command(_defer(each, one, common, {}))
    for each in command.params:
        if each.param_type_name == "argument":  # typer 0.29 would show its Python type: `PATH <list[str]>`
            each.display_type_rich = lambda ctx: None  # noqa: ARG005
    command.params.extend(common)
    if _AT_PLATFORM and name in options.AT_PLATFORM:
        command.params[:] = [_hidden(each) if each.name in _NOT_AT_PLATFORM else each for each in command.params]
    return command


class _Sections(PlainGroup):
    """A group whose help shows the commands below headings, and which knows the words of other programs."""

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> tuple[Any, Any, list[str]]:  # type: ignore[override]
        """Return the command that the arguments name, also by an alias."""
        if ctx.resilient_parsing and args[0] in (aliases.HELP, aliases.VERSION):
            return None, None, []  # completion runs neither: it offers the commands again
        if args[0] == aliases.HELP:
            _write_topic(ctx, args[1:])
        if {"-h", "--help"} & {*args[1:]} and args[0] in (aliases.CP, aliases.HELP, aliases.VERSION):
            _write_topic(ctx, args)
        if args[0] == aliases.VERSION:
            if args[1:]:
                raise UsageError(f"version: too many arguments: {' '.join(args[1:])}")
            _version(True)
        if args[1:] == ["-h"]:  # list and du have an option -h; alone, it is help everywhere
            args = [args[0], "--help"]
        args = aliases.resolve_alias(args, self.commands, ctx)
        if args[0] == "list":
            args = aliases.join_sort_key(args)
            ctx.meta[KEYS_HERE] = aliases.SORT_WORDS if args[-1] == "--sort" else ()
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands; for completion, also the words of other programs."""
        names = super().list_commands(ctx)
        return [*names, *aliases.alias_meanings(self.commands)] if ctx.resilient_parsing else names

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of this name; for completion, a word of other programs is one too."""
        meaning = aliases.alias_meanings(self.commands).get(cmd_name) if ctx.resilient_parsing else None
        return TyperCommand(cmd_name, short_help=meaning) if meaning else super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]  # noqa: ARG002
        """Write each command with its summary."""
        width = max(map(len, self.commands)) + 1
        for heading, part in _SECTIONS.items():
            names = dict.fromkeys(name.partition(" ")[0] for name in part)
            with formatter.section(heading):
                formatter.write_dl(
                    [(name.ljust(width), self.commands[name].get_short_help_str(formatter.width)) for name in names]
                )
        with formatter.section("Words of other programs"):
            formatter.write_dl([(word.ljust(width), name) for word, name in aliases.alias_lines(self.commands)])


def _write_topic(ctx: Any, words: list[str]) -> None:
    """Write the help of the program or of a topic, and end; return if the words name a command."""
    from ctadata.cli.help_topics import cp_text, topic_text

    word = words[0] if words else aliases.HELP
    if word == aliases.CP:
        text: str | None = cp_text(ctx.command.commands)
    else:
        text = ctx.get_help() if word in (aliases.HELP, aliases.VERSION) else topic_text(word)
    if text is not None:
        write_line(text.rstrip("\n"))
        raise typer.Exit


def _hidden(option: Any) -> Any:
    """A copy of the option that help and completion do not show."""
    option = copy_of(option)
    option.hidden = True
    return option


_RARE = ("no_input", "no_color")
"""Common options that only the help of the program shows."""
_COMMON = ("profile", "dev", "verbose", "quiet", *_RARE)
_NOT_AT_PLATFORM = ("profile", "dev", "login", "stage", "content_type", "redirect_to")
"""Options that the platform's services refuse."""


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        write_line(f"{PROGRAM} {version('ctadata')}")
        raise typer.Exit


def common_options(
    ctx: typer.Context,
    profile: options.Profile = None,  # noqa: ARG001  (the callbacks store the values)
    dev: options.Dev = False,  # noqa: ARG001
    verbose: options.Verbose = 0,  # noqa: ARG001
    quiet: options.Quiet = False,  # noqa: ARG001
    no_input: options.NoInput = False,  # noqa: ARG001
    no_color: options.NoColor = False,  # noqa: ARG001
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Store the common options, which their callbacks do; for `put`, add the profile's notice to the help."""
    if ctx.invoked_subcommand == "put":
        from ctadata.cli.commands.put import notice

        group: TyperGroup = ctx.command  # type: ignore[assignment]
        put: Any = group.commands["put"]
        put.real.epilog = notice(ctx)
