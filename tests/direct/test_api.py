"""`from ctadata import direct`, as notebooks and scripts use it."""

import contextlib
import inspect
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ctadata import direct
from ctadata.direct import api
from ctadata.errors import CtadataError, LoginNeeded, NotFound, PartialFailure, UsageError
from ctadata.sandbox import Sandbox, faults
from ctadata.transfer.report import NullReporter, Outcome

HOME = "lst/users/ada"


@pytest.fixture
def box(use_sandbox: Callable[[Sandbox], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox whose profile and token are in the environment; the working directory is empty."""
    with Sandbox() as box:
        use_sandbox(box)
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        box.files.put("/lst/d/a b%.txt", b"spaced", mtime=1e9)
        box.files.put("/lst/d/sub/f", b"f" * 10)
        yield box


def test_listed_paths_can_be_passed_to_the_next_call(box: Sandbox) -> None:
    listed = direct.list_dir("lst/d")
    assert sorted(listed) == ["lst/d/a b%.txt", "lst/d/sub/"]
    assert direct.fetch_and_save_file(next(p for p in listed if p.endswith(".txt"))) == 6
    assert Path("a b%.txt").read_bytes() == b"spaced"
    assert direct.list_dir(listed[listed.index("lst/d/sub/")]) == ["lst/d/sub/f"]


def test_a_directory_is_sorted_by_the_bytes_of_its_names(box: Sandbox) -> None:
    """The sandbox lists in the order of creation; a door has an order of its own too."""
    for name in ("b", "é", "a/x", "a-1", "B", "10", "9", "\U0001f600", "\ufb00", "a.b"):
        box.files.put(f"/lst/s/{name}", b"1")
    expected = ["10", "9", "B", "a/", "a-1", "a.b", "b", "é", "\ufb00", "\U0001f600"]
    assert direct.list_dir("lst/s") == [f"lst/s/{name}" for name in expected]


def test_listed_paths_also_know_kind_size_and_time(box: Sandbox) -> None:
    by_name = {str(path): path for path in direct.list_dir("lst/d")}
    file, folder = by_name["lst/d/a b%.txt"], by_name["lst/d/sub/"]
    assert (file.kind, file.size, file.mtime) == ("file", 6, datetime.fromtimestamp(1e9, UTC))
    assert (folder.kind, folder.size) == ("directory", None)


def test_a_limit_of_the_rate_reaches_the_run(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from ctadata.session import Session

    rates, run = [], Session.run
    monkeypatch.setattr(Session, "run", lambda self, rules, *rest: rates.append(rules.rate) or run(self, rules, *rest))
    direct.fetch_and_save_file("lst/d/sub/f", limit_rate="10M")
    direct.upload_file("f", f"/{HOME}/f", limit_rate=4096)
    direct.get_many(["lst/d/sub/f"], "many", limit_rate="1M")
    direct.put_many(["f"], f"/{HOME}/many", limit_rate=8192)
    assert rates == [10 * 1024**2, 4096, 1024**2, 8192]
    with pytest.raises(UsageError, match=r"limit_rate: 'fast' is no number of bytes"):
        direct.upload_file("f", f"/{HOME}/f", limit_rate="fast")


@pytest.mark.parametrize("threads", [None, 1, 7, -5])
def test_a_recursive_listing_has_everything_below_and_not_the_directory_itself(
    box: Sandbox, threads: int | None
) -> None:
    listed = direct.list_dir("lst/d", recursive=True, n_threads=threads)
    assert sorted(listed) == ["lst/d/a b%.txt", "lst/d/sub/", "lst/d/sub/f"]


def test_downloads_return_the_bytes_of_all_files(box: Sandbox) -> None:
    assert direct.fetch_and_save_file_or_dir("lst/d", recursive=True) == 16
    assert Path("d/sub/f").read_bytes() == b"f" * 10
    assert direct.fetch_and_save_file_or_dir("lst/d", recursive=True) == 16  # an equal file exists


def test_a_file_is_saved_under_the_given_name(box: Sandbox) -> None:
    direct.fetch_and_save_file("lst/d/sub/f", "other")
    direct.fetch_and_save_file(Path("lst/d/sub/f"), save_to_fn=Path("third"))
    assert Path("other").read_bytes() == Path("third").read_bytes() == b"f" * 10


def test_uploads_return_the_path_of_the_file(box: Sandbox) -> None:
    Path("latest.txt").write_text("latest")
    assert direct.upload_file("latest.txt", "folder/new.md") == {
        "path": f"{HOME}/folder/new.md",
        "status": "uploaded",
        "total_written": 6,
    }
    assert direct.upload_file(Path("latest.txt"), "folder/")["path"] == f"{HOME}/folder/latest.txt"
    assert direct.upload_file("latest.txt", f"/{HOME}/abs")["path"] == f"{HOME}/abs"
    assert direct.upload_file("latest.txt", "folder/new.md")["status"] == "unchanged"
    Path("latest.txt").write_text("changed since")
    assert direct.upload_file("latest.txt", "folder/new.md", no_clobber=True)["status"] == "kept"
    assert box.files.read(f"/{HOME}/folder/new.md") == b"latest"
    assert direct.upload_file("latest.txt", "folder/new.md")["status"] == "uploaded"


def test_the_contents_of_a_directory_are_uploaded(box: Sandbox) -> None:
    Path("tree/sub").mkdir(parents=True)
    Path("tree/f").write_text("1")
    Path("tree/sub/g").write_text("22")
    uploads = direct.upload_dir("tree", "into")
    assert sorted((u["path"], u["total_written"]) for u in uploads) == [
        (f"{HOME}/into/f", 1),
        (f"{HOME}/into/sub/g", 2),
    ]
    assert sorted(box.files.tree(f"/{HOME}/into")) == sorted(f"/{HOME}/into/{n}" for n in ("f", "sub/", "sub/g"))


def test_all_files_are_tried_and_failures_are_raised(box: Sandbox) -> None:
    box.faults.add("door", "GET", "/lst/d/sub/f", faults.Status(403, "Forbidden"))
    with pytest.raises(PartialFailure) as caught:
        direct.fetch_and_save_file_or_dir("lst/d", recursive=True)
    assert [error.path for error in caught.value.failures] == ["/lst/d/sub/f"]
    assert caught.value.done == [6]
    assert Path("d/a b%.txt").exists()
    assert isinstance(caught.value, direct.PartialFailure)


def test_one_file_raises_its_own_error(box: Sandbox) -> None:
    with pytest.raises(NotFound):
        direct.fetch_and_save_file("lst/nothing")
    with pytest.raises(UsageError):
        direct.fetch_and_save_file("lst/d")
    with pytest.raises(NotFound):
        direct.upload_file("nothing", "x")
    with pytest.raises(NotADirectoryError):
        direct.upload_dir("nothing", "x")
    assert os.listdir() == []


def test_the_text_of_an_error_controls_no_terminal(box: Sandbox) -> None:
    hostile = "no\x1b[31m\x9b31m\u202epe"
    box.files.mkdir(f"/{HOME}/no")
    Path("tree").mkdir()
    Path("tree", hostile).write_text("1")
    calls = (
        lambda: direct.stat(hostile),
        lambda: direct.list_dir(hostile),
        lambda: direct.fetch_and_save_file(hostile),
        lambda: direct.upload_dir("tree", "no"),
    )
    for call in calls:
        with pytest.raises(CtadataError) as caught:
            call()
        assert r"no\x1b[31m\x9b31m\u202epe" in str(caught.value)
        assert str(caught.value).isprintable()


def test_the_exceptions_of_old_scripts_catch_ours(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(api.StorageException):
        direct.fetch_and_save_file("lst/nothing")
    with pytest.raises(api.DirectApiError):
        direct.list_dir("lst/nothing")
    monkeypatch.delenv("BEARER_TOKEN_FILE")
    with pytest.raises(api.TokenError) as caught:
        direct.list_dir("lst")
    assert isinstance(caught.value, LoginNeeded)
    assert "start-agent" in str(caught.value)
    monkeypatch.setenv("CTADATA_DOOR", "not a door")
    with pytest.raises(api.EnvironmentError):
        direct.list_dir("lst")
    assert issubclass(api.ClientSecretNotFound, CtadataError)


def test_nothing_is_printed(box: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    direct.fetch_and_save_file_or_dir("lst/d", recursive=True)
    Path("f").write_text("f")
    direct.upload_file("f", "f")
    with pytest.raises(CtadataError):
        direct.list_dir("lst/nothing")
    assert capfd.readouterr() == ("", "")


def test_the_module_is_found_under_its_own_name() -> None:
    assert direct.direct is direct
    assert direct.direct.upload_file is direct.upload_file
    assert api.APIClient is direct.APIClient


def test_signatures_are_real_and_documented() -> None:
    names = {
        "list_dir": ["path", "recursive", "n_threads"],
        "fetch_and_save_file": ["path", "save_to_fn"],
        "fetch_and_save_file_or_dir": ["path", "recursive"],
        "upload_file": ["local_fn", "path", "no_clobber"],
        "upload_dir": ["local_dir", "path", "no_clobber"],
    }
    for name, parameters in names.items():
        function = getattr(direct, name)
        assert list(inspect.signature(function).parameters)[: len(parameters)] == parameters
        assert inspect.getdoc(function)


def test_importing_does_nothing(tmp_path: Path) -> None:
    """The import reads no environment, home or files, and loads no heavy libraries."""
    code = (
        "import sys; from ctadata import direct\n"
        "heavy = {'pycurl', 'requests', 'rich', 'typer', 'segno', 'platformdirs'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    root = str(Path(direct.__file__).parents[2])
    result = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": root}, cwd=tmp_path, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert os.listdir(tmp_path) == []


def test_only_the_given_reporter_receives_progress(box: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []

    class Progress(NullReporter):
        def planned(self, files: int, size: int) -> None:
            told.append(f"planned {files} {size}")

        def ended(self, outcome: Outcome) -> None:
            told.append(f"{outcome.state} {outcome.remote.name}")

    direct.fetch_and_save_file("lst/d/sub/f", progress=contextlib.nullcontext(Progress()))
    direct.upload_file("f", "up/", progress=contextlib.nullcontext(Progress()))
    direct.fetch_and_save_file("lst/d/sub/f", "again", progress=False)
    assert told == ["planned 1 10", "done f", "planned 1 10", "done f"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (lambda: direct.list_dir("lst/none"), None),
        (lambda: direct.fetch_and_save_file("lst/d/sub/f"), ("door", "GET", faults.Status(403, "Forbidden"))),
        (lambda: direct.fetch_and_save_file("lst/d/sub/f"), ("door", "GET", faults.Redirect("file:///etc/passwd"))),
        (lambda: direct.list_dir("lst/d"), ("door", "PROPFIND", faults.Status(401, "login failed"))),
        (lambda: direct.upload_file("mine", "lst"), ("door", "PUT", faults.Status(507, "full"))),
    ],
    ids=["not found", "forbidden", "bad redirect", "401", "full"],
)
def test_no_traceback_shows_the_token_though_it_shows_local_variables(
    box: Sandbox, call: Callable[[], object], fault: tuple[str, str, faults.Fault] | None
) -> None:
    Path("mine").write_text("x")
    if fault:
        box.faults.add(fault[0], fault[1], "*", fault[2])
    with pytest.raises(CtadataError) as failed:
        call()
    told = list(traceback.TracebackException.from_exception(failed.value, capture_locals=True).format())
    for error in getattr(failed.value, "failures", []):
        told += traceback.TracebackException.from_exception(error, capture_locals=True).format()
    secret = Path(os.environ["BEARER_TOKEN_FILE"]).read_text()
    assert secret not in "".join(told)
    assert "self = " in "".join(told)
    assert api.APIClient().token == secret
    assert repr(api.APIClient().token) == repr(secret), "whoever asks for it may see it"
