"""What holds for every file of the package; the layers are import-linter's (pyproject.toml)."""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "ctadata").rglob("*.py"))
LONGEST_MODULE = 350
NAMED_FOR_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc"}
FORBIDDEN = re.compile(
    r"shell=True|verify=False|check_hostname *= *False|CERT_NONE|SSL_VERIFY(PEER|HOST), *(0|False)"
    r"|\b(TODO|FIXME|XXX|NotImplementedError)\b"
)


def functions(module: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield node


def length(function: ast.FunctionDef) -> int:
    """Lines of the body, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return 0 if not body else (body[-1].end_lineno or 0) - body[0].lineno + 1


def name_of(module: Path) -> str:
    return str(module.relative_to(ROOT))


def test_a_module_is_captioned_not_too_long_and_named_for_something() -> None:
    texts = {name_of(module): module.read_text() for module in MODULES}
    assert [name for name, text in texts.items() if not ast.get_docstring(ast.parse(text))] == []
    assert [name for name, text in texts.items() if len(text.splitlines()) > LONGEST_MODULE] == []
    assert [name for name, text in texts.items() if FORBIDDEN.search(text)] == []
    named_for_nothing = {name_of(module) for module in MODULES if module.stem in NAMED_FOR_NOTHING}
    assert named_for_nothing <= {"ctadata/util.py"}  # what 0.6 called it


def test_public_functions_and_classes_are_captioned() -> None:
    assert [name for module in MODULES if "sandbox" not in module.parts for name in without_docstring(module)] == []


def without_docstring(module: Path) -> list[str]:
    """The public functions and classes of a module, and their public methods, that have none."""
    tree = ast.parse(module.read_text())
    tops = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
    inside = [
        member
        for top in tops
        if isinstance(top, ast.ClassDef)
        for member in top.body
        if isinstance(member, ast.FunctionDef) and not member.name.startswith("_")
    ]
    return [f"{name_of(module)}: {n.name}" for n in (*tops, *inside) if not ast.get_docstring(n)]


def test_functions_are_short() -> None:
    lengths = [length(function) for module in MODULES for function in functions(module)]
    assert statistics.median(lengths) <= 9
    assert statistics.quantiles(lengths, n=10)[-1] <= 30


def test_no_class_is_named_for_a_pattern() -> None:
    names = re.findall(r"^class (\w+)", "\n".join(m.read_text() for m in MODULES), re.MULTILINE)
    assert [name for name in names if re.search(r"(Manager|Handler|Impl|Mixin)$", name)] == []
