"""An oidc-agent of our own: its process, and the programs that create, load and delete its accounts.

It runs in the foreground as our child process and ends with us. It never starts a login by itself: with its default
options, a login that is over makes it poll for ten minutes and answer nobody. No secret is in any argument. The
account's password is in a file; oidc-agent keeps its absolute path to encrypt a refresh token that rotates.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
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
from ctadata.system import POLLIN, Poll
from ctadata.tokens.device import CODE_LIFE, INTERVAL, DeviceLogin, Show
from ctadata.tokens.files import make_private_directory, read_private, write_private
from ctadata.tokens.oidc_agent import failure_error, is_answering
from ctadata.tokens.token import Secret

START_TIMEOUT = 10.0
END_TIMEOUT = 5.0
LONGEST_SOCKET = 100
"""The longest path of a socket, in characters; the kernel accepts 107."""

_CHILD = """
import ctypes, os, signal, sys
signal.pthread_sigmask(signal.SIG_SETMASK, [])
end_with_parent = getattr(ctypes.CDLL(None), "prctl", None)  # only Linux has it
if end_with_parent:
    end_with_parent(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: ends with its parent, however that ends
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class OidcAgentFiles:
    """The files of our oidc-agent: its accounts, their password, and the path of its socket."""

    folder: Path

    @property
    def accounts(self) -> Path:
        """The directory of oidc-agent (OIDC_CONFIG_DIR). It writes files of mode 0644, so only the user may enter."""
        return self.folder / "accounts"

    @property
    def password(self) -> Path:
        """The file with the password that encrypts the accounts."""
        return self.folder / "password"

    @property
    def socket_record(self) -> Path:
        """The file that holds the path of the socket."""
        return self.folder / "socket"

    def prepare(self) -> None:
        """Create what does not exist.

        Raises:
            LocalError: Others can enter the directory.
        """
        make_private_directory(self.accounts)
        if not read_private(self.password):
            write_private(self.password, secrets.token_urlsafe(48) + "\n")

    def listening(self) -> Path | None:
        """Return the socket of the running oidc-agent; None if none runs."""
        path = read_private(self.socket_record)
        return Path(path) if path and is_answering(Path(path)) else None


class OidcAgentProcess:
    """A running oidc-agent of ours: its files (`home`) and its `socket`."""

    def __init__(self, home: OidcAgentFiles) -> None:
        """Start oidc-agent, and wait until it answers.

        Args:
            home: Its files.

        Raises:
            ConfigError: oidc-agent is not installed.
            TimedOut: It did not start in time.
            TemporaryError: It ended at once.
        """
        self.home = home
        self._temporary: str | None = None
        self.socket = self._choose_socket()
        options = ("--console", "--no-autoreauthenticate", "--no-autoload", f"--socket-path={self.socket}")
        argv = [sys.executable, "-I", "-S", "-c", _CHILD, str(os.getpid()), program("oidc-agent"), *options]
        null = subprocess.DEVNULL
        self._ended, lives = os.pipe()  # the pipe closes when the last process that inherited it ends
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
        write_private(home.socket_record, str(self.socket))

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
                raise TemporaryError(f"oidc-agent ended at once (exit code {self._process.returncode})")
            if time.monotonic() > ends:
                raise TimedOut(f"oidc-agent did not start within {START_TIMEOUT:.0f} s")
            pause.wait(0.02)

    def close(self) -> None:
        """End oidc-agent, and wait for its forked process, which ends a moment later."""
        self._process.terminate()
        try:
            self._process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:  # it is waiting for an issuer, without a time-out
            self._process.kill()
            self._process.wait()
        ended = Poll()
        ended.register(self._ended, POLLIN)
        ended.poll(END_TIMEOUT * 1000)
        os.close(self._ended)
        self.home.socket_record.unlink(missing_ok=True)
        self.socket.unlink(missing_ok=True)
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)


def program(name: str) -> str:
    """Return the path of an installed program.

    Raises:
        ConfigError: It is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise ConfigError(f"{name} is not installed", hint="install oidc-agent-cli, or leave out --via oidc-agent")
    return found


def environment(home: OidcAgentFiles, socket: Path | None = None) -> dict[str, str]:
    """Return the environment for the programs of oidc-agent.

    Args:
        home: The files of our oidc-agent.
        socket: The running oidc-agent to talk to. None for the first start.
    """
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR", "LANG") if name in os.environ}
    return {**kept, "OIDC_CONFIG_DIR": str(home.accounts)} | ({"OIDC_SOCK": str(socket)} if socket else {})


def load_account(home: OidcAgentFiles, socket: Path, account: str) -> None:
    """Load an account into a running oidc-agent.

    Raises:
        LoginNeeded: The account has no valid login.
        TemporaryError: The account could not be loaded.
    """
    _run(["oidc-add", f"--pw-file={home.password}", account], home, socket, account)


def read_account_secrets(home: OidcAgentFiles, socket: Path, account: str) -> tuple[Secret | None, Secret | None]:
    """Return the refresh token of one of our accounts, for its revocation, and its client's secret. Either may be None.

    `oidc-gen --delete` would revoke the token too, but it also deletes the account if that fails.

    Raises:
        LoginNeeded: The account has no valid login.
        TemporaryError: The account could not be read.
    """
    text = _run(["oidc-gen", f"--print={account}", f"--pw-file={home.password}"], home, socket, account)
    try:
        content = json.loads(text)
        refresh_token, client_secret = (content.get(key) for key in ("refresh_token", "client_secret"))
    except (ValueError, AttributeError):
        raise TemporaryError("oidc-gen printed no account") from None
    return Secret(refresh_token) if refresh_token else None, Secret(client_secret) if client_secret else None


def create_account(
    profile: Profile, home: OidcAgentFiles, socket: Path, account: str, secret: Secret | None, show: Show, stop: Event
) -> None:
    """Create an account by the device flow, which the user has to approve.

    Args:
        profile: The profile.
        home: The files of our oidc-agent.
        socket: The running oidc-agent.
        account: The name of the new account.
        secret: The client's secret. None for a public client.
        show: Shows the user the address and the code.
        stop: When set, the login ends.

    Raises:
        LoginNeeded: The user denied the login, or the code expired.
        ConfigError: The issuer does not accept the client.
        Stopped: `stop` was set.
        TemporaryError: The issuer cannot be reached.
    """
    client_file = home.folder / "client.json"
    content = {"name": account, "issuer_url": profile.issuer, "client_id": profile.client_id}
    write_private(client_file, json.dumps(content | ({"client_secret": secret.reveal()} if secret else {})))
    try:
        with subprocess.Popen(
            [program("oidc-gen"), *_options(profile, home, client_file, public=secret is None), account],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(home, socket),
            umask=0o077,
            text=True,
            errors="replace",
        ) as process:
            message = _follow(process, show, stop)
    finally:
        client_file.unlink(missing_ok=True)
    if process.returncode:
        raise failure_error(message, account)


def _options(profile: Profile, home: OidcAgentFiles, client: Path, *, public: bool) -> list[str]:
    ca = [f"--cert-path={profile.ca.absolute()}"] if profile.ca and profile.ca.is_file() else []
    return [
        f"--file={client}",
        *(["--client-secret="] if public else []),  # an empty secret is its only way to declare a public client
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
    """Show the code when the program prints it, wait for the program's end, and return its last message."""
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
    with contextlib.ExitStack() as shown:
        for line in process.stderr:
            lines.append(line.strip()[:500])
            if found := re.fullmatch(r"https?://\S+", line.strip()):
                address = found[0]
            if found := re.search(r"enter the code: (\S+)", line):
                code = found[1]
            if address and code:
                login = DeviceLogin(code, address, None, CODE_LIFE, INTERVAL, Secret(""), Secret(""))
                shown.enter_context(show(login) or contextlib.nullcontext())
                address = code = ""


def _run(argv: Sequence[str], home: OidcAgentFiles, socket: Path, account: str) -> str:
    """Run one of the programs and return its output, which may be secret."""
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
    raise TimedOut(f"{argv[0]} did not end within 60 s")
