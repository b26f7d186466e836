"""The process of our oidc-agent, with a program in its place that forks in the same way."""

from __future__ import annotations

import sys

import pytest

from ctadata.agent.oidc_child import OidcAgentFiles, OidcAgentProcess

PROGRAM = """#!{python}
import os, pathlib, signal, socket, sys, threading
path = sys.argv[-1].partition("=")[2]
heard, held = os.pipe()
if os.fork() == 0:
    os.close(held)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.read(heard, 1)  # until the first process ends
    threading.Event().wait(0.5)
    pathlib.Path(sys.argv[0] + ".ended").touch()
    os._exit(0)
os.close(heard)
with socket.socket(socket.AF_UNIX) as server:
    server.bind(path)
    server.listen()
    while True:
        line, _ = server.accept()
        line.recv(65536)
        line.sendall(b'{{"status": "success"}}')
        line.close()
"""


@pytest.fixture
def forking(tmp_path, monkeypatch):
    """An oidc-agent whose second process ends half a second after its first."""
    program = tmp_path / "bin" / "oidc-agent"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


def test_close_waits_for_all_its_processes(forking, tmp_path):
    home = OidcAgentFiles(tmp_path / "home")
    home.prepare()
    OidcAgentProcess(home).close()
    assert forking.with_name("oidc-agent.ended").exists()
