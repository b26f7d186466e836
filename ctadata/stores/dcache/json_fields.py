"""What a REST interface tells in JSON, read as what it should be; ServerTrouble where it is something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctadata.errors import ServerTrouble


def fields(told: object) -> Mapping[str, Any]:
    """An object."""
    if not isinstance(told, dict):
        raise not_meant()
    return told


def rows(told: object) -> list[Mapping[str, Any]]:
    """A list of objects; none where it is not there."""
    return [fields(row) for row in items(told)]


def texts(told: object) -> list[str]:
    """A list of texts; none where it is not there."""
    return [text(one) for one in items(told)]


def text(told: object) -> str:
    """A text."""
    if not isinstance(told, str):
        raise not_meant()
    return told


def number(told: object) -> int | None:
    """A whole number; None where it is not there."""
    if told is not None and type(told) is not int:
        raise not_meant()
    return told


def not_meant() -> ServerTrouble:
    """The error for an answer that is none of this interface."""
    return ServerTrouble("the server answers what dCache does not", hint="is the key frontend of the profile right?")


def whole(told: object, *, below: int) -> int | None:
    """A whole number from 0 on; None for what is none, or is not `below` the limit."""
    return told if type(told) is int and 0 <= told < below else None


def items(told: object) -> list[Any]:
    """A list, whatever is in it; empty where it is not there."""
    if told is not None and not isinstance(told, list):
        raise not_meant()
    return told or []
