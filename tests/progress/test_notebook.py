"""The bar of a notebook: real widgets, without a browser."""

import sys
import types

import ipywidgets  # noqa: F401  (imports IPython, which some tests replace)
import pytest

from ctadata.errors import Busy
from ctadata.paths import RemotePath
from ctadata.progress import notebook, reporters
from ctadata.progress.plain import PlainReporter
from ctadata.transfer.report import Outcome, State

FILE = RemotePath(("lst", "f"))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_bar_follows_a_run_and_stays(clock: Clock) -> None:
    shown: list[object] = []
    with notebook.NotebookReporter(shown.append, clock) as reporter:
        [box] = shown
        assert box.children == (reporter.bar, reporter.label)
        reporter.planned(2, 1000)
        clock.now += notebook.EVERY
        reporter.moved("/lst/f", 250)
        assert reporter.bar.value == 0.25
        assert reporter.label.value.startswith("0 of 2 files, 250 B of 1000 B")
        clock.now += notebook.EVERY / 2
        reporter.moved("/lst/f", 250)
        assert reporter.bar.value == 0.25  # not every block is a message to the browser
        reporter.moved("/lst/f", 500)
        for _ in range(2):
            reporter.ended(Outcome(State.DONE, FILE, size=500))
    assert reporter.bar.value == 1.0
    assert reporter.label.value.startswith("2 of 2 files, 1000 B of 1000 B")
    assert reporter.bar.bar_style == "success"


def test_sizes_have_units(clock: Clock) -> None:
    with notebook.NotebookReporter(lambda widget: None, clock) as reporter:
        reporter.planned(2, 3 << 30)
        clock.now += notebook.EVERY
        reporter.moved("/lst/f", 1 << 30)
        assert reporter.label.value.startswith("0 of 2 files, 1.0 GiB of 3.0 GiB")


def test_a_failure_shows(clock: Clock) -> None:
    with notebook.NotebookReporter(lambda widget: None, clock) as reporter:
        reporter.planned(1, 10)
        reporter.ended(Outcome(State.FAILED, FILE, error=Busy("busy")))
    assert reporter.bar.bar_style == "danger"
    assert reporter.label.value.endswith(", 1 failed")


def test_an_error_turns_the_bar_red(clock: Clock) -> None:
    reporter = notebook.NotebookReporter(lambda widget: None, clock)
    with pytest.raises(Busy), reporter:
        raise Busy("busy")
    assert reporter.bar.bar_style == "danger"


def test_skipped_files_alone_fill_the_bar(clock: Clock) -> None:
    with notebook.NotebookReporter(lambda widget: None, clock) as reporter:
        reporter.ended(Outcome(State.SKIPPED, FILE, why="equal"))
    assert reporter.bar.value == 1.0


def test_the_bar_is_about_the_bytes_that_are_to_move(clock: Clock) -> None:
    with notebook.NotebookReporter(lambda widget: None, clock) as reporter:
        reporter.planned(10, 10_000)
        reporter.planned(0, -8_000)
        for _ in range(8):
            reporter.ended(Outcome(State.SKIPPED, FILE, why="equal", size=1_000))
        reporter.moved("/f", 1_000)
    assert reporter.bar.value == 0.5
    assert reporter.label.value.startswith("8 of 10 files")


@pytest.mark.parametrize(("kernel", "widgets", "bar"), [(True, True, True), (True, False, False), (False, True, False)])
def test_the_notebook_reporter_is_chosen_in_a_kernel_with_widgets(
    monkeypatch: pytest.MonkeyPatch, kernel: bool, widgets: bool, bar: bool
) -> None:
    shell = types.SimpleNamespace(**({"kernel": object()} if kernel else {}))
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    if not widgets:
        monkeypatch.setitem(sys.modules, "ipywidgets", None)
    expected = notebook.NotebookReporter if bar else PlainReporter
    assert isinstance(reporters.default_reporter(), expected)


def test_without_ipython_the_notebook_reporter_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not notebook.is_notebook()
    assert "IPython" not in sys.modules
