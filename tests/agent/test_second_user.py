"""A real second user of this machine: they can read nothing of ours, and cannot make us use their files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ctadata.agent import control
from ctadata.agent.bearer_token_file import bearer_token_path
from ctadata.agent.renewal import secret_in_file
from ctadata.errors import LocalError
from ctadata.sandbox import Sandbox
from ctadata.tokens import oidc_agent
from ctadata.tokens.discovery import find_token_sources
from ctadata.tokens.login_store import load_login
from ctadata.tokens.profile_files import ProfileFiles

NOBODY = 65534
PYTHON = "/usr/bin/python3"  # ours may be in a directory that they cannot enter

LOOK = """
import json, os, sys
readable = []
def attempt(path):
    for flags in (os.O_RDONLY, os.O_WRONLY):
        try:
            os.close(os.open(path, flags | os.O_NONBLOCK))
            readable.append(path)
        except OSError:
            pass
for top in sys.argv[1:]:
    for folder, folders, files in os.walk(top):
        for name in files:
            attempt(os.path.join(folder, name))
print(json.dumps(readable))
"""
SPY = """
import json, os, signal, sys
got = []
for name, look in ("environ", open), ("mem", open), ("maps", open), ("fd", os.listdir), ("cwd", os.readlink):
    try:
        look(f"/proc/{sys.argv[1]}/{name}")
        got.append(name)
    except OSError:
        pass
try:
    os.kill(int(sys.argv[1]), signal.SIGTERM)
    got.append("killed")
except OSError:
    pass
print(json.dumps(got))
"""
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
LISTEN = """
import os, socket, sys
os.umask(0)
with socket.socket(socket.AF_UNIX) as server:
    server.bind(sys.argv[1])
    server.listen()
    print(flush=True)
    while True:
        line, _ = server.accept()
        line.recv(65536)
        line.sendall(b'{"status": "success", "access_token": "theirs", "info": ["ctadata-sandbox"]}')
        line.close()
"""


@dataclass(frozen=True)
class SecondUser:
    """Runs programs as another user; `prefix` is the command for that."""

    prefix: tuple[str, ...]

    def run(self, *words: object) -> str:
        """Return the output of a program of theirs; its failure is the test's."""
        done = subprocess.run([*self.prefix, *map(str, words)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def can_read(self, *folders: Path) -> list[str]:
        """Return the files below the folders that they can open."""
        return json.loads(self.run(PYTHON, "-I", "-c", LOOK, *folders))

    def write(self, path: Path, text: str) -> None:
        """Let them write a file that everybody may read."""
        self.run(PYTHON, "-I", "-c", "import sys; open(sys.argv[1], 'w').write(sys.argv[2])", path, text)

    @contextmanager
    def listening(self, path: Path) -> Iterator[None]:
        """Let them run something that pretends to be an oidc-agent for everybody."""
        words = [*self.prefix, PYTHON, "-I", "-c", LISTEN, str(path)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout.readline()
                yield
            finally:
                process.kill()


@pytest.fixture(scope="session")
def second_user():
    """A user of this machine who is neither us nor root."""
    become = ("setpriv", "--clear-groups", "--inh-caps=-all")
    if os.geteuid() == 0:
        user = SecondUser((*become, f"--reuid={NOBODY}", f"--regid={NOBODY}"))
    else:  # one of the subordinate users that we have in /etc/subuid
        user = SecondUser(("unshare", "--user", "--map-root-user", "--map-auto", *become, "--reuid=1", "--regid=1"))
    try:
        user.run("true")
    except (OSError, AssertionError) as error:
        pytest.fail(f"no second user, without being root or newuidmap and a range in /etc/subuid: {error}")
    return user


@pytest.fixture
def common(second_user):
    """A directory in which everybody may put files, like /tmp."""
    folder = Path(tempfile.mkdtemp(prefix="ctadata-", dir="/tmp"))  # they must be able to enter all directories above
    folder.chmod(0o1777)
    yield folder
    second_user.run("sh", "-c", 'find "$1" -mindepth 1 -user "$(id -u)" -delete 2>/dev/null || true', "sh", folder)
    shutil.rmtree(folder)


@pytest.fixture
def carelessly():
    """Set umask 000."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def in_common(common, monkeypatch):
    """Our state and the directory of the published token, below the common one: nothing above protects them."""
    for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(common / name.lower()))
    (common / "xdg_runtime_dir").mkdir(0o700)
    return common


@pytest.fixture
def longer():
    """A sandbox whose tokens live longer than an oidc-agent takes to start."""
    with Sandbox(approve=True, interval=1, token_lifetime=24) as box:
        yield box


def test_the_second_user_is_another_user(second_user, common):
    second_user.write(common / "file", "hello")
    owner = (common / "file").stat().st_uid
    assert owner not in (os.geteuid(), 0)
    assert second_user.can_read(common) == [str(common / "file")] * 2


class TestReading:
    def test_nothing_of_a_running_agent(self, second_user, carelessly, in_common, profile, shown):
        started = control.start(profile, show=shown.append, publish=True)
        files = ProfileFiles.of(profile.name)
        assert files.folder.is_relative_to(in_common)
        assert load_login(files, profile)
        assert bearer_token_path().exists()
        assert second_user.can_read(in_common) == []
        assert json.loads(second_user.run(PYTHON, "-I", "-c", SPY, started.pid)) == []
        assert control.status(profile).running

    def test_nothing_of_an_oidc_agent_of_ours(
        self, second_user, oidc_agent, carelessly, in_common, longer, profile_at, shown, until
    ):
        profile = profile_at(longer, token_source="oidc-agent")
        control.start(profile, show=shown.append)
        told = ProfileFiles.of(profile.name).oidc / "socket"
        until(told.exists, timeout=60)  # from the first renewal on
        assert second_user.can_read(in_common) == []
        with pytest.raises(AssertionError, match="PermissionError"):
            second_user.run(PYTHON, "-I", "-c", CONNECT, told.read_text())
        assert control.status(profile).running


class TestTaking:
    def test_no_token_that_they_left_where_ours_would_be(self, second_user, common, profile):
        second_user.write(common / f"bt_u{os.geteuid()}", "theirs")
        source = find_token_sources(profile, env={}, temporary=common)[-1]
        with pytest.raises(LocalError, match="another user"):
            source.read()

    def test_no_link_of_theirs(self, second_user, common, profile, tmp_path):
        (tmp_path / "ours").write_text("ours")
        second_user.run("ln", "-s", tmp_path / "ours", common / f"bt_u{os.geteuid()}")
        with pytest.raises(LocalError, match="symlink"):
            find_token_sources(profile, env={}, temporary=common)[-1].read()

    def test_no_file_of_theirs_that_a_variable_names(self, second_user, common, profile):
        second_user.write(common / "token", "theirs")
        (source,) = (
            one
            for one in find_token_sources(profile, env={"BEARER_TOKEN_FILE": str(common / "token")})
            if one.path == common / "token"
        )
        with pytest.raises(LocalError, match="another user"):
            source.read()

    def test_no_secret_of_theirs(self, second_user, common):
        second_user.write(common / "secret", "theirs")
        with pytest.raises(LocalError, match="another user"):
            secret_in_file(common / "secret")

    def test_no_directory_of_theirs_for_our_state(self, second_user, common, monkeypatch, profile, shown):
        monkeypatch.setenv("XDG_STATE_HOME", str(common))
        second_user.run("mkdir", "-m", "777", "-p", ProfileFiles.of(profile.name).folder)
        second_user.run("chmod", "-R", "777", common / "ctadata")
        with pytest.raises(LocalError, match="another user"):
            control.start(profile, show=shown.append)
        assert shown == []

    def test_no_directory_of_theirs_to_publish_in(self, second_user, common, monkeypatch):
        second_user.run("mkdir", "-m", "777", common / "run")
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(common / "run"))
        with pytest.raises(LocalError, match="other users can write"):
            bearer_token_path()

    def test_no_oidc_agent_of_theirs(self, second_user, common):
        with second_user.listening(common / "socket"):
            with pytest.raises(LocalError, match="another user"):
                oidc_agent.access_token(common / "socket", "ctadata-sandbox", 0)
            assert not oidc_agent.is_answering(common / "socket")
