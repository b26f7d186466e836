"""The table of environment variables is complete: the sources read no other one."""

import ast
import re
from pathlib import Path

import pytest

import ctadata
from ctadata.config.variables import VARIABLES

LOOKS_LIKE_ONE = re.compile("_?(CTADATA|CTA_DATA|BEARER|XDG|SSL_CERT|X509)_[A-Z][A-Z_]+")
SOURCES = sorted(Path(ctadata.__file__).parent.rglob("*.py"))


def asked_for(tree):
    """Return every constant in `environ[...]`, `env[...]`, their `.get(...)`, `getenv(...)` and `... in env`."""

    def is_env(node):
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
        return name in ("environ", "env")

    def is_question(function):
        if not isinstance(function, ast.Attribute):
            return False
        return function.attr == "getenv" or (function.attr in ("get", "pop") and is_env(function.value))

    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and is_env(node.value):
            yield node.slice
        elif isinstance(node, ast.Compare) and any(map(is_env, node.comparators)):
            yield node.left
        elif isinstance(node, ast.Call) and node.args and is_question(node.func):
            yield node.args[0]


@pytest.mark.parametrize("source", [p for p in SOURCES if "sandbox" not in p.parts], ids=lambda p: p.stem)
def test_only_known_variables_are_read(source):
    known = {variable.name for variable in VARIABLES} | {"PATH", "PYTHONPATH"}  # of every program
    tree = ast.parse(source.read_text())
    names = {node.value for node in asked_for(tree) if isinstance(node, ast.Constant)}
    assert names <= known
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert {text for text in texts if LOOKS_LIKE_ONE.fullmatch(text)} <= known


def test_the_search_for_variables_finds_each_form():
    tree = ast.parse("os.environ['A'], env.get('B'), os.getenv('C'), 'D' in env, other.get('E')")
    assert {node.value for node in asked_for(tree)} == {"A", "B", "C", "D"}


def test_each_variable_is_listed_once():
    names = [variable.name for variable in VARIABLES]
    assert len(names) == len(set(names))
