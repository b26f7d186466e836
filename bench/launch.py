"""Runs one command and writes what it took; a process of its own, small, because Linux counts the memory of whoever
starts a program into that program's peak.

    python -I -S launch.py REPORT SECONDS STDOUT COMMAND...

REPORT takes one line: exit code, seconds, user seconds, system seconds, peak kilobytes, seconds to the first line of
output (-1 without one), clock at that line (monotonic), the processor seconds that this line ends with (-1 without
them), lines. STDOUT is a file, or `-` to have the lines counted. A command that takes longer than SECONDS is ended.
"""

import os
import resource
import signal
import sys
import time


def main(report: str, patience: str, stdout: str, *command: str) -> None:
    """Run `command`, wait, report."""
    read, write = os.pipe()
    out = write if stdout == "-" else os.open(stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.dup2(out, 1)
        try:
            os.execvp(command[0], command)  # noqa: S606  (without a shell is meant)
        finally:
            os._exit(127)
    os.close(write)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(int(patience))
    first, first_cpu, lines = _count(read) if stdout == "-" else (-1.0, -1.0, 0)
    _, status, _ = os.wait4(child, 0)
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)  # with what the command has started and waited for
    code = os.waitstatus_to_exitcode(status)
    figures = (
        code,
        seconds,
        used.ru_utime,
        used.ru_stime,
        used.ru_maxrss,
        first - began if first > 0 else -1,
        first,
        first_cpu,
        lines,
    )
    with open(report, "w") as file:  # noqa: PTH123  (pathlib alone would double this process)
        print(*figures, file=file)


def _count(read: int) -> "tuple[float, float, int]":
    first, first_cpu, lines = -1.0, -1.0, 0
    while block := os.read(read, 1 << 20):
        lines += block.count(b"\n")
        if first < 0 and lines:
            first = time.monotonic()
            first_cpu = _number(block.partition(b"\n")[0])
    return first, first_cpu, lines


def _number(line: bytes) -> float:
    try:
        return float(line.split()[-1])
    except (IndexError, ValueError):
        return -1.0


main(*sys.argv[1:])
