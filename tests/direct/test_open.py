"""`direct.open`: parts of a remote file, and files that are written whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ctadata import direct
from ctadata.errors import NeedsStaging, NotFound, UsageError
from ctadata.sandbox import Sandbox
from ctadata.stores import ranged_file


@pytest.fixture
def box(use_sandbox: Callable[[Sandbox], None]) -> Iterator[Sandbox]:
    with Sandbox() as box:
        use_sandbox(box)
        yield box


def test_files_are_read_and_written(box: Sandbox) -> None:
    with direct.open("home:notes.txt", "w") as file:
        file.write("Größe\n")
    assert box.files.read("/lst/users/ada/notes.txt") == "Größe\n".encode()
    with direct.open("lst/users/ada/notes.txt", encoding="utf-8", mode="r") as file:
        assert file.read() == "Größe\n"
    with direct.open(Path("/lst/users/ada/notes.txt")) as file:
        file.seek(-2, 2)
        assert file.read() == b"e\n"
    with pytest.raises(FileNotFoundError) as raised:
        direct.open("lst/none")
    assert isinstance(raised.value, NotFound)


def test_a_file_on_tape_says_so_and_is_waited_for_if_asked(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged_file, "PATIENCE", 0.3)
    box.files.put("/lst/a", b"abc")
    box.tape.archive("/lst/a")
    box.tape.delay = 600
    with pytest.raises(NeedsStaging):
        direct.open("lst/a")
    box.tape.delay = 0
    box.files.put("/lst/b", b"abc")
    box.tape.archive("/lst/b")
    with direct.open("lst/b", stage=True) as file:
        assert file.read() == b"abc"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stge": True}, "no option stge"),
        ({"token": "secret"}, "no option token"),
        ({"encoding": "utf-8"}, "encoding is for text"),
    ],
)
def test_an_option_that_nothing_would_read_is_refused_by_name(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        direct.open("lst/a", **options)
    assert "secret" not in str(raised.value) + raised.value.hint
