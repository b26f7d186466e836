"""An oidc-agent of our own: its process, and the programs beside it that make, load and delete accounts.

It runs in the foreground as our child and ends with us. It never starts a login by itself (with its default options
a login that is over makes it poll for ten minutes, deaf to everybody else), and no secret is in any arguments: the
account's password lies in a file, whose absolute path oidc-agent keeps to encrypt a refresh token that rotates.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, Stopped, TemporaryError, TimedOut
from ctadata.tokens.device import CODE_LIFE, INTERVAL, DeviceLogin, Show
from ctadata.tokens.files import make_private_directory, read_private, write_private
from ctadata.tokens.oidc_agent import failure_error, is_answering
from ctadata.tokens.token import Secret

START_TIMEOUT = 10.0
END_TIMEOUT = 5.0
LONGEST_SOCKET = 100
"""Characters of a socket's path; the kernel takes 107."""

_CHILD = """
import ctypes, os, signal, sys
signal.pthread_sigmask(signal.SIG_SETMASK, [])
with open(os.devnull) as null:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: ends with us, however we end
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class OidcAgentFiles:
    """Where our oidc-agent keeps its accounts and their password, and where it listens."""

    folder: Path

    @property
    def accounts(self) -> Path:
        """Its own directory (OIDC_CONFIG_DIR); it writes 0644 files, so nobody else may enter."""
        return self.folder / "accounts"

    @property
    def password(self) -> Path:
        """What the accounts are encrypted with."""
        return self.folder / "password"

    @property
    def said(self) -> Path:
        """The file that says where it listens."""
        return self.folder / "socket"

    def prepare(self) -> None:
        """Make what is missing; LocalError where it is not safe."""
        make_private_directory(self.accounts)
        if not read_private(self.password):
            write_private(self.password, secrets.token_urlsafe(48) + "\n")

    def listening(self) -> Path | None:
        """The socket of one that runs; None where none does."""
        told = read_private(self.said)
        return Path(told) if told and is_answering(Path(told)) else None


class OidcAgentProcess:
    """A running oidc-agent of ours: its `home`, and its `socket`."""

    def __init__(self, home: OidcAgentFiles) -> None:
        """Start it, and wait until it answers. ConfigError where it is not installed, TimedOut."""
        self.home = home
        self._temporary: str | None = None
        self.socket = self._choose_socket()
        options = ("--console", "--no-autoreauthenticate", "--no-autoload", f"--socket-path={self.socket}")
        argv = [sys.executable, "-I", "-S", "-c", _CHILD, str(os.getpid()), program("oidc-agent"), *options]
        null = subprocess.DEVNULL
        self._ended, lives = os.pipe()  # the pipe ends with the last process that inherits it
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=null,
                stdout=null,
                stderr=null,
                env=environment(home),
                cwd="/",
                umask=0o077,
                pass_fds=[lives],
            )
        except BaseException:
            os.close(self._ended)
            raise
        finally:
            os.close(lives)
        try:
            self._wait()
        except BaseException:
            self.close()
            raise
        write_private(home.said, str(self.socket))

    def _choose_socket(self) -> Path:
        path = (self.home.folder / "agent.sock").absolute()
        if len(os.fsencode(path)) > LONGEST_SOCKET:
            self._temporary = tempfile.mkdtemp(prefix="ctadata-")
            path = Path(self._temporary) / "s"
        path.unlink(missing_ok=True)
        return path

    def _wait(self) -> None:
        ends, pause = time.monotonic() + START_TIMEOUT, Event()
        while not is_answering(self.socket):
            if self._process.poll() is not None:
                raise TemporaryError(f"oidc-agent has ended at once (exit code {self._process.returncode})")
            if time.monotonic() > ends:
                raise TimedOut(f"oidc-agent did not start within {START_TIMEOUT:.0f} s")
            pause.wait(0.02)

    def close(self) -> None:
        """End oidc-agent, and wait for the process that it forks, which ends a moment after it."""
        self._process.terminate()
        try:
            self._process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:  # it waits for an issuer, and has no time-out
            self._process.kill()
            self._process.wait()
        ended = select.poll()
        ended.register(self._ended)
        ended.poll(END_TIMEOUT * 1000)
        os.close(self._ended)
        self.home.said.unlink(missing_ok=True)
        self.socket.unlink(missing_ok=True)
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)


def program(name: str) -> str:
    """Where it is; ConfigError where it is not installed."""
    found = shutil.which(name)
    if found is None:
        raise ConfigError(f"{name} is not installed", hint="install oidc-agent-cli, or leave out --via oidc-agent")
    return found


def environment(home: OidcAgentFiles, socket: Path | None = None) -> dict[str, str]:
    """What oidc-agent's programs have of ours."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR", "LANG") if name in os.environ}
    return {**kept, "OIDC_CONFIG_DIR": str(home.accounts)} | ({"OIDC_SOCK": str(socket)} if socket else {})


def load_account(home: OidcAgentFiles, socket: Path, account: str) -> None:
    """Load an account into a running one. LoginNeeded, TemporaryError."""
    _run(["oidc-add", f"--pw-file={home.password}", account], home, socket, account)


def read_account_secrets(home: OidcAgentFiles, socket: Path, account: str) -> tuple[Secret | None, Secret | None]:
    """What an account of ours is renewed with, so that it can be revoked, and its client's secret; None: it has none.

    `oidc-gen --delete` would revoke it too, but removes the account also where that fails. TemporaryError, LoginNeeded.
    """
    told = _run(["oidc-gen", f"--print={account}", f"--pw-file={home.password}"], home, socket, account)
    try:
        found = json.loads(told)
        refresh_token, client_secret = (found.get(key) for key in ("refresh_token", "client_secret"))
    except (ValueError, AttributeError):
        raise TemporaryError("oidc-gen printed no account") from None
    return Secret(refresh_token) if refresh_token else None, Secret(client_secret) if client_secret else None


def create_account(
    profile: Profile, home: OidcAgentFiles, socket: Path, account: str, secret: Secret | None, show: Show, stop: Event
) -> None:
    """Make an account by the device flow: a person approves. LoginNeeded, ConfigError, Stopped, TemporaryError."""
    told = home.folder / "client.json"
    content = {"name": account, "issuer_url": profile.issuer, "client_id": profile.client_id}
    write_private(told, json.dumps(content | ({"client_secret": secret.reveal()} if secret else {})))
    try:
        with subprocess.Popen(
            [program("oidc-gen"), *_options(profile, home, told, public=secret is None), account],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(home, socket),
            umask=0o077,
            text=True,
            errors="replace",
        ) as process:
            said = _follow(process, show, stop)
    finally:
        told.unlink(missing_ok=True)
    if process.returncode:
        raise failure_error(said, account)


def _options(profile: Profile, home: OidcAgentFiles, client: Path, *, public: bool) -> list[str]:
    ca = [f"--cert-path={profile.ca.absolute()}"] if profile.ca and profile.ca.is_file() else []
    return [
        f"--file={client}",
        *(["--client-secret="] if public else []),  # an empty one: it has no other word for a public client
        f"--issuer={profile.issuer}",
        f"--scope={profile.scope}",
        *([f"--audience={profile.audience}"] if profile.audience else []),
        *ca,
        f"--pw-file={home.password}",
        "--flow=device",
        "--prompt=none",
        "--confirm-default",
        "--no-url-call",
    ]


def _follow(process: subprocess.Popen[str], show: Show, stop: Event) -> str:
    """Show the code once it is told, and wait; what the program said last."""
    lines: list[str] = []
    reader = threading.Thread(target=_collect, args=(process, lines, show), daemon=True)
    reader.start()
    while process.poll() is None:
        if stop.wait(0.05):
            process.kill()
            process.wait()
            reader.join()
            raise Stopped("the login was stopped")
    reader.join()
    errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error")]
    return (errors or [line for line in lines if line] or [""])[-1]


def _collect(process: subprocess.Popen[str], lines: list[str], show: Show) -> None:
    assert process.stderr is not None
    address = code = ""
    for line in process.stderr:
        lines.append(line.strip()[:500])
        if found := re.fullmatch(r"https?://\S+", line.strip()):
            address = found[0]
        if found := re.search(r"enter the code: (\S+)", line):
            code = found[1]
        if address and code:
            show(DeviceLogin(code, address, None, CODE_LIFE, INTERVAL, Secret(""), Secret("")))
            address = code = ""


def _run(argv: Sequence[str], home: OidcAgentFiles, socket: Path, account: str) -> str:
    """Run one of the programs; what it prints, which may be secret."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            [program(argv[0]), *argv[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment(home, socket),
            umask=0o077,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )
        if done.returncode == 0:
            return done.stdout
        raise failure_error(done.stderr.strip().removeprefix("Error: ") or "no reason given", account)
    raise TimedOut(f"{argv[0]} does not end")
