"""Pictures of a terminal: real commands at a sandbox, in a terminal of 80 columns, as SVG."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import pyte
from rich.console import Console
from rich.text import Text

from ctadata.sandbox import Sandbox
from docsite.commands import ROOT

COLUMNS, ROWS = 80, 40
PICTURES = {
    "login": "start-agent --no-qr",
    "list": "list -l lst/run1",
    "get": "get -r lst/run1 data",
    "dry-run": "sync -n --delete data/run1 :lst/run1",
    "doctor": "doctor",
    "error": "get lst/run1/dl2.h5",
}
"""The command of each picture; they run one after the other, by one user."""
_RUN = "import sys; from ctadata.__main__ import main; sys.argv = ['cta-data-direct', *sys.argv[1:]]; main()"
_SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""rich's own form names a font on another server; this one takes the reader's monospace font."""


def pictures() -> dict[str, str]:
    """Run the commands, and return each picture by its path below the repository."""
    with tempfile.TemporaryDirectory() as folder, Sandbox(approve=True) as box:
        home = Path(folder)
        (home / "settings.toml").write_text(f'default = "sandbox"\n{box.profile_toml()}')
        for name, size in (("dl1.h5", 48_211_013), ("log/a.txt", 1_200), ("log/b.txt", 980)):
            box.files.put(f"/lst/run1/{name}", bytes(size))
        env = {"HOME": folder, "PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", "TZ": "UTC"}
        env |= {"CTADATA_CONFIG": f"{folder}/settings.toml", "PYTHONPATH": str(ROOT)}
        (home / "data/run1").mkdir(parents=True)
        (home / "data/run1/plots.pdf").write_bytes(bytes(3_000))
        try:
            return {f"docs/pictures/{name}.svg": _draw(line, env, home) for name, line in PICTURES.items()}
        finally:
            _run("stop-agent", env, home)


def comparable(picture: str) -> str:
    """Return the picture's text without what differs from run to run: numbers, times, rates, codes, breaks of lines."""
    text = re.sub(r"<style>.*?</style>|<[^>]+>|&#160;|\s", "", picture, flags=re.DOTALL)
    return re.sub(r"(?<=done\()[^)]*|\d+(:\d+min|minutes)?|[A-Z]{4}-[A-Z]{4}", "0", text)


def _draw(line: str, env: dict[str, str], cwd: Path) -> str:
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.ByteStream(screen).feed(_run(line, env, cwd).replace(str(cwd).encode(), b"/home/ada"))
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor")
    console.print(Text(f"$ cta-data-direct {line}", style="bold"))
    used = [number for number in range(ROWS) if screen.display[number].strip()]
    for number in range(max(used, default=-1) + 1):
        console.print(_row(screen.buffer[number], screen.display[number].rstrip()), soft_wrap=True)
    return console.export_svg(title="", code_format=_SVG, unique_id="terminal")


def _row(cells: dict[int, pyte.screens.Char], text: str) -> Text:
    row = Text()
    for column, character in enumerate(text):
        cell = cells[column]
        colour = "" if cell.fg == "default" else cell.fg.replace("brown", "yellow")
        row.append(character, style=f"{'bold ' if cell.bold else ''}{colour}".strip())
    return row


def _run(line: str, env: dict[str, str], cwd: Path) -> bytes:
    """Run a command on a terminal of its own, and return all that it wrote there."""
    main, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    words = [sys.executable, "-c", _RUN, *line.split()]
    process = subprocess.Popen(words, stdin=its, stdout=its, stderr=its, env=env, cwd=cwd, start_new_session=True)
    os.close(its)
    written = b""
    while True:
        try:
            block = os.read(main, 65536)
        except OSError:  # EIO: the process has let go of its terminal
            break
        if not block:
            break
        written += block
    os.close(main)
    process.wait()
    return written
