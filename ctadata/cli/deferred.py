"""A command whose module is imported when the command is called, and not for the help of all commands."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from typer.core import TyperCommand


class DeferredCommand(TyperCommand):
    """A command that is built when it is called, or when its options are completed.

    The group's help and the completion of command names need only its name and its summary.
    """

    def __init__(self, name: str, summary: str, build: Callable[[], TyperCommand]) -> None:
        """Keep the name and the line for the group's help.

        Args:
            name: The name below the group.
            summary: The line that the group's help shows.
            build: Imports the module, and returns the real command.
        """
        super().__init__(name, short_help=summary)
        self._build = build

    @functools.cached_property
    def real(self) -> TyperCommand:
        """The command with its options; its module is imported now."""
        return self._build()

    def make_context(self, *arguments: Any, **settings: Any) -> Any:
        """Parse the command line of the real command; the context names the real command, which is then invoked."""
        return self.real.make_context(*arguments, **settings)
