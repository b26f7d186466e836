"""Convert the values of options and arguments without pydantic.

typer converts every value with pydantic from its version 0.29 on, also None and a text that stays a text. To import
pydantic takes longer (0.2 s of processor time) than everything else that a short command does. Values that need a real
conversion, such as numbers, still go to typer.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

_RAW = object()
"""What `_plain` returns for a value that typer has to convert."""


class _PlainParameters:
    """The part of a command or group that takes None, texts, paths and values of the right type as they are."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, and the option `--help`, with a conversion of our own."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if getattr(parameter, "_runtime_param", _RAW) is None:  # typer before 0.29 has no such attribute
                parameter._runtime_param = _PlainConversion()
        return parameters

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line; a mistake in it belongs to this command, also if the parser does not say so."""
        try:
            return super().parse_args(ctx, args)  # type: ignore[misc, no-any-return]
        except Exception as error:
            if getattr(error, "ctx", ctx) is None:
                error.ctx = ctx  # type: ignore[attr-defined]
            raise


class PlainCommand(_PlainParameters, TyperCommand):
    """A command whose options and arguments take plain values."""


class PlainGroup(_PlainParameters, TyperGroup):
    """A group whose own options take plain values."""


class _PlainConversion:
    """Converts the values of one parameter, called by typer as its own `RuntimeParam` is."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        plain = _plain(value, param.type_descriptor)
        if plain is not _RAW:
            return plain
        param._runtime_param = None  # typer builds its own
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)


def _plain(value: Any, described: Any) -> Any:
    """The converted value, or `_RAW`."""
    annotation, info = described.annotation, described.parameter_info
    if value is None:
        return () if described.is_list else None
    if described.is_list:
        return list(value) if annotation == list[str] and not isinstance(value, str) else _RAW
    if annotation is Path and isinstance(value, str | Path) and not _must_check(Path(value), info):
        return Path(value)
    limited = info.min is not None or info.max is not None
    return value if annotation in (str, bool, int, float) and type(value) is annotation and not limited else _RAW


def _must_check(path: Path, info: Any) -> bool:
    """Whether typer has something to say of this path: its options ask for a check, or the file is not readable."""
    if info.exists or info.writable or info.resolve_path or not (info.file_okay and info.dir_okay):
        return True
    return info.readable and path.exists() and not os.access(path, os.R_OK)
