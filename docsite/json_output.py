"""The page about the lines of `--json`, from the JSON Schemas of the package."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docsite.commands import PROGRAMS, ROOT, read_commands
from docsite.reference import cell, table

FOLDER = ROOT / "ctadata" / "schemas"
PAGE, COPIES = "reference/json.md", "reference/schemas"
SHARED = ("entry", "version", "transfer", "run")
"""The schemas to which the schemas of several commands refer."""
_TYPES = {"string": "text", "integer": "whole number", "boolean": "true or false", "array": "list"}


def json_pages() -> dict[str, str]:
    """Return the text of the page, and of the schemas beside it, by their paths below `docs`."""
    copies = {f"{COPIES}/{path.name}": path.read_text() for path in _schemas()}
    return {PAGE: "\n\n".join(_page()) + "\n", **copies}


def _schemas() -> list[Path]:
    """The schemas of several commands, then those of the commands in the order of the help."""
    words = [each.words.removeprefix(f"{program} ") for program in PROGRAMS for each in read_commands(program)]
    names = dict.fromkeys([*SHARED, *(each.replace(" ", "-") for each in words)])
    return [path for name in names if (path := FOLDER / f"{name}.json").exists()]


def _page() -> Iterator[str]:
    yield "# JSON output"
    yield (
        "A command with `--json` writes one JSON object a line (JSON Lines), in ASCII, to standard output. Messages "
        "and errors go to standard error as without `--json`, with the same [exit codes](exit-codes.md). A key never "
        "loses its meaning within one `schema`. A later version may add keys, so a program should ignore keys that it "
        "does not know."
    )
    yield (
        "Each command has a JSON Schema (2020-12) of its name. They are linked below, and the package has them: "
        '`importlib.resources.files("ctadata") / "schemas" / "list.json"`. They allow no other keys, so that they tell '
        "when the output of another version differs. Tests compare the output of each command with its schema."
    )
    for path in _schemas():
        schema = _read(path.name)
        yield f"## {schema['title'].removesuffix(' --json')}"
        yield f"{cell(schema['description'])} Schema: [{path.name}]({COPIES.rpartition('/')[2]}/{path.name})."
        kept = [each for each in (schema, *schema.get("anyOf", ())) if "$ref" in each]
        if kept:
            yield f"The keys are those of {' or '.join(_link(each['$ref']) for each in kept)}."
        for form in [schema, *schema.get("oneOf", ())]:
            if "properties" in form:
                yield table(("key", "value", "meaning"), _rows(form))


@functools.cache
def _read(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return schema


def _link(name: str) -> str:
    title = _read(name)["title"]
    return f"[{title.lower()}](#{title.lower().replace(' ', '-')})"


def _rows(form: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key, each in form["properties"].items():
        often = "" if key in form["required"] else " (not always there)"
        yield f"`{key}`", f"{_values(each)}{often}", cell(each.get("description", ""))


def _values(schema: dict[str, Any]) -> str:
    """Return in words which values a schema allows."""
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{json.dumps(each)}`" for each in schema.get("enum", [schema.get("const")]))
    if schema.get("format") == "date-time":
        return "time, as 2026-08-01T12:00:00Z" + (" or null" if "null" in schema["type"] else "")
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(_TYPES.get(each, each) for each in types)
