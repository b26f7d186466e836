"""The command at a terminal: progress bars, and Ctrl-C once and twice."""

import signal

from ctadata.sandbox import faults

MIB = 1 << 20


def test_bars_while_it_runs_and_a_clean_screen_after(at_box, place, stalled):
    terminal = at_box.terminal("get", f"{place}/big", columns=120)
    terminal.expect(r"0 of 1 file +1\.0 MiB of 2\.0 MiB")
    terminal.expect(rf"1\.0 MiB of 2\.0 MiB +{place}/big")
    assert f"% get {place}/big\x07" in terminal.raw  # the title of the window
    stalled.release()
    assert terminal.end() == 0
    assert terminal.raw.rindex("\x1b[?25h") > terminal.raw.rindex("\x1b[?25l")
    last = terminal.raw.rpartition("\x1b[2K")[2]
    assert last.startswith("cta-data-direct: 1 file done (2.0 MiB in ")
    assert (at_box.cwd / "big").read_bytes() == bytes(2 * MIB)


def test_a_dumb_terminal_gets_lines(at_box, box, place):
    box.files.put(f"/{place}/a", b"1")
    terminal = at_box.terminal("get", f"{place}/a", env={"TERM": "dumb"})
    assert terminal.end() == 0
    assert "\x1b" not in terminal.raw


def test_warnings_do_not_tear_the_bars(at_box, box, place, stalled):
    box.faults.add("pool", "GET", f"/{place}/b", faults.Flip(), times=1)
    box.files.put(f"/{place}/b", b"x")
    terminal = at_box.terminal("get", "-v", "-r", place, columns=120)
    terminal.expect(r"cta-data-direct: .*adler32.*: again\n")
    terminal.expect(rf"done {place}/b \(1 B in .*\)\n")
    stalled.release()
    assert terminal.end() == 0


class TestCtrlC:
    def test_ctrl_c_stops_cleans_up_and_exits_with_130(self, at_box, place, stalled):
        terminal = at_box.terminal("get", f"{place}/big")
        terminal.expect(r"1\.0 MiB of 2\.0 MiB")
        terminal.send("\x03")
        assert terminal.end() == 130
        assert "stopping; Ctrl-C again ends at once" in terminal.text
        assert "nothing to do" not in terminal.text
        assert terminal.text.endswith("the same command continues where this one ended\ncta-data-direct: stopped\n")
        assert list(at_box.cwd.iterdir()) == []

    def test_a_second_ctrl_c_exits_at_once_and_shows_the_cursor(self, at_box, box, place):
        stall = box.faults.add("door", "PROPFIND", f"/{place}", faults.NoAnswer())
        terminal = at_box.terminal("-vv", "get", "-r", place)
        assert stall.reached.wait(60)
        terminal.send("\x03")
        terminal.expect("stopping")
        terminal.send("\x03")
        assert terminal.end() in (130, -signal.SIGINT)  # the same in a shell; the latter while Python takes itself down
        assert "\x1b[?25l" not in terminal.raw.rpartition("\x1b[?25h")[2]
        stall.remove()

    def test_ctrl_c_stops_a_listing(self, at_box, box, place):
        stall = box.faults.add("door", "PROPFIND", f"/{place}", faults.NoAnswer())
        terminal = at_box.terminal("list", place)
        assert stall.reached.wait(60)
        terminal.send("\x03")
        assert terminal.end() == 130
        assert terminal.text.endswith("cta-data-direct: stopped\n")
        stall.remove()

    def test_sigterm_does_the_same_with_its_own_code(self, at_box, place, stalled):
        process = at_box.start("get", f"{place}/big")
        assert stalled.reached.wait(60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
        assert "stopped" in process.stderr.read()
        assert list(at_box.cwd.iterdir()) == []

    def test_ctrl_c_during_imports_prints_no_traceback(self, cli):
        terminal = cli.terminal("start-agent", "-s", "-")
        terminal.expect("Secret of the client")
        terminal.send("\x03")
        assert terminal.end() == 130
        assert "Traceback" not in terminal.text
        assert terminal.text.endswith("cta-data-direct: stopped\n")
