"""Read the JSON of a REST interface as the types that it should have.

Each function returns the value in its type, and raises ServerTrouble if the value has another type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ctadata.errors import CtadataError, ServerTrouble
from ctadata.http.failures import error_from_response
from ctadata.http.messages import Response


def as_object(value: object) -> Mapping[str, Any]:
    """Return a JSON object as a mapping."""
    if not isinstance(value, dict):
        raise unexpected_json_error()
    return value


def as_objects(value: object) -> list[Mapping[str, Any]]:
    """Return a list of JSON objects; empty for None."""
    return [as_object(row) for row in as_list(value)]


def as_texts(value: object) -> list[str]:
    """Return a list of texts; empty for None."""
    return [as_text(item) for item in as_list(value)]


def as_text(value: object) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise unexpected_json_error()
    return value


def as_integer(value: object) -> int | None:
    """Return an integer; None for None."""
    if value is not None and type(value) is not int:
        raise unexpected_json_error()
    return value


def unexpected_json_error() -> ServerTrouble:
    """Return the error for an answer that is not from this interface."""
    return ServerTrouble("the server's answer is not one of dCache", hint="is the key frontend of the profile right?")


def as_bounded_integer(value: object, *, below: int) -> int | None:
    """Return an integer from 0 up to `below` (exclusive); None for any other value. This raises nothing."""
    return value if type(value) is int and 0 <= value < below else None


def as_list(value: object) -> list[Any]:
    """Return a list, whatever its items are; empty for None."""
    if value is not None and not isinstance(value, list):
        raise unexpected_json_error()
    return value or []


def find_stated_error(response: Response, answer: object) -> CtadataError | None:
    """Return the error that the `errors` of an answer state, whatever its status is; None if there are none.

    Args:
        response: The response.
        answer: The JSON of its body, as `{"errors": [{"status": "404", "message": ...}]}`.
    """
    errors = answer.get("errors") if isinstance(answer, dict) else None
    if not errors:
        return None
    failed = replace(response, body=json.dumps(answer).encode())
    match errors:
        case [{"status": status}, *_] if re.fullmatch("[45][0-9]{2}", str(status)):
            failed = replace(failed, status=int(status), reason="")
    return error_from_response(failed)
