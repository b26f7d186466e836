"""`direct.login()` and `direct.agent_status()` in a notebook, at a terminal, in a script, and interrupted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

from ctadata import direct
from ctadata.errors import LoginNeeded
from ctadata.sandbox import Sandbox


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """`site(**options)`: a sandbox in the environment; its agent ends with the test."""
    boxes: list[Sandbox] = []

    def start(**options: object) -> Sandbox:
        box = Sandbox(**{"approve": True, "interval": 0, **options}).start()
        boxes.append(box)
        (tmp_path / "config.toml").write_text(box.profile_toml("sandbox"))
        monkeypatch.setenv("CTADATA_CONFIG", str(tmp_path / "config.toml"))
        monkeypatch.setenv("CTADATA_PROFILE", "sandbox")
        return box

    yield start
    subprocess.run([sys.executable, "-m", "ctadata", "stop-agent", "-q"], check=True, timeout=60)
    for box in boxes:
        box.close()


def test_a_script(site, capfd) -> None:
    box = site()
    box.files.put("/lst/a", b"")
    with pytest.raises(LoginNeeded):
        direct.list_dir("lst")
    before = os.getpid()
    status = direct.login()
    assert (status.running, status.user, status.login_needed) == (True, "ada", False)
    assert status.pid not in (None, before)
    out, err = capfd.readouterr()
    assert out == ""
    assert f"  {box.issuer}/device?user_code=" in err
    assert sorted(direct.list_dir("lst")) == ["lst/a", "lst/users/"]
    assert direct.agent_status() == status
    assert direct.login() == status  # no second login
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def kernel() -> Iterator[Callable[[], Kernel]]:
    """`kernel()`: a Jupyter kernel, as a notebook has it."""
    started: list[Kernel] = []

    def start() -> Kernel:
        started.append(Kernel(*start_new_kernel(kernel_name="python3", startup_timeout=120)))
        return started[-1]

    yield start
    for each in started:
        each.client.stop_channels()
        each.manager.shutdown_kernel(now=True)


@dataclass
class Kernel:
    """Runs one cell at a time: `begin`, then one message after the other, until the kernel is idle."""

    manager: KernelManager
    client: BlockingKernelClient

    def begin(self, code: str) -> Iterator[tuple[str, dict[str, Any]]]:
        asked = self.client.execute(code)

        def messages() -> Iterator[tuple[str, dict[str, Any]]]:
            while True:
                message = self.client.get_iopub_msg(timeout=60)
                if message["parent_header"].get("msg_id") != asked:
                    continue
                if message["content"].get("execution_state") == "idle":
                    return
                yield message["msg_type"], message["content"]

        return messages()

    def run(self, code: str) -> str:
        """Run a cell, and return its output."""
        return "".join(told["text"] for kind, told in self.begin(code) if kind == "stream")


def test_a_notebook(site, kernel) -> None:
    """The notebook shows the address as a link, the code and a picture; the login can be interrupted and repeated."""
    box, notebook = site(approve=False, interval=1), kernel()
    notebook.run("from ctadata import direct; import os")
    login = notebook.begin("status = direct.login(); print(status.user)")
    shown = next(told["data"]["text/html"] for kind, told in login if kind == "display_data")
    assert f'<a href="{box.issuer}/device?user_code=' in shown
    assert 'target="_blank" rel="noopener"' in shown
    assert "<svg" in shown
    notebook.manager.interrupt_kernel()
    assert [told["traceback"] for kind, told in login if kind == "error"] == [["KeyboardInterrupt"]]
    assert notebook.run("print(direct.agent_status().running)") == "False\n"

    login = notebook.begin("status = direct.login(); print(status.user)")
    shown = next(told["data"]["text/html"] for kind, told in login if kind == "display_data")
    box.approve(re.search("approve the code <b>(.*?)</b>", shown)[1], "grace")
    assert [told["text"] for kind, told in login if kind == "stream"] == ["grace\n"]
    assert notebook.run("print(status.pid != os.getpid(), direct.login() == status)") == "True True\n"
    shown = [told["data"]["text/plain"] for kind, told in notebook.begin("direct.login()") if kind == "execute_result"]
    assert re.fullmatch(r"logged in as grace at \S+; process \d+ keeps the login fresh", shown[0])
    assert notebook.run("print(direct.login())") == f"{shown[0]}\n"
    assert direct.agent_status().running  # the agent outlives the kernel


def test_it_can_be_interrupted_and_tried_again(site) -> None:
    box = site(approve=False, interval=1)
    script = (
        "from ctadata import direct\n"
        "try: direct.login()\n"
        "except KeyboardInterrupt: print('interrupted', direct.agent_status().running, flush=True)\n"
        "print(direct.login().user)\n"
    )
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while "the code" not in (line := process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted False\n"
        while "the code" not in (line := process.stderr.readline()):
            assert line
        box.approve(line.split()[-1], "grace")
        out, err = process.communicate(timeout=60)
    assert (out, err) == ("grace\n", "")


def test_denied(site) -> None:
    box = site(approve=False, interval=0)
    script = "from ctadata import direct\ntry: direct.login()\nexcept Exception as error: print(error)\n"
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while "the code" not in (line := process.stderr.readline()):
            assert line
        box.deny(line.split()[-1])
        out, _ = process.communicate(timeout=60)
    assert "the login was denied" in out


def test_a_secret(site) -> None:
    box = site(confidential=True)
    assert direct.login(secret=box.client_secret).running
