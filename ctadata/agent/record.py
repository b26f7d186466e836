"""Read the agent's records, which are JSON on disk. A record counts only if every field has its type."""

from __future__ import annotations

import json
from types import NoneType, UnionType
from typing import TypeVar, get_args, get_type_hints

from ctadata.tokens.token import parse_seconds

T = TypeVar("T")

LONGEST = 4096
"""The longest text in a record, in characters."""


def read_record(kind: type[T], text: str | None) -> T | None:
    """Return the record in a text; None if there is none or it is broken, as its writer may have been killed.

    Args:
        kind: The NamedTuple of the record.
        text: JSON. None if the file does not exist.
    """
    try:
        content = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    hints = get_type_hints(kind)
    if not isinstance(content, dict) or not all(
        name in hints and _has_type(content[name], hints[name]) for name in content
    ):
        return None
    try:
        return kind(**content)
    except TypeError:  # a field is missing
        return None


def _has_type(value: object, hint: object) -> bool:
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if value is None or isinstance(value, bool):
        return (NoneType if value is None else bool) in kinds
    if isinstance(value, int) and int in kinds:
        return abs(value) < 1 << 63
    if isinstance(value, int | float):
        return float in kinds and parse_seconds(value) is not None
    return isinstance(value, str) and str in kinds and len(value) <= LONGEST and "\0" not in value
