"""The other clients: where they are, which version, and how each is told to do a piece of work."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.door_and_pools import Site
from bench.setting import Client, Missing, Setting, version_of
from bench.trees import names

LOOPS = Path(__file__).with_name("loops")
THREADS = 8
STREAMS = 8
"""Connections for one file, of those that can."""


@dataclass(frozen=True)
class Peers:
    """Builds commands; each gives a Client, or Missing where the program is not installed.

    port: of the server, or of the proxy in front of it.
    """

    setting: Setting
    port: int

    @property
    def url(self) -> str:
        """Of the server as it is seen from here."""
        return f"https://localhost:{self.port}"

    def _client(self, program: str | Path, *arguments: str | Path, **how: object) -> Client | Missing:
        if not shutil.which(program):
            return Missing(f"{Path(program).name} is not installed")
        return Client([program, *arguments], **how)  # type: ignore[arg-type]

    def _loop(self, script: str, needs: str, *arguments: str | Path, **how: object) -> Client | Missing:
        python = self.setting.peers_python if needs else Path(self.setting.python)
        python = self.setting.s3fs_python if needs == "s3fs" else python
        if needs and version_of(python, "-c", f"import {needs}; print(1)") is None:
            return Missing(f"{needs} is not installed for {python}")
        return self._client(python, LOOPS / script, *arguments, **how)

    # one file

    def curl_get(self, name: str, out: Path, expected: tuple[int, int]) -> Client | Missing:
        """One stream into a file."""
        options = ("-sS", "--fail", "--cacert", self.setting.server.ca, "-o", out)
        return self._client("curl", *options, f"{self.url}/{name}", makes=out, expected=expected)

    def aria2_get(self, name: str, out: Path, expected: tuple[int, int]) -> Client | Missing:
        """Several streams."""
        options = ("-q", "--no-conf", f"-x{STREAMS}", f"-s{STREAMS}", "-k1M", "--file-allocation=none")
        where = (f"--ca-certificate={self.setting.server.ca}", f"--dir={out.parent}", f"--out={out.name}")
        return self._client("aria2c", *options, *where, f"{self.url}/{name}", makes=out, expected=expected)

    def rclone_get_one(self, program: str | Path, name: str, out: Path, expected: tuple[int, int]) -> Client | Missing:
        """Several streams."""
        options = (f"--multi-thread-streams={STREAMS}", "--multi-thread-cutoff=1M")
        return self.rclone(program, "copyto", *options, f":webdav:{name}", out, makes=out, expected=expected)

    # trees

    def rclone(self, program: str | Path, *arguments: str | Path, **how: object) -> Client | Missing:
        """Any rclone command, on the remote `:webdav:`."""
        environment = {"RCLONE_WEBDAV_URL": self.url, "RCLONE_WEBDAV_VENDOR": "other", "RCLONE_CONFIG": "/dev/null"}
        always = ("--ca-cert", self.setting.server.ca)
        return self._client(program, *always, *arguments, environment=environment, **how)

    def rclones(self) -> dict[str, str | Path]:
        """The system's, and the newest from PyPI: name to program."""
        return {"rclone": "rclone", "rclone, newest": self.setting.peers_python.with_name("rclone")}

    def davix(self, program: str, *arguments: str | Path, **how: object) -> Client | Missing:
        """Any davix command."""
        return self._client(program, "--capath", self.hashed_ca(), *arguments, **how)

    def hashed_ca(self) -> Path:
        """A directory with the CA certificate under the name that OpenSSL looks for."""
        folder = self.setting.folder / "ca"
        if not folder.exists():
            command = ["openssl", "x509", "-hash", "-noout", "-in", str(self.setting.server.ca)]
            name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
            folder.mkdir()
            shutil.copy(self.setting.server.ca, folder / f"{name}.0")
        return folder

    def davix_get_each(self, tree: str, out: Path, expected: tuple[int, int]) -> Client | Missing:
        """A `davix-get` for every tenth file, as scripts do it for every one."""
        listing, files = self.setting.folder / "every-tenth.names", expected[0] // 10
        listing.write_text("".join(self.listing(tree).read_text().splitlines(keepends=True)[::10]))
        script = 'while read -r name; do davix-get --capath "$1" "$2/$name" "$3/$name" || exit; done <"$4"'

        def before() -> None:
            for folder in {(out / name).parent for name in listing.read_text().split()}:
                folder.mkdir(parents=True, exist_ok=True)

        if not shutil.which("davix-get"):
            return Missing("davix-get is not installed")
        command: list[str | Path] = ["sh", "-c", script, "sh", self.hashed_ca(), f"{self.url}/{tree}", out, listing]
        return Client(command, out, (files, expected[1] // 10), before, share=0.1)

    def davix_put_tree(self, local: Path, tree: str, **how: object) -> Client | Missing:
        """`davix-put -r` with as many threads as the others have; davix 0.8.4 ends with 255 when all has gone well."""
        url = f"{self.url}/{tree}".replace("https", "davs", 1)
        return self.davix("davix-put", "-r", str(THREADS), local, url, codes=(0, 255), **how)

    def webdav4(self, verb: str, tree: str, local: Path, **how: object) -> Client | Missing:
        """`get` or `put` of a tree with threads."""
        ca, listing = self.setting.server.ca, self.listing(tree if verb == "get" else local)
        arguments = (verb, f"{self.url}/{tree}", ca, listing, local, str(THREADS))
        return self._loop("webdav4_client.py", "webdav4", *arguments, **how)

    def opened(self, work: str, peer: str, site: Site | None = None) -> Client | Missing:
        """A piece of `bench/loops/open_files.py`; its first line of output says that everything is imported.

        site: the door with pools to open the files at; None for Apache.
        """
        needs = {"ours": "", "libcurl": "", "webdav4": "webdav4.fsspec", "http": "aiohttp"}.get(peer, peer)
        if site is None:
            own = self.setting.ours("--version", port=self.port).environment if peer == "ours" else {}
            arguments: tuple[str | Path, ...] = (work, peer, self.url, self.setting.server.ca)
        else:
            profile = {"CTADATA_CONFIG": str(site.config), "BEARER_TOKEN_FILE": str(site.token)}
            own = {"ours": profile, "dcachefs": {"SSL_CERT_FILE": str(site.ca)}}.get(peer, {})
            arguments = (work, peer, site.door, site.ca, site.token, site.frontend)
        return self._loop("open_files.py", needs, *arguments, environment=own, expected=(2, 0), counted=True)

    def webdav4_list(self, folder: str, **how: object) -> Client | Missing:
        """The names in one folder."""
        return self._loop("webdav4_client.py", "webdav4", "list", self.url, self.setting.server.ca, folder, **how)

    def obstore(self, tree: str, out: Path, **how: object) -> Client | Missing:
        """Every file of a tree with threads."""
        arguments = (f"{self.url}/{tree}", self.listing(tree), out, str(THREADS))
        return self._loop("obstore_client.py", "obstore", *arguments, **how)

    def bare(self, tree: str, out: Path, **how: object) -> Client | Missing:
        """The bare loop."""
        arguments = (f"{self.url}/{tree}", self.setting.server.ca, self.listing(tree), out, str(THREADS))
        return self._loop("bare.py", "", *arguments, **how)

    def listing(self, tree: str | Path) -> Path:
        """A file that names every file of a tree, of the server's or a local one; made once."""
        root = self.setting.server.data / tree
        listing = self.setting.folder / f"{root.name}.names"
        if not listing.exists():
            listing.write_text("".join(f"{name}\n" for name in names(root)))
        return listing


def versions(setting: Setting) -> dict[str, str]:
    """Every program of the benchmark with its version, or that it is not installed."""
    python, newest = setting.peers_python, setting.peers_python.with_name("rclone")
    package = "import importlib.metadata as m; print(m.version('{}'))"
    ours = "import ctadata, pycurl, sys; print(sys.version.split()[0], pycurl.version)"
    said = {
        "ctadata": version_of(setting.ours_program, "--version"),
        "Python, libcurl": version_of(setting.python, "-c", ours),
        "Apache": version_of(shutil.which("apache2", path="/usr/sbin:/usr/bin") or "apache2", "-v"),
        "curl": version_of("curl", "--version"),
        "davix": version_of("davix-get", "--version"),
        "rclone": version_of("rclone", "version"),
        "rclone, newest": version_of(newest, "version"),
        "aria2": version_of("aria2c", "--version"),
        "boto3": version_of(python, "-c", package.format("boto3")),
        "minio": version_of(python, "-c", package.format("minio")),
        "webdav4": version_of(python, "-c", package.format("webdav4")),
        "obstore": version_of(python, "-c", package.format("obstore")),
        "fsspec": version_of(python, "-c", package.format("fsspec")),
        "dcachefs": version_of(python, "-c", package.format("dcachefs")),
        "s3fs": version_of(setting.s3fs_python, "-c", package.format("s3fs")),
    }
    return {name: version or "not installed" for name, version in said.items()}
