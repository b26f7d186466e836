"""The generated files of the repository say what the program says now."""

from docsite.generated import SHARED, generated_files, out_of_date


def test_man_pages_and_completion_files_are_those_of_the_commands() -> None:
    assert out_of_date(generated_files(), SHARED) == [], "run bin/docs --write"
