"""Everything that users type or that scripts read keeps its name: options, exit codes, settings, Python names, keys
of JSON.

`public_names.json` holds the names; a name that is new is added there, and none is taken away. A function that was
renamed inside keeps its public name. `python tests/cli/test_public_names.py` prints what holds now, but for the JSON.
"""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

KEPT = json.loads((Path(__file__).parent / "public_names.json").read_text()) if __name__ != "__main__" else {}
PROGRAMS = ("cta-data-direct", "cta-data")
MODULES = ("ctadata", "ctadata.direct", "ctadata.errors", "ctadata.api", "ctadata.util", "ctadata.direct.api")
OPTIONS_OF = """
import json, sys
sys.argv[0] = sys.argv[1]
from ctadata.cli.app import command_line
def walk(name, command):
    command = getattr(command, "real", command)
    for word, each in getattr(command, "commands", {}).items():
        yield from walk(f"{name} {word}".strip(), each)
    yield name, sorted({word for param in command.params for word in (*param.opts, *param.secondary_opts)
                        if word.startswith("-")})
print(json.dumps(dict(walk("", command_line()))))
"""


def options_of(program: str) -> dict[str, list[str]]:
    done = subprocess.run([sys.executable, "-c", OPTIONS_OF, program], check=True, capture_output=True, text=True)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def exit_codes() -> dict[str, int]:
    errors = importlib.import_module("ctadata.errors")
    return {name: each.exit_code for name, each in vars(errors).items() if hasattr(each, "exit_code")}


def python_names(module: str) -> dict[str, list[str]]:
    """Each public name of the module, with the names of the parameters it takes."""
    found = importlib.import_module(module)
    names = getattr(found, "__all__", None) or [
        name for name, each in vars(found).items() if getattr(each, "__module__", None) == module and name[0] != "_"
    ]
    return {name: parameters(getattr(found, name)) for name in names}


def parameters(found: object) -> list[str]:
    if inspect.isclass(found):
        return sorted(name for name in dir(found) if not name.startswith("_"))
    return list(inspect.signature(found).parameters) if inspect.isfunction(found) else []


def settings() -> list[str]:
    return [key.name for key in importlib.import_module("ctadata.config.keys").KEYS]


def variables() -> list[str]:
    return [variable.name for variable in importlib.import_module("ctadata.config.variables").VARIABLES]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_option_of_every_command(program: str) -> None:
    found = options_of(program)
    assert {(name, option) for name, known in KEPT["options"][program].items() for option in known} <= {
        (name, option) for name, known in found.items() for option in known
    }
    assert KEPT["options"][program].keys() <= found.keys()


def test_exit_codes() -> None:
    assert KEPT["exit codes"].items() <= exit_codes().items()


@pytest.mark.parametrize("module", MODULES)
def test_names_of_python_with_their_parameters(module: str) -> None:
    found = python_names(module)
    for name, known in KEPT["python"][module].items():
        missing = [each for each in known if each not in found[name]]
        assert not missing, name
        if not inspect.isclass(getattr(importlib.import_module(module), name)):
            assert [each for each in found[name] if each in known] == known, f"{name}: another order"


def test_settings_and_variables() -> None:
    assert set(KEPT["settings"]) <= set(settings())
    assert set(KEPT["variables"]) <= set(variables())


@pytest.mark.parametrize("words", KEPT.get("json", {}))
def test_keys_of_json(at_box, box, words: str) -> None:
    box.files.put("/lst/kept/run/a.fits", b"abc")
    box.files.put("/lst/kept/b.txt", b"de")
    (at_box.cwd / "f").write_bytes(b"x")
    ended = at_box(*words.split())
    receipt = at_box.cwd / "r.jsonl"
    text = ended.out + (receipt.read_text() if receipt.exists() else "")
    lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    assert lines, ended
    assert set(KEPT["json"][words]) <= keys_of(lines)


def keys_of(found: object, at: str = "") -> set[str]:
    """Every key with those above it: `entry.size`; one of a list's elements stands for all."""
    if isinstance(found, list):
        return set().union(*(keys_of(each, at) for each in found)) if found else set()
    if not isinstance(found, dict):
        return set()
    names = {f"{at}.{key}".lstrip("."): value for key, value in found.items()}
    return set(names).union(*(keys_of(value, name) for name, value in names.items()))


if __name__ == "__main__":
    print(
        json.dumps(
            {
                "options": {program: options_of(program) for program in PROGRAMS},
                "exit codes": exit_codes(),
                "python": {module: python_names(module) for module in MODULES},
                "settings": settings(),
                "variables": variables(),
            },
            indent=1,
        )
    )
