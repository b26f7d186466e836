"""`direct.login()` and `direct.agent_status()`: in a notebook, at a terminal, in a script; and interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctadata import direct
from ctadata.errors import LoginNeeded
from ctadata.sandbox import Sandbox


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """`site(**options)`: a sandbox as the site; its agent is ended after the test."""
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
    assert direct.login() == status  # nothing is asked again
    assert capfd.readouterr() == ("", "")


def test_a_notebook(site, monkeypatch, capfd) -> None:
    """IPython shows it; nothing goes to the streams."""
    site()
    displayed = []
    display = types.ModuleType("IPython.display")
    display.display, display.HTML = displayed.append, str
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    assert direct.login().running
    (shown,) = displayed
    assert "approve the code <b>" in shown
    assert "<svg" in shown
    assert 'target="_blank" rel="noopener"' in shown
    assert capfd.readouterr() == ("", "")


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
