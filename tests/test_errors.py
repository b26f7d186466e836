"""The tree of errors: exit codes, messages, and the picture in the docstring."""

import inspect
import os
import pickle
import re
import subprocess
import sys

import pytest

from ctadata import errors
from ctadata.errors import CtadataError, Forbidden, NotFound, PartialFailure, TimedOut

EVERY = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, CtadataError)]


def drawn() -> list[tuple[int, str, int]]:
    """Return depth, name and exit code of each line of the picture in the module's docstring."""
    lines = re.findall(r"^ {4}([│├└─ ]*)(\w+) +(\d+) {3}\S", str(errors.__doc__), re.MULTILINE)
    return [(len(branches) // 4, name, int(code)) for branches, name, code in lines]


def test_the_picture_shows_every_error_once() -> None:
    assert sorted(name for _, name, _ in drawn()) == sorted(cls.__name__ for cls in EVERY)


def test_the_picture_shows_the_bases() -> None:
    above: list[str] = []
    for depth, name, _ in drawn():
        del above[depth:]
        if above:
            assert getattr(errors, name).__base__.__name__ == above[-1]
        above.append(name)


def test_the_picture_shows_the_exit_codes() -> None:
    assert {name: code for _, name, code in drawn()} == {cls.__name__: cls.exit_code for cls in EVERY}


def test_failures_of_server_and_network_are_retryable() -> None:
    assert {cls.__name__ for cls in EVERY if cls.retryable} == {
        *("TemporaryError", "Unreachable", "Interrupted", "Changed", "Busy", "ServerTrouble"),
        *("TimedOut", "IntegrityError"),
    }


def test_the_text_of_an_error_is_path_what_and_hint() -> None:
    assert str(NotFound("no such file")) == "no such file"
    assert str(NotFound("no such file", path="/a")) == "/a: no such file"
    assert str(Forbidden("not allowed", path="/a", hint="ask the owner")) == "/a: not allowed (ask the owner)"
    assert str(Forbidden("not allowed", hint="ask the owner")) == "not allowed (ask the owner)"


def test_the_text_of_an_error_controls_no_terminal() -> None:
    error = NotFound("no \x1b[31m", path="/a\x9b31m\u202e", hint="a\nb")
    assert str(error) == r"/a\x9b31m\u202e: no \x1b[31m (a\nb)"
    assert error.path == "/a\x9b31m\u202e"
    assert "\x9b" not in str(PartialFailure([error], [])) + str(errors.Incomplete([error]))


def test_what_an_error_carries() -> None:
    error = errors.Busy("busy", status=429, retry_after=2.5)
    assert (error.what, error.hint, error.path, error.status, error.retry_after) == ("busy", "", "", 429, 2.5)


@pytest.mark.parametrize("cls", EVERY)
def test_an_error_can_be_pickled(cls: type[CtadataError]) -> None:
    """An error that cannot be pickled would leave a process pool waiting for ever."""
    inner = NotFound("no such file", hint="look", path="/a", status=404)
    error = cls([inner], [1]) if issubclass(cls, PartialFailure) else cls("what", hint="do", path="/a")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (cls, str(error))
    assert {**vars(again), "failures": 0} == {**vars(error), "failures": 0}
    assert list(map(str, getattr(again, "failures", []))) == list(map(str, getattr(error, "failures", [])))


def test_a_path_that_is_set_later_is_in_the_text() -> None:
    error = NotFound("no such file")
    error.path = "/a"
    assert str(error) == "/a: no such file"


@pytest.mark.parametrize(
    ("done", "code"),
    [(["one"], 6), ([], NotFound.exit_code)],
)
def test_a_partial_failure_counts_failures(done: list[str], code: int) -> None:
    failure = PartialFailure([NotFound("no such file", path="/a"), TimedOut("silence", path="/b")], done)
    assert failure.code == code
    assert failure.done == done
    assert [str(error) for error in failure.failures] == ["/a: no such file", "/b: silence"]
    assert str(failure) == f"2 of {2 + len(done)} failed: /a: no such file"


NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell("from ctadata import direct\\ndirect.list_dir('/a/../b')")
"""


@pytest.mark.parametrize(("debug", "inner"), [("0", False), ("1", True)])
def test_a_notebook_shows_the_frames_of_the_caller(debug: str, inner: bool) -> None:
    env = {**os.environ, "CTADATA_DEBUG": debug, "CTADATA_DOOR": "http://127.0.0.1:1", "BEARER_TOKEN": "x"}
    done = subprocess.run([sys.executable, "-c", NOTEBOOK], env=env, capture_output=True, text=True, check=True)
    shown = done.stdout + done.stderr
    assert "UsageError: '..' cannot be a name in a remote path" in shown
    assert "direct.list_dir('/a/../b')" in shown
    assert ("ctadata/paths.py" in shown) == inner
