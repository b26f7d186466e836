"""Records of the agent on disk, as JSON: read only where every field has its type."""

from __future__ import annotations

import json
from types import NoneType, UnionType
from typing import TypeVar, get_args, get_type_hints

from ctadata.tokens.token import parse_seconds

T = TypeVar("T")

LONGEST = 4096
"""Characters of a text in a record."""


def read_record(kind: type[T], text: str | None) -> T | None:
    """The record in a text; None where there is none, or it is broken: whoever wrote it last may have been killed."""
    try:
        told = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    hints = get_type_hints(kind)
    if not isinstance(told, dict) or not all(name in hints and _fits(told[name], hints[name]) for name in told):
        return None
    try:
        return kind(**told)
    except TypeError:  # a field is missing
        return None


def _fits(value: object, hint: object) -> bool:
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if value is None or isinstance(value, bool):
        return (NoneType if value is None else bool) in kinds
    if isinstance(value, int) and int in kinds:
        return abs(value) < 1 << 63
    if isinstance(value, int | float):
        return float in kinds and parse_seconds(value) is not None
    return isinstance(value, str) and str in kinds and len(value) <= LONGEST and "\0" not in value
