"""JSON as dCache writes it: objects of its own in many lines, as Jackson does; errors and short answers in one."""

from __future__ import annotations

import json


def dump_compact(value: object) -> str:
    """Return JSON in one line, without blanks."""
    return json.dumps(value, separators=(",", ":"))


def dump_pretty(value: object, depth: int = 0) -> str:
    """Return JSON with a line for each member of an object; an array stays in the line of its name."""
    if isinstance(value, dict):
        if not value:
            return "{ }"
        inside = "  " * (depth + 1)
        members = ",\n".join(
            f"{inside}{json.dumps(key)} : {dump_pretty(item, depth + 1)}" for key, item in value.items()
        )
        return "{\n" + members + "\n" + "  " * depth + "}"
    if isinstance(value, list):
        return "[ " + ", ".join(dump_pretty(item, depth) for item in value) + " ]" if value else "[ ]"
    return json.dumps(value)
