"""The reporters as they are seen: lines in a pipe, a picture on a terminal, silence."""

import contextlib
import errno
import io
import os
import re
import threading
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

from ctadata.errors import LocalError, NotFound
from ctadata.paths import RemotePath
from ctadata.progress.counting import CountingReporter
from ctadata.progress.format import outcome_line, outcome_lines
from ctadata.progress.plain import PlainReporter
from ctadata.progress.reporters import choose
from ctadata.progress.tally import Tally
from ctadata.progress.terminal import TerminalReporter, draw
from ctadata.transfer.report import Outcome, State

MIB = 1 << 20


def outcome(state=State.DONE, name="lst/a", **more):
    return Outcome(state, RemotePath.parse(name), **more)


@pytest.mark.parametrize(
    ("ended", "line"),
    [
        (
            outcome(size=2 * MIB, seconds=3.2, verified="size, adler32"),
            "done lst/a (2.0 MiB in 3 s; checked: size, adler32)",
        ),
        (outcome(size=2), "done lst/a (2 B in 0 s)"),
        (outcome(State.SKIPPED, why="equal"), "skipped lst/a (equal)"),
        (outcome(State.KEPT, why="it differs"), "kept lst/a (it differs)"),
        (outcome(State.PASSED, local=Path("x\x1b"), why="a socket"), "passed over x\\x1b (a socket)"),
        (outcome(State.FAILED, error=NotFound("gone", path="/lst/a")), "failed /lst/a: gone"),
        (outcome(name="e\x1b[2Jvil", size=1), "done e\\x1b[2Jvil (1 B in 0 s)"),
    ],
)
def test_line_of_an_ended_file(ended, line):
    assert outcome_line(ended) == line


@pytest.mark.parametrize(
    ("path", "repeated"),
    [
        ("/a: é/", "/a: é/"), ("/a: é/", "/a%3A%20%C3%A9/"), ("/a: é/", "/a%3a%20%c3%a9/"),
        ("/\udcff/", "/\udcff/"), ("/\udcff/", "/%FF/"), ("/\ud800/", "/\ud800/"),
    ],
)  # fmt: skip
def test_failures_that_differ_in_the_repeated_path_are_one_line(path, repeated):
    errors = [NotFound(f"gone: {repeated}{number}", path=f"{path}{number}") for number in range(5)]
    (line,) = outcome_lines([outcome(State.FAILED, error=error) for error in errors])
    assert line.startswith("failed 5 files: gone: /")


def test_failures_in_one_directory_are_named_by_their_files():
    error = LocalError("local: it is a link", path="out/d")
    (line,) = outcome_lines([outcome(State.FAILED, f"d/{number}", error=error) for number in range(5)])
    assert line == "failed 5 files: local: it is a link: d/0, d/1, d/2 and 2 more"


class TestPlain:
    def test_a_remark_is_written_at_once(self):
        out = io.StringIO()
        with PlainReporter(out) as reporter:
            reporter.remarked("2 files are on tape\x1b")
            assert out.getvalue() == "2 files are on tape\\x1b\n"

    def lines(self, seconds, rate, size=400 * MIB, **more):
        """The lines of a run of two files that moves `rate` bytes a second, and asks each second whether one is due."""
        out, now = io.StringIO(), [0.0]
        reporter = PlainReporter(out, clock=lambda: now[0], **more)
        reporter.planned(2, size)
        for _ in range(seconds):
            now[0] += 1
            reporter.moved("/a", rate)
            reporter.tick()
        return out.getvalue().splitlines()

    def test_a_line_has_the_time_the_percentage_and_the_seconds(self):
        [line] = self.lines(30, 0)
        time, _, rest = line.partition(" ")
        assert datetime.fromisoformat(time).tzinfo is not None
        assert rest == "0%, 0 of 2 files, 0 B of 400.0 MiB, 30 s elapsed"
        assert self.lines(10, 2 * MIB)[0].endswith(
            " 5%, 0 of 2 files, 20.0 MiB of 400.0 MiB, 2.0 MiB/s, 3:10 min left, 10 s elapsed"
        )

    def test_a_line_comes_each_thirty_seconds_or_five_percent(self):
        assert self.lines(9, 40 * MIB) == []  # a short run has none
        assert [line.split()[1] for line in self.lines(65, MIB)] == ["5%,", "10%,", "15%,"]  # 20, 40, 60 seconds
        assert [line.split()[1] for line in self.lines(65, MIB, 40_000 * MIB)] == ["0%,", "0%,"]  # 30, 60 seconds
        assert len(self.lines(65, 4 * MIB)) == 6  # and no more than one in ten seconds

    @pytest.mark.parametrize(("every", "count"), [(0, 0), (1, 60), (7, 8), (60, 1)])
    def test_the_user_sets_the_seconds(self, every, count):
        assert len(self.lines(60, 4 * MIB, every=every)) == count

    def test_a_run_that_moves_nothing_has_lines_too(self):
        """A thread writes them, in a run without any report."""
        read, write = os.pipe()
        with os.fdopen(read) as lines, os.fdopen(write, "w") as stream, PlainReporter(stream, every=0.01):
            assert "0%, 0 of 0 files" in lines.readline()
            assert "elapsed" in lines.readline()

    def test_equal_files_reduce_the_time_that_is_left(self):
        """Ten files are known from the walk; nine are equal, which takes no time."""
        out, now = io.StringIO(), [0.0]
        reporter = PlainReporter(out, clock=lambda: now[0])
        reporter.planned(10, 10 * MIB)
        for i in range(9):
            reporter.planned(0, -MIB)
            reporter.ended(outcome(State.SKIPPED, f"lst/{i}", why="equal", size=MIB))
        reporter.ended(outcome(State.FAILED, error=NotFound("gone")))
        now[0] += 10
        reporter.moved("/lst/9", MIB // 2)
        reporter.tick()
        words = "50%, 10 of 10 files, 512.0 KiB of 1.0 MiB, 51.2 KiB/s, 10 s left, 10 s elapsed, 1 failed\n"
        assert out.getvalue().partition(" ")[2] == words

    def test_a_line_for_each_file_only_if_verbose(self):
        quiet, loud = io.StringIO(), io.StringIO()
        for stream, verbose in ((quiet, False), (loud, True)):
            with PlainReporter(stream, verbose) as reporter:
                reporter.ended(outcome(size=1))
        assert quiet.getvalue() == ""
        assert loud.getvalue() == "done lst/a (1 B in 0 s)\n"


@contextlib.contextmanager
def terminal():
    """A terminal of 80 columns: the stream to write to, and a function that gives all that was written."""
    master, slave = os.openpty()
    seen = []

    def read():
        with contextlib.suppress(OSError):  # EIO is the end
            while block := os.read(master, 65536):
                seen.append(block)

    reader = threading.Thread(daemon=True, target=read)
    reader.start()
    stream = os.fdopen(slave, "w")

    def text():
        stream.close()
        reader.join(60)
        return b"".join(seen).decode()

    try:
        yield stream, text
    finally:
        stream.close()
        reader.join(60)
        os.close(master)


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


class TestTerminal:
    def draw(self, env, monkeypatch, verbose=False, ended=(), title=""):
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.delenv("NO_COLOR", raising=False)
        with terminal() as (stream, text):
            with TerminalReporter(stream, verbose, env, title) as reporter:
                reporter.planned(8, 4 * MIB)
                for i in range(7):
                    reporter.moved(f"/lst/f\x1b{i}", MIB // 4)
                for one in ended:
                    reporter.ended(one)
                reporter.live.refresh()
            return text()

    def test_shows_the_whole_and_some_files(self, monkeypatch):
        text = self.draw({}, monkeypatch)
        assert "0 of 8 files" in plain(text)
        assert "1.8 MiB of 4.0 MiB" in plain(text)
        assert "lst/f\\x1b0" in plain(text)
        assert "lst/f\\x1b6" not in plain(text)
        assert "and 2 more" in plain(text)

    def test_the_total_is_that_of_all_files_found(self, monkeypatch):
        """Those that are equal already count as files, and not as bytes; the bar and what is left are of the rest."""
        clock = [100.0]
        tally = Tally(lambda: clock[0])
        for _ in range(1000):
            tally.planned(1, MIB)
        for i in range(990):
            tally.planned(0, -MIB)
            tally.ended(outcome(State.SKIPPED, f"lst/{i}", why="equal", size=MIB))
        tally.started("/lst/x", 8 * MIB)
        tally.moved("/lst/x", 5 * MIB)
        clock[0] += 5
        with io.StringIO() as out:
            Console(file=out, width=100, force_terminal=False).print(draw(tally.snapshot()))
            counts, bar, file = out.getvalue().splitlines()
        assert counts.rstrip() == "990 of 1000 files  5.0 MiB of 10.0 MiB  1.0 MiB/s"
        assert re.fullmatch(r" 50%  ━+╸? +5 s elapsed  5 s left", bar.rstrip())
        assert file.rstrip() == "    5.0 MiB of 8.0 MiB  lst/x"

    def test_only_failures_are_red(self, monkeypatch):
        """Also the bar, whose usual colour in rich is nearly red."""
        red = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:31|91|38;2;249;38;114|38;5;(?:1|9|197))m([^\x1b]*)")
        assert red.findall(self.draw({}, monkeypatch, verbose=True, ended=[outcome(size=5)])) == []
        failed = [outcome(State.FAILED, "lst/bad", error=NotFound("gone", path="/lst/bad"))]
        assert {*red.findall(self.draw({}, monkeypatch, verbose=True, ended=failed))} == {
            "failed /lst/bad: gone",
            "  1 failed",
        }

    def test_the_title_of_the_window_is_set_and_comes_back(self, monkeypatch):
        text = self.draw({"TERM": "xterm-256color"}, monkeypatch, title="get x\x07\x1b]0;evil\x07")
        assert text.startswith("\x1b[22;0t\x1b]0;0% get x\\x07\\x1b]0;evil\\x07\x07")
        assert text.count("\x1b]0;") == text.count("% get") + 1
        assert text.rindex("\x1b]0;\x07\x1b[23;0t") > text.rindex("% get")

    @pytest.mark.parametrize(("term", "title"), [("xterm", ""), ("linux", "get"), ("vt100", "get"), ("", "get")])
    def test_other_terminals_have_no_title(self, monkeypatch, term, title):
        text = self.draw({"TERM": term}, monkeypatch, title=title)
        assert "\x1b]" not in text
        assert "t" not in re.findall(r"\x1b\[[0-9;]*([a-z])", text)

    def test_a_terminal_that_is_gone_stops_nothing(self, monkeypatch):
        class Gone(io.StringIO):
            def write(self, text):
                raise OSError(errno.EIO, "Input/output error")

            def isatty(self):
                return True

        monkeypatch.setenv("TERM", "xterm-256color")
        with TerminalReporter(Gone(), True, {"TERM": "xterm"}, "get") as reporter:
            reporter.ended(outcome())
            reporter.remarked("x")
            reporter.interject(["y"])
            reporter.live.refresh()

    def test_leaves_an_empty_screen_and_a_cursor(self, monkeypatch):
        text = self.draw({}, monkeypatch)
        assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
        assert text.rstrip().endswith("\x1b[2K")

    @pytest.mark.parametrize("variable", ["NO_COLOR", "CTADATA_NO_COLOR"])
    def test_colours_go_with_no_color(self, monkeypatch, variable):
        colour = re.compile(r"\x1b\[[0-9;]*3[0-9]")
        assert colour.search(self.draw({variable: ""}, monkeypatch))
        assert not colour.search(self.draw({variable: "1"}, monkeypatch))

    def test_verbose_writes_a_line_for_each_file(self, monkeypatch):
        ended = [outcome(name="lst/done\x07", size=5)]
        assert "done lst/done\\x07 (5 B" in plain(self.draw({}, monkeypatch, verbose=True, ended=ended))
        assert "done lst/done" not in plain(self.draw({}, monkeypatch, verbose=False, ended=ended))


class TestChoice:
    def kind(self, stream, **more):
        options = {"quiet": False, "verbose": False, "env": {"TERM": "xterm"}, **more}
        with choose(stream, **options) as reporter:
            return type(reporter)

    def test_a_pipe_gets_lines(self):
        assert self.kind(io.StringIO()) is PlainReporter

    def test_colours_forced_do_not_make_a_pipe_a_terminal(self):
        assert self.kind(io.StringIO(), env={"TERM": "xterm", "FORCE_COLOR": "1"}) is PlainReporter

    def test_a_terminal_gets_bars_unless_it_is_dumb(self):
        with terminal() as (stream, _):
            assert self.kind(stream) is TerminalReporter
            assert self.kind(stream, env={"TERM": "dumb"}) is PlainReporter
            assert self.kind(stream, env={}) is PlainReporter

    def test_quiet_shows_nothing_anywhere(self):
        with terminal() as (stream, _):
            assert self.kind(stream, quiet=True) is CountingReporter
        assert self.kind(io.StringIO(), quiet=True) is CountingReporter
