"""What a long run shows: lines in a pipe, and an answer to who asks."""

import os
import re
import signal

import pytest

from ctadata.errors import LocalError
from ctadata.sandbox import faults


class TestLinesInAPipe:
    def test_a_line_has_time_and_percentage_also_if_nothing_moves(self, at_box, place, stalled):
        process = at_box.start("get", f"{place}/big", "--stats", "0.05")
        assert stalled.reached.wait(60)
        lines = iter(process.stderr.readline, "")
        line = next(line for line in lines if " 50%, " in line)
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d 50%, 0 of 1 file, 1\.0 MiB of 2\.0 MiB", line)
        assert " 50%, " in next(lines)
        stalled.release()
        assert process.wait(60) == 0
        assert process.stdout.read() == ""

    @pytest.mark.parametrize("seconds", ["x", "-1", "nan", ""])
    def test_a_wrong_number_of_seconds_is_one_line(self, run, seconds):
        for arguments in (["get", "x"], ["put", "x", "y"], ["sync", ":x", "y"], ["copy", ":x", ":y"]):
            ended = run(*arguments, "--stats", seconds, check=2)
            assert ended.out == ""
            assert len(ended.err.splitlines()) == 1
            assert "--stats" in ended.err


class TestWhoAsks:
    """SIGUSR1 gets one block of lines on stderr, and the run goes on."""

    BLOCK = r"cta-data-direct: 50%, 0 of 1 file, 1\.0 MiB of 2\.0 MiB, .* elapsed\n +1\.0 MiB of 2\.0 MiB +lst/"

    @pytest.mark.parametrize("options", [(), ("-q",), ("--stats", "0")], ids=str)
    def test_in_a_pipe(self, at_box, place, stalled, options):
        process = at_box.start("get", f"{place}/big", *options)
        assert stalled.reached.wait(60)
        block = "0%"
        while block and " 50%, " not in block:  # the bytes that the server has sent arrive a little later
            process.send_signal(signal.SIGUSR1)
            block = process.stderr.readline()
        assert re.match(self.BLOCK, block + process.stderr.readline())
        stalled.release()
        assert process.wait(60) == 0
        assert "Traceback" not in process.stderr.read()

    def test_a_command_that_is_no_transfer_goes_on(self, at_box, box, place):
        stall = box.faults.add("door", "PROPFIND", f"/{place}", faults.NoAnswer())
        process = at_box.start("exists", place)
        assert stall.reached.wait(60)
        process.send_signal(signal.SIGUSR1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
        stall.remove()

    def test_above_the_bars(self, at_box, place, stalled):
        terminal = at_box.terminal("get", f"{place}/big")
        terminal.expect(r"1\.0 MiB of 2\.0 MiB")
        os.kill(terminal.process.pid, signal.SIGUSR1)
        terminal.expect(self.BLOCK)
        drawn = len(terminal.raw)
        terminal.expect(r"elapsed\n[^%]*0 of 1 file +1\.0 MiB of 2\.0 MiB")  # they are drawn again below it
        stalled.release()
        assert terminal.end() == 0
        assert "1 file done" in terminal.raw[drawn:]


class TestALostTerminal:
    """A run whose terminal or reader is gone goes on to its end."""

    @pytest.mark.parametrize("options", [(), ("--json",), ("-v",)], ids=str)
    def test_the_terminal_hangs_up(self, at_box, place, stalled, options):
        terminal = at_box.terminal("get", *options, f"{place}/big")
        assert stalled.reached.wait(60)
        terminal.hang_up()
        stalled.release()
        assert terminal.process.wait(60) == 0
        assert (at_box.cwd / "big").stat().st_size == 2 << 20

    def test_a_terminal_that_hangs_up_without_a_signal(self, at_box, place, stalled):
        """The signal may come after the first write."""
        master, terminal = os.openpty()
        process = at_box.start("get", "--json", f"{place}/big", stdout=terminal, start_new_session=True)
        os.close(terminal)
        assert stalled.reached.wait(60)
        os.close(master)
        stalled.release()
        assert process.wait(60) == 0
        assert (at_box.cwd / "big").stat().st_size == 2 << 20

    def test_it_says_so_if_the_terminal_is_still_there(self, at_box, place, stalled):
        terminal = at_box.terminal("get", f"{place}/big")
        assert stalled.reached.wait(60)
        os.kill(terminal.process.pid, signal.SIGHUP)
        terminal.expect("the terminal has hung up, and the run goes on")
        stalled.release()
        assert terminal.end() == 0
        assert (at_box.cwd / "big").stat().st_size == 2 << 20

    def test_the_reader_of_stderr_is_gone(self, at_box, place, stalled):
        process = at_box.start("get", "--stats", "0.01", f"{place}/big")
        assert stalled.reached.wait(60)
        process.stderr.close()
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGUSR1)
        stalled.release()
        assert process.wait(60) == 0
        assert (at_box.cwd / "big").stat().st_size == 2 << 20

    def test_a_file_that_is_shown_on_the_terminal_ends_with_it(self, at_box, place, stalled):
        terminal = at_box.terminal("get", f"{place}/big", "-")
        assert stalled.reached.wait(60)
        terminal.hang_up()
        # the signal ends it, or the write that fails because the terminal is gone, whichever comes first
        assert terminal.process.wait(60) in (-signal.SIGHUP, LocalError.exit_code)
