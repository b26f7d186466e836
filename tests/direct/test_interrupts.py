"""Ctrl-C in a script or a notebook, while a call waits for the storage: one line, and none of the frames inside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

CALLS = {
    "download": "direct.fetch_and_save_file('lst/f')",
    "upload": "direct.upload_file('f', '/lst/f')",
    "many": "direct.put_many(['f'], '/lst')",
    "listing": "direct.list_dir('lst', recursive=True)",
}
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance().run_cell(\"""from ctadata import direct
{}\""")
"""


def interrupt(code: str, folder: Path, debug: str = "0") -> tuple[int, list[str]]:
    """Run the code against a server that answers after the interrupt, and return the exit code and the lines."""
    (folder / "f").write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        env = {**os.environ, "CTADATA_DEBUG": debug, "BEARER_TOKEN": "x"}
        env["CTADATA_DOOR"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        command = [sys.executable, "-c", code]
        with subprocess.Popen(
            command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            with server.accept()[0] as wire:
                assert wire.recv(1)
                process.send_signal(signal.SIGINT)
                wire.sendall(REFUSAL)  # a listing waits for the request in flight
                out, _ = process.communicate(timeout=60)
            return process.returncode, out.splitlines()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_script_shows_no_frames_of_the_engine_and_no_other_error(call: str, tmp_path: Path) -> None:
    code, lines = interrupt(f"from ctadata import direct\n{call}\n", tmp_path)
    assert code == -signal.SIGINT
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "KeyboardInterrupt"
    assert [line for line in lines if "Error" in line or "During handling" in line] == []
    assert [line for line in lines if "ctadata/" in line and "ctadata/direct/" not in line] == []


def test_a_notebook_shows_one_line(tmp_path: Path) -> None:
    assert interrupt(NOTEBOOK.format(CALLS["listing"]), tmp_path) == (0, ["KeyboardInterrupt"])


def test_the_variable_for_debugging_shows_all_frames(tmp_path: Path) -> None:
    _, lines = interrupt(f"from ctadata import direct\n{CALLS['upload']}\n", tmp_path, debug="1")
    assert [line for line in lines if "ctadata/session.py" in line]
    assert lines[-1] == "KeyboardInterrupt"
