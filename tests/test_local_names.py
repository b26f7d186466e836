"""Names that no local file may have, and names that Windows refuses."""

import posixpath
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.errors import LocalError
from ctadata.local_names import check_local_name

NAME = (
    st.binary(min_size=1, max_size=30)
    .map(lambda raw: raw.decode("utf-8", "surrogateescape"))
    .filter(lambda name: name not in (".", "..") and "/" not in name and "\0" not in name)
)


DOTS = st.text(alphabet="./%2eE2fF\0a", max_size=20)


@given(st.one_of(NAME, DOTS, st.sampled_from(["", ".", "..", "a/b", "/", "\0", "../x"])))
def test_a_local_name_never_leads_anywhere(name: str) -> None:
    try:
        kept = check_local_name(name, windows=False)
    except LocalError:
        return
    assert kept == name
    assert (Path("/target") / kept).parent == Path("/target")
    assert posixpath.normpath(posixpath.join("/target", kept)) == "/target/" + name


@pytest.mark.parametrize(
    "name", ["a\\b", "C:", "c:x", "a:stream", "x\n", "trailing.", "trailing ", "a?", "CON", "nul.txt", "Com1.a.b"]
)
def test_names_that_mean_something_else_on_windows(name: str) -> None:
    with pytest.raises(LocalError):
        check_local_name(name, windows=True)
    assert check_local_name(name, windows=False) == name


@pytest.mark.parametrize("name", ["a.txt", ".hidden", "CONTENT", "com10", "ü"])
def test_names_that_are_fine_everywhere(name: str) -> None:
    assert check_local_name(name, windows=True) == name
