"""The system's keyring: checked before a login, never replaced by a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ctadata.agent import control
from ctadata.agent.logout import logout
from ctadata.errors import ConfigError, LocalError
from ctadata.tokens import keyring_store
from ctadata.tokens.login_store import load_login
from ctadata.tokens.profile_files import ProfileFiles

BACKENDS = Path(__file__).with_name("backends")


@pytest.fixture
def keyring(monkeypatch):
    """The folder of a keyring that this process and the agent share."""
    import keyring as library

    monkeypatch.syspath_prepend(str(BACKENDS))
    monkeypatch.setenv("PYTHONPATH", str(BACKENDS), prepend=os.pathsep)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "locked_box.LockedBox")
    before = library.get_keyring()
    library.core.init_backend()
    folder = Path(os.environ["HOME"]) / "box"
    folder.mkdir()
    yield folder
    library.set_keyring(before)


@pytest.fixture
def profile(box, profile_at):
    profile = profile_at(box, login_store="keyring")
    yield profile
    control.stop(profile)


@pytest.fixture
def files(profile):
    return ProfileFiles.of(profile.name)


def test_an_entry_is_saved_loaded_and_removed(keyring):
    assert keyring_store.load("a") is None
    keyring_store.save("a", "text")
    assert keyring_store.load("a") == "text"
    keyring_store.remove("a")
    keyring_store.remove("a")
    assert keyring_store.load("a") is None


def test_a_login_is_only_in_the_keyring(keyring, profile, files):
    shown = []
    started = control.start(profile, show=shown.append)
    assert (started.storage, started.login_place) == ("keyring", "the system's keyring")
    refresh_token = load_login(files, profile).refresh_token.reveal()
    assert not files.login.exists()
    assert not [path for path in files.folder.iterdir() if refresh_token in path.read_text()]
    assert control.stop(profile)
    assert control.start(profile, show=None).running  # with the login in the keyring
    assert len(shown) == 1
    logout(profile)
    assert load_login(files, profile) is None
    assert list(keyring.iterdir()) == []


def test_a_locked_keyring_is_found_before_the_login(keyring, profile, files, box):
    (keyring / "locked").touch()
    with pytest.raises((ConfigError, LocalError), match="unlock it"):
        control.start(profile, show=lambda login: None)
    assert not [seen for seen in box.seen if "device" in seen.target]
    assert not files.login.exists()


def test_a_keyring_that_does_not_store_is_refused(keyring, profile, box):
    (keyring / "forgetful").touch()
    with pytest.raises(ConfigError, match="does not"):
        control.start(profile, show=lambda login: None)
    assert not [seen for seen in box.seen if "device" in seen.target]


def test_no_keyring_at_all(keyring, profile, files, box, monkeypatch):
    import keyring as library
    from keyring.backends.fail import Keyring

    library.set_keyring(Keyring())
    with pytest.raises((ConfigError, LocalError)) as caught:
        control.start(profile, show=lambda login: None)
    assert "keyring" in str(caught.value)
    with pytest.raises(ConfigError, match='login_store = "file"'):
        keyring_store.probe()
    assert not files.login.exists()


def test_the_library_is_not_installed(profile, monkeypatch, box):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"pip install 'ctadata\[keyring\]'"):
        control.start(profile, show=lambda login: None)
    assert box.seen == []


DESKTOP = """
direct() { "$1" -m ctadata "$2"; echo "$2 $?"; }
[ -z "$2" ] || { printf password | "$2" --unlock --components=secrets >/dev/null; }
direct "$1" start-agent
direct "$1" stop-agent
direct "$1" start-agent
"$1" -c 'import keyring; print(keyring.get_keyring(), len(keyring.get_password("ctadata", "'"$3"'") or ""))'
direct "$1" logout
"""


@pytest.mark.full("gnome-keyring")
class TestTheDesktopsOwn:
    """GNOME's keyring, on a bus of its own."""

    @pytest.fixture
    def session(self, box, tmp_path):
        """`session(daemon)`: the commands in a session of a desktop, where that program has unlocked the keyring."""
        settings = tmp_path / "settings.toml"
        settings.write_text(box.profile_toml("sandbox") + 'login_store = "keyring"\n')
        env = {**os.environ, "CTADATA_CONFIG": str(settings), "CTADATA_PROFILE": "sandbox"}

        def run(daemon):
            argv = ["dbus-run-session", "--", "sh", "-c", DESKTOP, "sh", sys.executable, daemon]
            argv.append(str(ProfileFiles.of("sandbox").folder))
            done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL)
            return done.stdout.splitlines(), done.stderr

        return run

    def test_unlocked(self, session, tmp_path):
        daemon = tmp_path / "daemon"  # a copy has none of the capabilities that an unprivileged user may not exec
        shutil.copy("/usr/bin/gnome-keyring-daemon", daemon)
        (started, stopped, again, keyring, ended), said = session(str(daemon))
        assert (started, stopped, again, ended) == ("start-agent 0", "stop-agent 0", "start-agent 0", "logout 0"), said
        assert said.count("To log in") == 1
        assert "SecretService" in keyring
        assert int(keyring.split()[-1]) > 50
        assert not ProfileFiles.of("sandbox").login.exists()

    def test_locked(self, session, box):
        (started, *_), said = session("")
        assert started in ("start-agent 2", "start-agent 11")
        assert "cta-data-direct: the keyring" in said
        assert not [seen for seen in box.seen if "device" in seen.target]
        assert not ProfileFiles.of("sandbox").login.exists()
