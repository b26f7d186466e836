"""The picture and the file map in docs/design/architecture.md say what the code says."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "design" / "architecture.md"
OF_RECIPES = re.compile(r"/count\.py|/test_count\.py|stores/memory/")  # files that a recipe makes
SCRIPT = runpy.run_path(str(ROOT / "bin" / "architecture"))


def test_the_picture_is_the_one_that_the_script_draws() -> None:
    assert SCRIPT["BLOCK"].findall(PAGE.read_text()) == [SCRIPT["picture"]()], "run bin/architecture --write"


@pytest.mark.parametrize("page", [PAGE, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_each_file_that_the_page_names_exists(page: Path) -> None:
    names = set(re.findall(r"`([\w./-]+(?:\.py|\.md|\.toml|\.json|/))`", page.read_text()))
    assert names
    missing = [name for name in names if not ((ROOT / name).exists() or (ROOT / "ctadata" / name).exists())]
    assert [name for name in sorted(missing) if not OF_RECIPES.search(name)] == []


def test_each_layer_is_explained() -> None:
    explained = set(re.findall(r"`([\w]+)(?:\.py|/)?`", PAGE.read_text()))
    drawn = set(re.findall(r"\w+", " ".join(re.findall(r'^    L\d+\["(.*)"\]$', SCRIPT["picture"](), re.MULTILINE))))
    assert drawn - explained == set()
