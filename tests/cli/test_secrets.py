"""Tokens, refresh tokens, device codes, verifiers and client secrets are only in the two files meant for them.

The test searches the arguments and the environment of every process during the whole run, the output with all details,
the agent's log, and all written files, with umask 000.
"""

from __future__ import annotations

import os
import secrets as random_text
import stat
import sys
import threading
import time
from pathlib import Path
from threading import Event

import pytest

from ctadata.sandbox import Sandbox, faults, issuer
from ctadata.sandbox.issuer import CONNECT
from ctadata.sandbox.tokens import Signer
from ctadata.tokens.profile_files import ProfileFiles

TOKEN = f"{CONNECT}/token"
PATIENCE = 60.0


@pytest.fixture
def box(issued):
    with Sandbox(approve=True, interval=0, token_lifetime=4, confidential=True, write_anywhere=True) as box:
        box.files.put("/lst/a.dat", b"a")
        issued.add(box.client_secret)
        yield box


@pytest.fixture
def issued(monkeypatch):
    """Every secret that the issuer issued or received; the sandbox runs in this process, the commands do not."""
    found = set()
    text, sign, form = random_text.token_urlsafe, Signer.sign, issuer._form

    def kept(secret):
        found.add(secret)
        return secret

    def shown(exchange):
        fields = form(exchange)
        found.update(fields[name] for name in ("code_verifier", "client_secret") if name in fields)
        return fields

    monkeypatch.setattr(random_text, "token_urlsafe", lambda *size: kept(text(*size)))
    monkeypatch.setattr(Signer, "sign", lambda self, claims: kept(sign(self, claims)))
    monkeypatch.setattr(issuer, "_form", shown)
    return found


class Watcher:
    """Collects the arguments and the environment of all other processes that this user may inspect."""

    def __init__(self):
        self.seen = set()
        self._done = Event()
        self._thread = threading.Thread(daemon=True, target=self._watch)

    def _watch(self):
        while not self._done.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                if process.name != str(os.getpid()):
                    self.seen.update(readable(process / part) for part in ("cmdline", "environ"))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()


def readable(path):
    try:
        return path.read_text(errors="replace")
    except OSError:  # it has ended, or is somebody else's
        return ""


@pytest.fixture
def at(cli, box, tmp_path, monkeypatch):
    """The command, with a site to log in to and a temporary directory that the test inspects."""
    settings, temporary = tmp_path / "settings.toml", tmp_path / "tmp"
    settings.write_text(f'default = "sandbox"\n{box.profile_toml()}')
    temporary.mkdir()
    cli.env = {"CTADATA_CONFIG": str(settings), "TMPDIR": str(temporary)}
    cli.forked = False  # what `ps` shows is looked at
    return cli


@pytest.fixture
def carelessly():
    """Under umask 000."""
    before = os.umask(0)
    yield
    os.umask(before)


def readings(*folders):
    """Return the text of every file below the folders."""
    return {path: readable(path) for folder in folders for path in folder.rglob("*") if path.is_file()}


def holding(issued, texts):
    """Return the texts that contain secrets; a failure shows only the beginning of a secret."""
    long = [secret for secret in issued if len(secret) > 12]
    found = {name: [secret[:4] for secret in long if secret in text] for name, text in texts.items()}
    return {name: secrets for name, secrets in found.items() if secrets}


def wait_for(probe):
    ends, pause = time.monotonic() + PATIENCE, Event()
    while not probe():
        assert time.monotonic() < ends
        pause.wait(0.02)


def test_no_secret_leaks_from_login_to_logout(at, box, issued, carelessly, tmp_path):
    places, home, said = ProfileFiles.of("sandbox"), Path(os.environ["HOME"]), {}

    def run(*words, **options):
        ended = at("-vv", *words, **options)
        said[f"{len(said)}: {words[0]}"] = ended.err + ("" if words[0] == "get-token" else ended.out)
        return ended

    def token():
        return places.token.read_text()

    with Watcher() as watcher:
        run("start-agent", "-s", "-", stdin=box.client_secret.encode(), check=0)
        (tmp_path / "here" / "up.dat").write_bytes(b"up")
        run("put", "up.dat", "/lst/up.dat", check=0)
        run("get", "lst/a.dat", check=0)
        run("list", "lst", check=0)
        box.faults.add("issuer", "POST", TOKEN, faults.Status(500, "Oops"), times=1)
        first = token()
        wait_for(lambda: token() != first)
        box.faults.add("door", "GET", "/lst/a.dat", faults.Status(401, "No"), times=2)
        run("get", "lst/a.dat", "again.dat")
        assert run("get-token", check=0).out.strip() in issued
        run("env", check=0)
        run("exec", "--", sys.executable, "-c", "import os; print(dict(os.environ))", check=0)
        run("agent-status", "--json", check=0)
        run("config", check=0)
        run("agent-log", check=0)
        kept = readings(home, tmp_path)
        modes = {path: stat.filemode(path.stat().st_mode) for path in (places.folder, *places.folder.rglob("*"))}
        run("stop-agent", check=0)
        box.revoke_sessions()
        wait_for(lambda: run("get-token").code != 0)
        run("logout", check=0)

    assert set(holding(issued, kept)) == {places.token, places.login}
    assert not holding(issued, said | {"processes": "\n".join(watcher.seen)})
    assert not holding(issued, readings(home, tmp_path))
    assert set(modes.values()) == {"-rw-------", "drwx------"}
    assert "ctadata.agent.daemon" in "".join(watcher.seen)  # it does see them
    assert len(issued) > 8


@pytest.mark.parametrize("by", ["arguments", "environment"])
def test_a_secret_on_the_command_line_goes_no_further(at, box, by):
    """`-s VALUE` is in `ps` during the login, with a warning; the agent has it neither there nor in its environment."""
    words, env = (
        (["-s", box.client_secret], {}) if by == "arguments" else ([], {"CTADATA_CLIENT_SECRET": box.client_secret})
    )
    with Watcher() as watcher:
        started = at("start-agent", *words, env=env, check=0)
        assert (" ps" in started.err) == (by == "arguments")
        assert holding({box.client_secret}, {"processes": "".join(watcher.seen)})  # the watcher finds what there is
    with Watcher() as watcher:
        wait_for(lambda: "ctadata.agent.daemon" in "".join(watcher.seen))
        at("stop-agent", check=0)
    assert not holding({box.client_secret}, {"processes": "".join(watcher.seen)})
