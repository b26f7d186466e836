"""The JSON Schemas of `ctadata/schemas`: the lines of a command with `--json` are compared with the one of its name."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

FOLDER = files("ctadata") / "schemas"
SHARED = {"entry", "run", "transfer", "version"}
"""The schemas to which others refer; no command has such a name."""


def names() -> set[str]:
    return {each.name.removesuffix(".json") for each in FOLDER.iterdir()}


@functools.cache
def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return loaded


@functools.cache
def validator(name: str) -> Draft202012Validator:
    def retrieve(uri: str) -> Resource[Any]:
        return Resource.from_contents(schema(uri.removesuffix(".json")), default_specification=DRAFT202012)

    return Draft202012Validator({"$ref": f"{name}.json"}, registry=Registry(retrieve=retrieve))


def check_output(words: Sequence[str], out: str) -> None:
    """Compare the stdout of a command line that has `--json` with the schema of its command."""
    if "--json" in words:
        candidates = (name for i, word in enumerate(words) for name in ("-".join(words[i : i + 2]), word))
        command = next(name for name in candidates if name in names())
        for line in out.splitlines():
            check_line(command, line)


def check_line(name: str, line: str) -> None:
    errors = [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(json.loads(line))]
    assert errors == [], f"not as ctadata/schemas/{name}.json says: {line}"
