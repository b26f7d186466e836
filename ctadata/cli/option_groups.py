"""Options that several commands share: a dataclass holds them, and a command takes it as one parameter."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints


def expand_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter that is a dataclass by the dataclass's fields, for typer.

    Args:
        command: A command function. The fields of its dataclasses have annotations like the parameters of a command,
            and all of them have defaults.

    Returns:
        A function with the fields as parameters; it builds the dataclasses and calls the command.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters = inspect.signature(command).parameters
    groups = {name: hints[name] for name in parameters if dataclasses.is_dataclass(hints[name])}

    @functools.wraps(command)
    def flat(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in dataclasses.fields(group)})
        command(**values)

    expanded = list(_expand(parameters.values(), hints, groups))
    flat.__signature__ = inspect.Signature(expanded)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in expanded}
    return flat


def _expand(parameters: Any, hints: dict[str, Any], groups: dict[str, Any]) -> Iterator[inspect.Parameter]:
    for parameter in parameters:
        if parameter.name not in groups:
            yield parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
            continue
        group = groups[parameter.name]
        types = get_type_hints(group, include_extras=True)
        for field in dataclasses.fields(group):
            yield inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=types[field.name]
            )
