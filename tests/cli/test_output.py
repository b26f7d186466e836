"""The functions that write output: times, and lines into a pipe."""

import io
import queue
import sys
import threading
import types

import pytest

from ctadata.cli import main, output
from ctadata.cli.output import format_rfc3339

PATIENCE = 60


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, None),
        (0, "1970-01-01T00:00:00Z"),
        (1_700_000_000.9, "2023-11-14T22:13:20Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (253402300799, "9999-12-31T23:59:59Z"),
        (253402300800, None),
        (1e18, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_times_are_rfc3339(seconds, text):
    assert format_rfc3339(seconds) == text


class Pipe(io.TextIOWrapper):
    """A stdout that signals when it is flushed."""

    def __init__(self) -> None:
        self.came = queue.Queue()
        super().__init__(io.BytesIO(), write_through=False)

    def flush(self) -> None:
        super().flush()
        self.came.put(self.buffer.getvalue().decode())


@pytest.fixture
def clock(monkeypatch):
    """The seconds that the flow sees; the pauses of `clock.flow(...)` end when `clock.go` is set."""

    flows = []

    def flow(stream):
        flows.append(output._PipeWriter(stream, lambda _: not clock.go.wait(PATIENCE)))
        return flows[-1]

    clock = types.SimpleNamespace(now=100.0, go=threading.Event(), flow=flow)
    monkeypatch.setattr(output, "time", types.SimpleNamespace(monotonic=lambda: clock.now))
    yield clock
    for each in flows:
        each._pause = lambda _: True
        clock.go.set()
        each.end()


def test_a_line_after_a_pause_is_written_at_once(clock):
    pipe = Pipe()
    flow = clock.flow(pipe)
    for number in range(3):
        flow.write(f"{number}\n")
        assert pipe.came.get_nowait().endswith(f"{number}\n")
        clock.now += flow.EVERY


def test_lines_that_come_together_are_written_together(clock):
    pipe = Pipe()
    flow = clock.flow(pipe)
    flow.write("first\n")
    assert pipe.came.get_nowait() == "first\n"
    for number in range(1000):
        flow.write(f"{number}\n")
    assert pipe.came.empty()
    clock.go.set()
    assert pipe.came.get(timeout=PATIENCE).endswith("\n999\n")


def test_messages_on_stderr_come_after_earlier_lines(clock, monkeypatch, capsys):
    pipe = Pipe()
    monkeypatch.setattr(output._PipeWriter, "current", clock.flow(pipe))
    output.write_text("first\n")
    output.write_text("second\n")
    output.say_raw("words")
    assert pipe.buffer.getvalue() == b"first\nsecond\n"
    assert capsys.readouterr().err == "words\n"


def test_the_next_write_raises_the_error_of_the_pipe(clock):
    class Broken(Pipe):
        has_ended = False

        def flush(self):
            if not self.has_ended:
                raise BrokenPipeError

    flow = clock.flow(pipe := Broken())
    with pytest.raises(BrokenPipeError):
        flow.write("row\n")
    pipe.has_ended = True  # its own end flushes it once more


def test_no_thread_outlives_the_command(monkeypatch):
    before = set(threading.enumerate())
    monkeypatch.setattr(sys, "stdout", pipe := Pipe())
    output.stdout_is_terminal.cache_clear()
    monkeypatch.setattr(main, "_run_and_report", lambda _: [output.write_text(f"{i}\n") for i in range(3)] and 0)
    assert main.run([]) == 0
    output.stdout_is_terminal.cache_clear()
    assert pipe.buffer.getvalue() == b"0\n1\n2\n"
    assert output._PipeWriter.current is None
    assert set(threading.enumerate()) <= before
