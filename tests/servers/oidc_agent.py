"""oidc-agent as a user has it: a process of its own, spoken to over its socket, and accounts made by `oidc-gen`."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic

PATIENCE = 60.0  # seconds for a login with its approval, on a busy machine
PROGRAMS = ("oidc-agent", "oidc-gen", "oidc-add")


class Failed(Exception):
    """What one of its programs, or the agent, said instead of doing it."""


@dataclass(frozen=True)
class OidcAgent:
    """A running oidc-agent with the options that spare it from polling by itself.

    folder: private; holds the password and, in `accounts`, what it keeps.
    ca:     PEM file of the authority that its accounts are to trust.
    """

    folder: Path
    ca: Path

    @property
    def socket(self) -> Path:
        """Where it listens: what OIDC_SOCK is to be."""
        return self.folder / "socket"

    @property
    def accounts(self) -> Path:
        """Its own directory."""
        return self.folder / "accounts"

    def ask(self, request: str, **words: object) -> dict:
        """Its answer to one request."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(PATIENCE)
            line.connect(str(self.socket))
            line.sendall(json.dumps({"request": request, **words}).encode())
            return json.loads(b"".join(iter(lambda: line.recv(65536), b"")))

    def token(self, account: str, min_life: int = 0) -> str:
        """An access token; raises Failed with its words."""
        answer = self.ask("access_token", account=account, min_valid_period=min_life)
        if answer["status"] != "success":
            raise Failed(answer["error"])
        return answer["access_token"]

    def generate(
        self, account: str, issuer: str, client_id: str, approve: Callable[[str], object], secret: str = ""
    ) -> None:
        """Make an account by the device flow, with no terminal; raises Failed with what `oidc-gen` said.

        approve: is given the address with the code in it.
        """
        words = [
            *("--manual", f"--issuer={issuer}", f"--client-id={client_id}", f"--client-secret={secret}"),
            *(f"--cert-path={self.ca}", "--scope=openid offline_access", "--flow=device", "--no-url-call"),
            *("--prompt=none", "--confirm-default", f"--pw-file={self.folder}/password", account),
        ]
        said = []
        with self._run("oidc-gen", *words) as process:
            for line in process.stderr:
                said.append(line.strip())
                code = re.search(r"enter the code: (\S+)", line)
                if code:
                    address = next(text for text in reversed(said) if text.startswith("https://"))
                    approve(f"{address}?user_code={code[1]}")
        _check(process, said)

    def load(self, account: str) -> None:
        """Load an account that was made before."""
        with self._run("oidc-add", f"--pw-file={self.folder}/password", account) as process:
            said = process.stderr.read().splitlines()
        _check(process, said)

    def _run(self, program: str, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [program, *words],
            env=os.environ | {"OIDC_SOCK": str(self.socket), "OIDC_CONFIG_DIR": str(self.accounts)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Its process, for as long as the block lasts."""
        self.socket.unlink(missing_ok=True)
        process = subprocess.Popen(
            ["oidc-agent", "--console", "--no-autoreauthenticate", "--no-autoload", f"--socket-path={self.socket}"],
            env=os.environ | {"OIDC_CONFIG_DIR": str(self.accounts)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait(process)
            yield
        finally:
            process.terminate()
            process.wait(60)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        end, pause = monotonic() + PATIENCE, Event()
        while process.poll() is None and monotonic() < end:
            with suppress(OSError):
                if self.ask("check")["status"] == "success":
                    return
            pause.wait(0.02)
        raise Failed(f"oidc-agent does not answer (exit code {process.poll()})")


@contextmanager
def new_oidc_agent(ca: Path) -> Iterator[OidcAgent]:
    """An oidc-agent without accounts, not yet running; raises Failed where it is not installed."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        raise Failed(f"{', '.join(missing)} missing: install the Debian package oidc-agent-cli")
    with tempfile.TemporaryDirectory(prefix="ctadata-", dir="/tmp") as folder:  # short: it is a socket's path
        agent = OidcAgent(Path(folder), ca)
        agent.accounts.mkdir(mode=0o700)
        (agent.folder / "password").write_text(secrets.token_urlsafe(24) + "\n")
        yield agent


def _check(process: subprocess.Popen[str], said: list[str]) -> None:
    if process.returncode:
        raise Failed(" / ".join(line for line in said if line))
