"""The main job on Windows, as far as a `sitecustomize` can simulate it (`tests/guard/windows`)."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from walks.conftest import sandbox_place
from walks.places import Place, files_below

from ctadata.sandbox import Sandbox, faults

AS_ON_WINDOWS = Path(__file__).parents[1] / "guard" / "windows"
BACKENDS = Path(__file__).parents[1] / "tokens" / "backends"
COMMAND = Path(sysconfig.get_path("scripts")) / "cta-data-direct"

IMPORT_ALL = """
import importlib, pkgutil, ctadata
for module in pkgutil.walk_packages(ctadata.__path__, "ctadata."):
    if not module.name.endswith((".__main__", ".posix", ".posix_files")):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            print(error.name)
"""
EXTRAS = {"h5py", "jupyter_server", "jupyterfs", "upath"}

LOCK_TWICE = """
import sys
from pathlib import Path
from ctadata.tokens.locks import hold_lock, is_locked
path = Path(sys.argv[1])
with hold_lock(path):
    print(is_locked(path))
print(is_locked(path))
"""


class Windows:
    """A user on Windows, at a sandbox on this machine."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.cwd = folder
        self.env = {**place.env, "PYTHONPATH": f"{AS_ON_WINDOWS}:{BACKENDS}"}
        self.profile = folder / "state" / "ctadata" / "tokens" / place.name

    def start(self, *words: object) -> subprocess.Popen[str]:
        """Start a command."""
        return self._start(COMMAND, *words)

    def __call__(self, *words: object, code: int = 0) -> str:
        """Run a command to its end, and return what it wrote."""
        return self._end(self.start(*words), code)

    def python(self, script: str, *words: object) -> str:
        """Run a script to its end, and return what it wrote."""
        return self._end(self._start("-c", script, *words), 0)

    def _start(self, *words: object) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
        return subprocess.Popen([sys.executable, *map(str, words)], env=self.env, cwd=self.cwd, text=True, **pipes)

    def _end(self, process: subprocess.Popen[str], code: int) -> str:
        with process:
            written, _ = process.communicate(timeout=300)
        assert process.returncode == code, written
        return written


@pytest.fixture
def windows(sandbox_box: Sandbox, tmp_path: Path) -> Iterator[Windows]:
    yield Windows(sandbox_place(sandbox_box, tmp_path), tmp_path)


def test_every_module_can_be_imported(windows: Windows) -> None:
    assert set(windows.python(IMPORT_ALL).split()) <= EXTRAS


def test_the_main_job(windows: Windows, sandbox_box: Sandbox, tmp_path: Path) -> None:
    tree, back = tmp_path / "night 1", tmp_path / "back"
    (tree / "sub" / "empty").mkdir(parents=True)
    contents = {"lines.txt": b"one\ntwo\r\n\x1athree\n", "empty": b"", "sub/größe ∑ 日本.txt": b"unicode"}
    contents |= {f"sub/{number:02d}": bytes([number]) * number for number in range(20)}
    contents["large.bin"] = os.urandom(5 << 20)
    for name, content in contents.items():
        (tree / name).write_bytes(content)
        os.utime(tree / name, (1_700_000_000, 1_700_000_000))

    assert (
        "logged in as ada at sandbox; each command renews the token when needed: this system has no agent"
        in windows("start-agent")
    )
    assert "not running" in windows("agent-status")
    windows("put", tree / "lines.txt", "one/file.txt")
    assert windows("list", "home:one") == "lst/users/ada/one/file.txt\n"
    windows("get", "home:one/file.txt", tmp_path / "file.txt")
    assert (tmp_path / "file.txt").read_bytes() == contents["lines.txt"]

    windows("put", "-", "one/piped")
    assert windows.place.stored(f"{windows.place.home}/one") == {"file.txt": contents["lines.txt"], "piped": b""}

    token = windows.profile / "token.json"
    about = json.loads(token.read_text())
    token.write_text(json.dumps({**about, "received": about["received"] - 3600}))
    windows("put", "-r", tree, "data")  # renews the token
    windows("get", "-r", "home:data/night 1", back)
    assert files_below(back / "night 1") == files_below(tree)
    assert (back / "night 1" / "large.bin").stat().st_mtime == 1_700_000_000
    assert "24 files skipped" in windows("get", "-r", "home:data/night 1", back)

    sandbox_box.files.put(f"{windows.place.home}/data/night 1/lines.txt", b"replaced")
    windows("get", "-r", "home:data/night 1", back)
    assert (back / "night 1" / "lines.txt").read_bytes() == b"replaced"
    assert [path.name for path in tmp_path.rglob("*") if path.name.startswith((".ctadata", ".new-"))] == []


def test_a_killed_download_of_a_large_file_is_resumed(windows: Windows, sandbox_box: Sandbox, tmp_path: Path) -> None:
    windows.env["BEARER_TOKEN"] = sandbox_box.token(lifetime=86400)
    content = os.urandom(20 << 20)
    sandbox_box.files.put("/lst/large", content)
    stall = sandbox_box.faults.add("pool", "GET", "*", faults.Stall(after=16 << 20), times=1)
    process = windows.start("get", "-j", "1", "lst/large", tmp_path / "large")
    assert stall.reached.wait(60)
    process.kill()
    process.communicate()
    stall.release()
    assert "MiB already here" in windows("get", "lst/large", tmp_path / "large")
    assert (tmp_path / "large").read_bytes() == content
    assert [path.name for path in tmp_path.glob(".ctadata*")] == []


def test_ctrl_c_stops_a_run(windows: Windows, sandbox_box: Sandbox, tmp_path: Path) -> None:
    windows.env["BEARER_TOKEN"] = sandbox_box.token(lifetime=86400)
    sandbox_box.files.put("/lst/a", b"content")
    hold = sandbox_box.faults.add("pool", "GET", "*", faults.Delay(), times=1)
    process = windows.start("get", "lst/a", tmp_path)
    assert hold.reached.wait(60)
    process.send_signal(signal.SIGINT)
    assert "stopping; Ctrl-C again ends at once" in windows._end(process, 130)
    assert not (tmp_path / "a").exists()


def test_a_name_of_a_device_and_a_link_are_refused(windows: Windows, sandbox_box: Sandbox, tmp_path: Path) -> None:
    windows.env["BEARER_TOKEN"] = sandbox_box.token(lifetime=86400)
    for name in ("good", "a:b", "aux", "linked/file"):
        sandbox_box.files.put(f"/lst/some/{name}", b"content")
    (tmp_path / "some").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "some" / "linked").symlink_to(tmp_path / "elsewhere")
    written = windows("get", "-r", "lst/some", tmp_path, code=6)
    assert "failed a:b: no local file can have this name" in written
    assert "failed aux: no local file can have this name" in written
    assert "it is a link, and files are not written through links" in written
    assert (tmp_path / "some" / "good").read_bytes() == b"content"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_keyring_keeps_the_login(windows: Windows, tmp_path: Path) -> None:
    windows.env |= {"PYTHON_KEYRING_BACKEND": "locked_box.LockedBox", "CTADATA_LOGIN_STORE": "keyring"}
    windows("start-agent", "-q")
    assert "login         kept in the system's keyring" in windows("agent-status")
    assert len(list((tmp_path / "box").iterdir())) == 1
    assert list(tmp_path.rglob("login.json")) == []


def test_a_lock_is_held_once(windows: Windows, tmp_path: Path) -> None:
    assert windows.python(LOCK_TWICE, tmp_path / "lock").split() == ["True", "False"]
