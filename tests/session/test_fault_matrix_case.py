"""A local file system for which `A` and `a` are one name: no file is replaced by a different one.

Only root could mount such a file system here, so the system calls that name files are made to behave like one.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from session.conftest import OpenSession

from ctadata.sandbox import Sandbox
from ctadata.transfer.plan import Rules

NAMED = ("stat", "open", "mkdir", "unlink")
NAMED_TWICE = ("link", "rename")


def as_it_stands(name: str, folder: int | None) -> str:
    """Return the spelling in which the file system has a name of this folder."""
    names = os.listdir(folder) if folder is not None else []
    return next((each for each in names if each.casefold() == str(name).casefold()), name)


@pytest.fixture
def without_case(monkeypatch: pytest.MonkeyPatch) -> None:
    one_at_a_time = threading.RLock()  # for a file system, looking a name up and using it is one step

    def once(real: Callable[..., object]) -> Callable[..., object]:
        def call(name: str, *rest: object, dir_fd: int | None = None, **options: object) -> object:
            with one_at_a_time:
                return real(as_it_stands(name, dir_fd), *rest, dir_fd=dir_fd, **options)

        return call

    def twice(real: Callable[..., object]) -> Callable[..., object]:
        def call(source: str, target: str, *, dst_dir_fd: int | None = None, **options: object) -> object:
            with one_at_a_time:
                return real(source, as_it_stands(target, dst_dir_fd), dst_dir_fd=dst_dir_fd, **options)

        return call

    for name in NAMED:
        monkeypatch.setattr(os, name, once(getattr(os, name)))
    for name in NAMED_TWICE:
        monkeypatch.setattr(os, name, twice(getattr(os, name)))


CONTENTS = {"Run": b"upper case", "run": b"lower"}
SAID = "exists, and this file system takes it for the same name"


@pytest.mark.usefixtures("without_case")
def test_of_two_files_one_arrives_and_the_other_is_a_failure(
    box: Sandbox, open_session: OpenSession, tmp_path: Path
) -> None:
    for name, content in CONTENTS.items():
        box.files.put(f"/lst/d/{name}", content)
    session, out = open_session(), tmp_path / "out"
    for dry_run in (False, False, True):
        summary = session.get(["lst/d/"], str(out), recursive=True, rules=Rules(dry_run=dry_run))
        [error] = summary.errors
        assert SAID in str(error)
        assert (summary.exit_code, summary.done + summary.skipped) == (6, 1)
        [name] = os.listdir(out)
        assert (out / name).read_bytes() == CONTENTS[name]


@pytest.mark.usefixtures("without_case")
def test_of_two_directories_one_arrives_and_the_other_is_a_failure(
    box: Sandbox, open_session: OpenSession, tmp_path: Path
) -> None:
    for name, content in CONTENTS.items():
        box.files.put(f"/lst/d/{name}/f", content)
    session, out = open_session(), tmp_path / "out"
    summary = session.get(["lst/d/"], str(out), recursive=True)
    [error] = summary.errors
    assert SAID in str(error)
    assert (summary.exit_code, summary.done) == (6, 1)
    [name] = os.listdir(out)
    assert (out / name / "f").read_bytes() == CONTENTS[name]


@pytest.mark.usefixtures("without_case")
def test_a_file_is_replaced_under_its_own_name(box: Sandbox, open_session: OpenSession, tmp_path: Path) -> None:
    box.files.put("/lst/d/Run", b"new")
    (tmp_path / "Run").write_bytes(b"the old one")
    assert open_session().get(["lst/d/Run"], f"{tmp_path}/").exit_code == 0
    assert (tmp_path / "Run").read_bytes() == b"new"


def test_on_a_case_sensitive_file_system_both_arrive(box: Sandbox, open_session: OpenSession, tmp_path: Path) -> None:
    for name, content in CONTENTS.items():
        box.files.put(f"/lst/d/{name}", content)
    (tmp_path / "Run").write_bytes(b"old")
    (tmp_path / "run").hardlink_to(tmp_path / "Run")
    assert open_session().get(["lst/d/"], str(tmp_path), recursive=True).exit_code == 0
    assert {name: (tmp_path / name).read_bytes() for name in CONTENTS} == CONTENTS
