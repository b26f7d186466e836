"""The command line: the commands in the order of a first visit, and the options that all of them know."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from copy import copy as copy_of
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ctadata.cli import options
from ctadata.cli.commands.agent import agent_log, agent_status, get_token, logout, start_agent, stop_agent
from ctadata.cli.commands.alias import alias
from ctadata.cli.commands.buckets import buckets, make_bucket, remove_bucket
from ctadata.cli.commands.cache import clear_cache, list_cache
from ctadata.cli.commands.cat import cat
from ctadata.cli.commands.certificates import certificate_status, upload_personal_certificate, upload_shared_certificate
from ctadata.cli.commands.checksum import checksum
from ctadata.cli.commands.config import config
from ctadata.cli.commands.copy import copy
from ctadata.cli.commands.credentials import forget_credentials, import_credentials, show_credentials
from ctadata.cli.commands.dcache import label, qos, quota, xattr
from ctadata.cli.commands.doctor import doctor
from ctadata.cli.commands.du import du
from ctadata.cli.commands.exec import EXEC_SETTINGS, env, exec_
from ctadata.cli.commands.find import find
from ctadata.cli.commands.get import get
from ctadata.cli.commands.list import list_
from ctadata.cli.commands.mkdir import mkdir
from ctadata.cli.commands.mv import mv
from ctadata.cli.commands.put import notice, put
from ctadata.cli.commands.rm import rm, rmdir
from ctadata.cli.commands.sandbox import sandbox
from ctadata.cli.commands.share import share
from ctadata.cli.commands.stat import exists, get_home, stat
from ctadata.cli.commands.sync import sync
from ctadata.cli.commands.tape import locality, release, stage, stage_status
from ctadata.cli.commands.token import inspect_token
from ctadata.cli.commands.tree import tree
from ctadata.cli.commands.verify import verify
from ctadata.cli.output import DIRECT, PLATFORM, PROGRAM, data
from ctadata.cli.platform import GREETING, WORDS

_SETTINGS = {"help_option_names": ["-h", "--help"]}


def command_line() -> TyperGroup:
    """Everything, ready to be invoked."""
    app = typer.Typer(
        cls=_Sections,
        name=PROGRAM,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=_SETTINGS,
    )
    at_platform = PROGRAM == PLATFORM
    app.callback(help=GREETING if at_platform else everywhere.__doc__)(everywhere)
    groups: dict[str, typer.Typer] = {}
    for name, function in itertools.chain.from_iterable(part.items() for part in _SECTIONS.values()):
        word, _, action = name.partition(" ")
        if action and word not in groups:
            groups[word] = typer.Typer(rich_markup_mode=None, context_settings=_SETTINGS, help=_GROUPS[word])
            app.add_typer(groups[word], name=word)
        settings = {**_SETTINGS, **_OWN_SETTINGS.get(name, {})}
        words = (at_platform and WORDS.get(name)) or (function.__doc__ or "").replace(DIRECT, PROGRAM)
        (groups[word] if action else app).command(action or name, context_settings=settings, help=words)(function)
    group: TyperGroup = typer.main.get_command(app)  # type: ignore[assignment]
    _give(group, [_hidden(each) if each.name in _SELDOM else each for each in group.params if each.name in _COMMON])
    if at_platform:
        for name in options.AT_PLATFORM:
            params = group.commands[name].params
            params[:] = [_hidden(each) if each.name in _NOT_AT_PLATFORM else each for each in params]
    return group


class _Sections(TyperGroup):
    """The commands under headings: they are too many for one list."""

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]  # noqa: ARG002
        """Each with the first line of its help."""
        width = max(map(len, self.commands)) + 1
        for heading, part in _SECTIONS.items():
            names = dict.fromkeys(name.partition(" ")[0] for name in part)
            with formatter.section(heading):
                formatter.write_dl(
                    [(name.ljust(width), self.commands[name].get_short_help_str(formatter.width)) for name in names]
                )


def _hidden(option: Any) -> Any:
    """The option, in no help and no completion; others have the same object."""
    option = copy_of(option)
    option.hidden = True
    return option


def _give(group: TyperGroup, common: list[Any]) -> None:
    """Let every command know the common options, also those of a group such as `token`."""
    for each in group.commands.values():
        for argument in each.params:
            if argument.param_type_name == "argument":  # typer 0.29 would show its Python type: `PATH <list[str]>`
                argument.display_type_rich = lambda ctx: None  # type: ignore[attr-defined]  # noqa: ARG005
        each.params.extend(common)
        if hasattr(each, "commands"):
            _give(each, common)  # type: ignore[arg-type]


_COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    "Log in": {
        "start-agent": start_agent,
        "agent-status": agent_status,
        "stop-agent": stop_agent,
        "logout": logout,
        "agent-log": agent_log,
    },
    "Look": {
        "list": list_,
        "stat": stat,
        "exists": exists,
        "tree": tree,
        "du": du,
        "find": find,
        "checksum": checksum,
        "get-home": get_home,
    },
    "Move files": {
        "get": get,
        "cat": cat,
        "put": put,
        "sync": sync,
        "copy": copy,
        "verify": verify,
    },
    "Change what is there": {
        "mkdir": mkdir,
        "mv": mv,
        "rm": rm,
        "rmdir": rmdir,
        "share": share,
    },
    "What dCache has beside files": {
        "locality": locality,
        "stage": stage,
        "stage-status": stage_status,
        "release": release,
        "quota": quota,
        "qos": qos,
        "label": label,
        "xattr": xattr,
    },
    "What S3 has beside files": {
        "credentials import": import_credentials,
        "credentials show": show_credentials,
        "credentials forget": forget_credentials,
        "buckets": buckets,
        "make-bucket": make_bucket,
        "remove-bucket": remove_bucket,
        "alias": alias,
    },
    "For other programs": {
        "get-token": get_token,
        "token inspect": inspect_token,
        "env": env,
        "exec": exec_,
    },
    "Settings, troubles, trials": {
        "config": config,
        "doctor": doctor,
        "cache list": list_cache,
        "cache clear": clear_cache,
        "sandbox": sandbox,
    },
}
"""What `cta-data-direct` has, under the headings of its help."""

_PLATFORM_COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    "Files": {name: each for part in _COMMANDS.values() for name, each in part.items() if name in options.AT_PLATFORM},
    "Certificates": {
        "upload-personal-certificate": upload_personal_certificate,
        "upload-shared-certificate": upload_shared_certificate,
        "certificate-status": certificate_status,
    },
    "Log in for cta-data-direct": {
        "start-agent": start_agent,
        "agent-status": agent_status,
        "stop-agent": stop_agent,
        "print-token": get_token,
        "get-token": get_token,
        "logout": logout,
    },
}
"""What `cta-data` has, whose names scripts know: the platform's, and those of the agent."""

_SECTIONS = _PLATFORM_COMMANDS if PROGRAM == PLATFORM else _COMMANDS


def at_storage_alone() -> set[str]:
    """The commands that we have under our other name alone."""
    return set().union(*_COMMANDS.values()).difference(*_SECTIONS.values())


_GROUPS = {
    "token": "Look at a token.",
    "credentials": "The access key of an S3 profile.",
    "cache": "The records of verified transfers on this machine.",
}
"""What a command of two words is about."""

_OWN_SETTINGS: dict[str, dict[str, bool]] = {"exec": EXEC_SETTINGS}
_SELDOM = ("no_input", "no_color")
"""Common options that only the help of all commands shows."""
_COMMON = ("profile", "dev", "verbose", "quiet", *_SELDOM)
_NOT_AT_PLATFORM = ("profile", "dev", "login", "stage", "content_type", "redirect_to")
"""What the platform's services refuse."""


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        data(f"{PROGRAM} {version('ctadata')}")
        raise typer.Exit


def everywhere(
    ctx: typer.Context,
    profile: options.Profile = None,  # noqa: ARG001  (taken by its callback, as those that follow)
    dev: options.Dev = False,  # noqa: ARG001
    verbose: options.Verbose = 0,  # noqa: ARG001
    quiet: options.Quiet = False,  # noqa: ARG001
    no_input: options.NoInput = False,  # noqa: ARG001
    no_color: options.NoColor = False,  # noqa: ARG001
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", help="Say which version this is.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Files on CTA storage: log in once, then list, get and put, verified.

    \b
      cta-data-direct start-agent               log in; keeps the login fresh
      cta-data-direct list lst                  what is there
      cta-data-direct get lst/some/file.fits    a file, to here
      cta-data-direct get -r lst/some/run out   a directory, to out/run
      cta-data-direct put results.h5 papers/    to your home on the storage
      cta-data-direct sandbox                   a storage of your own, to try it

    Paths start from the root of the storage; only what put writes to starts
    from your home there. home:papers or '~/papers' is your home everywhere.
    """
    if ctx.invoked_subcommand == "put":
        group: TyperGroup = ctx.command  # type: ignore[assignment]
        group.commands["put"].epilog = notice(ctx)
