"""Patterns, and the selection of a tree by filters."""

import pytest

from ctadata.errors import UsageError
from ctadata.namespace.filters import Filters, is_pattern


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("*.h5", "a.h5", True),
        ("*.h5", "run/deep/a.h5", True),
        ("*.h5", "a.h5.tmp", False),
        ("run_?", "run_1/a/b", True),
        ("run_?", "run_10/a", False),
        ("run_[!0-3]", "run_4/a", True),
        ("run_[!0-3]", "run_2/a", False),
        ("run/*.h5", "run/a.h5", True),
        ("run/*.h5", "run/deep/a.h5", False),
        ("run/*.h5", "x/run/a.h5", False),
        ("/a.h5", "a.h5", True),
        ("/a.h5", "run/a.h5", False),
        ("**/log/*", "log/a", True),
        ("**/log/*", "x/y/log/a", True),
        ("run/**/a", "run/a", True),
        ("run/**/a", "run/x/y/a", True),
        ("run/**", "run/x/y", True),
        ("log/", "log/a", True),
        ("log/", "x/log/a", True),
        ("log/", "x/log", False),
        ("*", ".hidden", True),
        ("A*", "a", False),
        ("größe*", "x/größe ∑.bin", True),
        ("*", "line\nbreak", True),
    ],
)
def test_patterns(pattern: str, path: str, covered: bool) -> None:
    parts = path.split("/")
    assert Filters.read(include=[pattern]).takes(parts) == covered
    assert Filters.read(exclude=[pattern]).takes(parts) != covered


@pytest.mark.parametrize("pattern", ["", "/", "a/../b", "..", "."])
def test_invalid_patterns(pattern: str) -> None:
    with pytest.raises(UsageError):
        Filters.read(include=[pattern])


def test_exclude_wins_and_nothing_said_takes_all() -> None:
    both = Filters.read(["*.h5", "keep"], ["bad*"])
    assert both.takes(["a.h5"])
    assert both.takes(["keep", "x", "y"])
    assert not both.takes(["bad.h5"])
    assert not both.takes(["keep", "bad", "y"])
    assert not both.takes(["a.txt"])
    assert Filters().takes(["anything"])
    assert not Filters()
    assert both


def test_directories_are_entered_unless_excluded_and_selected_if_included() -> None:
    filters = Filters.read(["*.h5", "keep"], ["log/"])
    assert filters.enters(["run"])
    assert not filters.enters(["run", "log"])
    assert filters.takes(["log"]) is False
    assert filters.takes_directory(["keep", "empty"])
    assert not filters.takes_directory(["run"])
    assert not filters.takes_directory(["keep", "log"])


@pytest.mark.parametrize(("text", "answer"), [("a*", True), ("a?", True), ("[a]", True), ("a]", False), ("a", False)])
def test_texts_with_wildcards_are_patterns(text: str, answer: bool) -> None:
    assert is_pattern(text) == answer
