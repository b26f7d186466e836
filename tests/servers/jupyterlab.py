"""JupyterLab with the panel of the storage, set up with the commands of the guide."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from servers.shared import NotStarted, free_port

HERE = Path(__file__).parent
PROGRAMS = HERE / "jupyterlab-venv" / "bin"
PATIENCE = 300.0  # seconds for a command; the first start compiles what pip has left
PIECE = 1 << 20  # bytes of a file that JupyterLab sends with one request


@dataclass
class JupyterLab:
    """A server that is up: `url` is its origin, `token` opens it, `local` is the folder of its own file browser."""

    url: str
    token: str
    local: Path
    drives: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method, f"{self.url}/{path}", headers={"Authorization": f"token {self.token}"}, timeout=PATIENCE, **more
            )

    def open_panels(self, *resources: dict[str, Any]) -> None:
        """Open panels, as JupyterLab does for the settings of its user, and remember the drive of each by its name."""
        answer = self.ask("POST", "jupyterfs/resources", json={"resources": resources, "options": {}})
        self.drives = {each["name"]: each["drive"] for each in answer.json()}

    def contents(self, method: str, panel: str, path: str, *, query: str = "", **body: Any) -> requests.Response:
        """Ask the contents API for a path in a panel; the panel `""` is that of the local files."""
        drive = f"{self.drives[panel]}:" if panel else ""
        return self.ask(method, f"api/contents/{drive}{quote(path)}{query}", json=body or None)

    def rename(self, panel: str, path: str, to: str) -> requests.Response:
        """Give a file or a directory another path."""
        drive = f"{self.drives[panel]}:"
        return self.ask("PATCH", f"api/contents/{drive}{quote(path)}", json={"path": drive + to})

    def upload(self, panel: str, path: str, data: bytes) -> requests.Response:
        """Upload a file as JupyterLab does: one of more than 1 MiB in pieces, the last one with the number -1."""
        pieces = [data[start : start + PIECE] for start in range(0, len(data), PIECE)]
        for number, piece in enumerate(pieces, start=1):
            body = {"type": "file", "format": "base64", "content": base64.b64encode(piece).decode()}
            chunk = {"chunk": number if number < len(pieces) else -1} if len(pieces) > 1 else {}
            answer = self.contents("PUT", panel, path, **body, **chunk)
        return answer


@contextmanager
def start_jupyterlab(folder: Path, env: dict[str, str], **settings: Any) -> Iterator[JupyterLab]:
    """Enable the extension, and start the server in a new home.

    env: Variables; `CTADATA_CONFIG` and those that a login needs.  settings: Of the server, by the name of the class.
    """
    if not (PROGRAMS / "jupyter-lab").exists():
        raise NotStarted("JupyterLab needs: .ci/jupyterlab")
    local = folder / "local"
    local.mkdir()
    env = {**os.environ, **env, "HOME": str(folder), "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    for name in ("CONFIG", "DATA", "RUNTIME"):
        env[f"JUPYTER_{name}_DIR"] = str(folder / name.lower())
    enable = ["jupyter", "server", "extension", "enable", "ctadata.jupyter"]
    subprocess.run(enable, env=env, cwd=folder, check=True, capture_output=True, timeout=PATIENCE)
    token = secrets.token_hex(16)
    lab = JupyterLab(f"http://127.0.0.1:{free_port()}", token, local)
    (folder / "config").mkdir()
    (folder / "config" / "jupyter_server_config.json").write_text(json.dumps(settings))
    words = ["--no-browser", "--allow-root", f"--port={lab.url.rpartition(':')[2]}", f"--ServerApp.root_dir={local}"]
    words += [f"--IdentityProvider.token={token}", "--ServerApp.port_retries=0", "--LabApp.news_url="]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [PROGRAMS / "jupyter-lab", *words], env=env, cwd=local, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            while not _answers(lab):
                if server.poll() is not None:
                    raise NotStarted((folder / "log").read_text()[-4000:])
            yield lab
        finally:
            server.terminate()
            server.wait(PATIENCE)


def _answers(lab: JupyterLab) -> bool:
    try:
        return lab.ask("GET", "api/status").ok
    except requests.RequestException:
        return False
