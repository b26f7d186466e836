"""JSON as dCache writes it: objects of its own in many lines, as Jackson does; errors and short answers in one."""

from __future__ import annotations

import json


def compact(value: object) -> str:
    """JSON in one line, without blanks."""
    return json.dumps(value, separators=(",", ":"))


def pretty(value: object, depth: int = 0) -> str:
    """JSON with one line for each member of an object, and arrays in the line of their name."""
    if isinstance(value, dict):
        if not value:
            return "{ }"
        inside = "  " * (depth + 1)
        members = ",\n".join(f"{inside}{json.dumps(key)} : {pretty(item, depth + 1)}" for key, item in value.items())
        return "{\n" + members + "\n" + "  " * depth + "}"
    if isinstance(value, list):
        return "[ " + ", ".join(pretty(item, depth) for item in value) + " ]" if value else "[ ]"
    return json.dumps(value)
