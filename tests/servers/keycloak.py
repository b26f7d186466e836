"""Keycloak, the server that many institutes run: device logins through its own pages, in four realms.

`rotating`: a refresh token is good once ("Revoke Refresh Token", no reuse). `forgiving`: once more (reuse 1).
`lasting`: it is good again and again. `idle`: a session ends after 4 s without use. What they have in common,
`keycloak.json` says.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import OpenerDirector

from servers.authority import Authority
from servers.login import approve_device, discovery, opener
from servers.real import USER
from servers.shared import NotStarted, Start, State, free_port

HERE = Path(__file__).parent
INSTALLED = HERE / "keycloak-server"
REALMS = {
    "rotating": {"revokeRefreshToken": True, "refreshTokenMaxReuse": 0},
    "forgiving": {"revokeRefreshToken": True, "refreshTokenMaxReuse": 1},
    "lasting": {"revokeRefreshToken": False},
    "idle": {"revokeRefreshToken": False, "ssoSessionIdleTimeout": 4},
}
PATIENCE = 180.0  # seconds to come up: 20 s of work, of which a busy machine gets half
OPENED = ("util", "util.concurrent", "security")  # as kc.sh opens them
JAVA = [  # what kc.sh would say; with few compilations, since the run is over before more would pay
    *("-Xms64m", "-Xmx512m", "-XX:MaxMetaspaceSize=256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in OPENED),
    *("-Dfile.encoding=UTF-8", "-Duser.language=en", "-Duser.country=US"),
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
]


@dataclass(frozen=True)
class Keycloak:
    """Keycloak, up and running at `url`. Its user `visitor` may have no offline tokens, `observer` may."""

    url: str
    ca: Path
    client_secret: str

    def issuer(self, realm: str) -> str:
        """The issuer that a realm is."""
        return f"{self.url}/realms/{realm}"

    def approve(self, verification_uri_complete: str, user: str = USER, browser: OpenerDirector | None = None) -> None:
        """Log in and grant at Keycloak's own pages; in a `browser` of before, where somebody has logged in already.

        One at a time: of a user's first two grants to a client at once, Keycloak keeps both, and says 500 ever after.
        """
        with (self.ca.parent / "keycloak.approving").open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            page = approve_device(verification_uri_complete, self.ca, user, browser)
        assert "Device Login Successful" in page

    def deny(self, verification_uri_complete: str, user: str = USER) -> None:
        """Log in, and grant nothing."""
        approve_device(verification_uri_complete, self.ca, user, button=-1)

    def browser(self) -> OpenerDirector:
        """A browser that stays logged in from one approval to the next."""
        return opener(self.ca)


def client_secret() -> str:
    """The secret of the client `confidential`."""
    return next(client["secret"] for client in _realm("any")["clients"] if client["clientId"] == "confidential")


def start_keycloak(start: Start, made: Authority) -> State:
    """Bring Keycloak up; returns its `url`. Raises NotStarted where Java or the server is missing."""
    java = shutil.which("java")
    if not java or not INSTALLED.is_dir():
        raise NotStarted("Keycloak needs Java (17 or newer) and: .ci/keycloak")
    port = free_port()
    url = f"https://localhost:{port}"
    _lay_out(start.folder)
    options = [
        *(f"-Dkc.home.dir={start.folder}", f"-Djboss.server.config.dir={start.folder}/conf"),
        *("-cp", "lib/quarkus-run.jar", "io.quarkus.bootstrap.runner.QuarkusEntryPoint"),
        *("start", "--optimized", "--import-realm", "--cache=local"),
        *("--http-host=127.0.0.1", f"--https-port={port}", f"--hostname={url}"),
        *(f"--https-certificate-file={made.server}", f"--https-certificate-key-file={made.server}"),
    ]

    def answers() -> bool:
        with suppress(OSError):
            return all(discovery(f"{url}/realms/{realm}", made.ca) for realm in REALMS)
        return False

    start.launch("env", f"--chdir={start.folder}", java, *JAVA, *options, answers=answers, patience=PATIENCE)
    return {"url": url}


def _lay_out(home: Path) -> None:
    """A home of its own for this run: the program by links, and the realms to begin with."""
    for part in ("lib", "providers", "themes"):
        (home / part).symlink_to(INSTALLED.resolve() / part)
    shutil.copytree(INSTALLED / "conf", home / "conf")
    imported = home / "data" / "import"
    imported.mkdir(parents=True)
    for name in REALMS:
        (imported / f"{name}-realm.json").write_text(json.dumps(_realm(name)))


def _realm(name: str) -> dict:
    common = json.loads((HERE / "keycloak.json").read_text())
    return {"realm": name, **common, **REALMS.get(name, {})}
