"""What a machine can see of `docs/design/writing.md`; the form of docstrings is ruff's (rules D)."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(p.name for p in (ROOT / "ctadata").iterdir() if (p / "__init__.py").exists() or list(p.glob("*.py")))
OPENINGS = re.compile(r"(?:^|(?<=[.;:] ))(Of|Whoever|Who|Those (?:of|that|who)|The same (?:for|of|as)|What is told)\b")
METAPHORS = re.compile(
    r"\b(crew|relief|landing|departure|standing|gates?|conduct|told|sayings?|vouchers?|lanes?|braked|telling|surplus"
    r"|whoever|rouse|wish|diary|visit(?:s|ed|ing)?|habits|skeleton)\b",
    re.IGNORECASE,
)


def texts(module: Path) -> Iterator[tuple[int, str]]:
    """Each docstring, each string that stands below a name, and each comment of a module, with its line."""
    source = module.read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and "noqa" not in token.string:
            yield token.start[0], token.string.lstrip("# ")


def sentences(text: str) -> str:
    """The text in one line a paragraph, without code between backticks."""
    return re.sub(r"[ \t]*\n[ \t]*(?=\S)", " ", re.sub(r"``?[^`]*``?", "x", text)).strip()


@pytest.mark.parametrize("folder", [".", *FOLDERS])
def test_sentences_say_who_does_what_and_use_the_fields_words(folder: str) -> None:
    modules = (ROOT / "ctadata").glob("*.py") if folder == "." else (ROOT / "ctadata" / folder).rglob("*.py")
    found = [
        f"{module.relative_to(ROOT)}:{line}: {match[0]}"
        for module in sorted(modules)
        for line, text in texts(module)
        for pattern in (OPENINGS, METAPHORS)
        if (match := pattern.search(sentences(text)))
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("folder", [".", *FOLDERS])
def test_names_are_the_fields_words(folder: str) -> None:
    modules = (ROOT / "ctadata").glob("*.py") if folder == "." else (ROOT / "ctadata" / folder).rglob("*.py")
    found = [
        f"{module.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for module in sorted(modules)
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and METAPHORS.search(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", node.name).replace("_", " "))
    ]
    assert not found, "\n" + "\n".join(found)


PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
OF_WORDS = {"writing.md", "glossary.md", "benchmarks.md"}  # they quote words, or are tables


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in OF_WORDS], ids=lambda page: page.name)
def test_pages_use_the_same_words(page: Path) -> None:
    prose = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    paragraphs = [sentences(paragraph) for paragraph in prose.split("\n\n")]
    assert not [match[0] for text in paragraphs for pattern in (OPENINGS, METAPHORS) if (match := pattern.search(text))]
