"""The generated files of the repository say what the program says now."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # what makes the documentation is no part of the package

from docsite.generated import SHARED, generated_files, out_of_date  # noqa: E402


def test_man_pages_and_completion_files_are_those_of_the_commands() -> None:
    assert out_of_date(generated_files(), SHARED) == [], "run bin/docs --write"
