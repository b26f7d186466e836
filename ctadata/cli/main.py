"""Run a command line: an error becomes a message on stderr and an exit code here, and nowhere else.

A command ends in one of three ways: it returns (exit code 0), it raises `typer.Exit`, or it raises one of the errors
in `ctadata.errors`. No traceback reaches the user.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import typer

from ctadata.cli.app import command_line
from ctadata.cli.command_table import direct_only
from ctadata.cli.completion import COMPLETION, rejoin_words
from ctadata.cli.option_advice import advise
from ctadata.cli.output import DIRECT, PROGRAM, discard, discard_if_full, end_output, prepare_streams, say
from ctadata.errors import CtadataError, LocalError, PartialFailure, StorageFull

FEW_COMMANDS = 10
"""A group with fewer commands names them all in the message for a missing command."""

USAGE_ERROR = typer.BadParameter.__mro__[2]
"""The base class of typer's errors about a command line; its name differs between versions of typer."""


_PLAIN_WORDS = (
    (r"got unexpected extra arguments? \((.*)\)", r"too many arguments: \1"),
    (r"got unexpected extra argument\(s\) \((.*)\)", r"too many arguments: \1"),
    (r"Input should be a valid integer.*", "it must be a whole number"),
    (r"Input should be a valid number.*", "it must be a number"),
    (r"Input should be greater than or equal to (\S+)", r"it must be \1 or more"),
    (r"Input should be less than or equal to (\S+)", r"it must be \1 or less"),
)
"""What typer and its checks say about arguments, as patterns with the words that we use for it."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Args:
        arguments: The arguments after the program's name.

    Returns:
        The exit code.
    """
    prepare_streams()
    try:
        if os.environ.get(COMPLETION):
            return _complete()
        code = _run_and_report(arguments)
    finally:
        end_output()
    try:
        sys.stdout.flush()
    except OSError as error:
        code = _report_stdout_error(error, code)
    discard_if_full(sys.stderr)
    return code


def _complete() -> int:
    """Print completions for the shell; print no message, whatever goes wrong."""
    try:
        rejoin_words(os.environ)
        command_line().main(prog_name=PROGRAM, complete_var=COMPLETION)
    except (Exception, KeyboardInterrupt):  # noqa: BLE001  (a message would appear inside the user's command line)
        return 1
    finally:
        discard_if_full(sys.stdout)
    return 0


def _run_and_report(arguments: Sequence[str]) -> int:
    try:
        return _invoke(arguments)
    except CtadataError as error:
        say(str(error))
        return error.code if isinstance(error, PartialFailure) else error.exit_code
    except KeyboardInterrupt:
        say("stopped")
        return 130
    except OSError as error:
        if error.filename is None and error.errno == errno.ENOENT and _is_working_directory_gone():
            error = FileNotFoundError(error.errno, "the working directory no longer exists", "")
        # not `resources.is_file_shortage`: to import it may take a file
        is_of_file = error.filename is not None or error.errno in (errno.EMFILE, errno.ENFILE)
        return _report_file_error(error) if is_of_file else _report_stdout_error(error, 0)
    except Exception as error:  # noqa: BLE001  (no traceback reaches the user)
        return _report_unexpected(error)


def _invoke(arguments: Sequence[str]) -> int:
    command = command_line()
    try:
        with command.make_context(PROGRAM, list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except EOFError:
        say("the question has no answer: standard input has ended")
        return 1
    except Exception as error:
        if not isinstance(error, USAGE_ERROR):
            raise
        say(_usage_line(error))
        return 2
    return 0


def _usage_line(error: Any) -> str:
    """The message for an error in the command line, on one line."""
    command = error.ctx.command_path if error.ctx else PROGRAM
    where = command.removeprefix(PROGRAM).strip()
    return f"{where and where + ': '}{_usage_words(error)} (see {command} --help)"


def _usage_words(error: Any) -> str:
    if getattr(error, "option_name", None) and hasattr(error, "possibilities"):
        advice = advise(error.ctx.info_name if error.ctx else "", error.option_name, error.possibilities or [])
        return f"no such option{f' {error.option_name}; {advice}' if advice else f': {error.option_name}'}"
    text = str(error.format_message())
    if text == "Missing command.":
        names = list(error.ctx.command.commands)
        return f"a command is missing: {', '.join(names)}" if len(names) < FEW_COMMANDS else "a command is missing"
    if text.startswith("Missing argument"):
        pieces = [re.sub("[{}]", "", piece) for piece in error.ctx.command.collect_usage_pieces(error.ctx)]
        return f"an argument is missing, as in: {' '.join([error.ctx.info_name, *pieces]).replace(' [OPTIONS]', '')}"
    if text.startswith("No such command") and (name := text.split("'")[1]) in direct_only():
        return f"no such command {name!r}, but {DIRECT} has it"
    text = text[:1].lower() + text[1:]
    for pattern, words in _PLAIN_WORDS:
        text = re.sub(pattern, words, text)
    return text.rstrip(".").replace(". Did you", "; did you")


def _report_stdout_error(error: OSError, code: int) -> int:
    """Return the exit code after stdout failed, and print why.

    A reader that closes its end of the pipe (`| head`) is no error.
    """
    discard(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return code
    if error.errno == errno.EBADF:
        say("local: standard output is closed")
    else:
        say(f"the output cannot be written: {error.strerror}")
    return (StorageFull if error.errno == errno.ENOSPC else LocalError).exit_code


def _is_working_directory_gone() -> bool:
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        return True
    return False


def _report_file_error(error: OSError) -> int:
    """Return the exit code after the system refused a local file, and print which file and why."""
    import logging

    from ctadata.printable import escape_unprintable
    from ctadata.resources import shortage_error

    logging.getLogger(__name__).debug("a local file", exc_info=error)
    kind = StorageFull if error.errno == errno.ENOSPC else LocalError
    path = escape_unprintable(os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "")
    refusal = shortage_error(error) or kind(f"local: {error.strerror or error}", path=path)
    say(str(refusal))
    return refusal.exit_code


def _report_unexpected(error: Exception) -> int:
    import logging

    from ctadata.resources import shortage_error

    logging.getLogger(__name__).debug("unexpected", exc_info=error)
    if (known := shortage_error(error)) is not None:
        say(str(known))
        return known.exit_code
    say(f"unexpected {type(error).__name__}: {error} (this is a bug in the program; -v -v shows where)")
    return CtadataError.exit_code
