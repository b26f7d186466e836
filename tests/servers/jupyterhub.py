"""JupyterHub, which gives out the platform's tokens and says whose they are."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from servers.shared import NotStarted, Start, State, free_port

HERE = Path(__file__).parent
PYTHON = HERE / "jupyterhub-venv" / "bin" / "python"
PATIENCE = 120.0  # seconds to come up: it makes its database first


@dataclass(frozen=True)
class JupyterHub:
    """The hub, up and running: `url` is its origin, `key` the token of a service that makes users, tokens and sessions.

    homes: where users have their homes.
    """

    url: str
    key: str
    homes: Path

    @property
    def api(self) -> str:
        return f"{self.url}/hub/api"

    def issue(self, user: str, *scopes: str) -> str:
        """A new token of this user, who is made on demand; without scopes it may what the user may."""
        self._ask("POST", f"users/{quote(user)}", may_be=409)
        asked = {"scopes": list(scopes)} if scopes else {}
        return self._ask("POST", f"users/{quote(user)}/tokens", json=asked)["token"]

    def revoke(self, user: str) -> None:
        """Take all the user's tokens back."""
        for token in self._ask("GET", f"users/{quote(user)}/tokens")["api_tokens"]:
            self._ask("DELETE", f"users/{quote(user)}/tokens/{token['id']}")

    @contextmanager
    def session(self, user: str) -> Iterator[dict[str, str]]:
        """A session of this user, started by the hub: the environment that it has."""
        self._ask("POST", f"users/{quote(user)}", may_be=409)
        self._ask("POST", f"users/{quote(user)}/server")
        try:
            yield json.loads((self.homes / user / "environment.json").read_text())
        finally:
            self._ask("DELETE", f"users/{quote(user)}/server")

    def _ask(self, method: str, path: str, may_be: int = 0, **more: Any) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            headers = {"Authorization": f"token {self.key}"}
            answer = session.request(method, f"{self.api}/{path}", headers=headers, timeout=30, **more)
        if answer.status_code != may_be:
            answer.raise_for_status()
        return answer.json() if answer.content else None


def start_jupyterhub(start: Start) -> State:
    """Bring the hub up; returns its `url`, `key` and `homes`. Raises NotStarted where it is not installed."""
    if not PYTHON.exists():
        raise NotStarted("JupyterHub needs: .ci/jupyterhub")
    port, key = free_port(), secrets.token_hex(16)
    said = {"url": f"http://127.0.0.1:{port}", "key": key, "homes": f"{start.folder}/homes"}
    settings = [f"--chdir={start.folder}", f"HUB_FOLDER={start.folder}", f"HUB_PORT={port}", f"HUB_TOKEN={key}"]
    command = ["env", *settings, PYTHON, "-m", "jupyterhub", "--config", HERE / "jupyterhub_config.py"]

    def answers() -> bool:
        try:
            return requests.get(f"{said['url']}/hub/api", timeout=5).ok
        except requests.RequestException:  # a busy hub takes connections before it answers
            return False

    start.launch(*command, answers=answers, patience=PATIENCE)
    return said
