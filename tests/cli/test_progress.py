"""What a long run shows: lines in a pipe, and an answer to who asks."""

import re

import pytest


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
        for arguments in (["get", "x"], ["put", "x", "y"], ["sync", ":x", "y"], ["copy", "a:x", "b:y"]):
            ended = run(*arguments, "--stats", seconds, check=2)
            assert ended.out == ""
            assert len(ended.err.splitlines()) == 1
            assert "--stats" in ended.err
