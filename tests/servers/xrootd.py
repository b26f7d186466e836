"""XRootD over HTTPS as a site of several servers; its SciTokens plug-in checks tokens of the WLCG profile."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import time
from pathlib import Path

from servers.authority import Authority
from servers.real import AUDIENCE
from servers.shared import NotStarted, Start, State

from ctadata.sandbox.tokens import Signer

HERE = Path(__file__).parent
ISSUER = "https://issuer.localhost/realms/test"
SCOPE = "storage.read:/ storage.modify:/ storage.create:/ storage.stage:/"
CLUSTER = """\
set cport = $CMSPORT
if named man
all.role manager
else
all.role server
fi
all.manager localhost:$cport
cms.allow host *
cms.delay startup 1 lookup 1 servers 1 qdl 1 full 1
cms.space min 1% 1m
cms.dfs lookup distrib redirect immed
"""
DOWNGRADE = """\
set dest = $XDEST
if named door
xrootd.redirect $dest all
xrootd.redirect $dest /
fi
"""
HOURS = 86400


def start_xrootd(start: Start, made: Authority, kind: str) -> State:
    """Bring a `cluster` or a `downgrade` door up; `url`, `pools` (ports), `pids`, `data`, `ca` and `token`.

    Raises NotStarted where XRootD or its plug-in is missing.
    """
    if not shutil.which("xrootd") or not shutil.which("cmsd") or not list(Path("/usr/lib").glob("*/libXrdAccSciTok*")):
        raise NotStarted("XRootD needs the Debian packages xrootd-server and xrootd-scitokens-plugins")
    folder = start.folder
    for name in ("data", "a", "r", "keys/scitokens"):
        (folder / name).mkdir(parents=True)
    text = (HERE / "xrootd.cfg").read_text().replace("@ROLE@", CLUSTER if kind == "cluster" else DOWNGRADE)
    (folder / "xrootd.cfg").write_text(text.replace("@DESTHTTPS@", "yes" if kind == "cluster" else "no"))
    _certificates(folder, made)
    token = _trusted_token(folder)
    said = start.launch(sys.executable, "-I", HERE / "xrootd_nodes.py", kind, folder, "{ready}")
    return {**said, "data": str(folder / "data"), "ca": str(folder / "ca.crt"), "token": token, "issuer": ISSUER}


def _certificates(folder: Path, made: Authority) -> None:
    shutil.copy(made.ca, folder / "ca.crt")
    shutil.copy(made.server, folder / "server.crt")
    shutil.copy(made.server, folder / "server.key")
    (folder / "server.key").chmod(0o600)


def _trusted_token(folder: Path) -> str:
    """A token whose issuer the plug-in knows; libscitokens asks none with a CA of ours, so its cache has the keys."""
    signer, now = Signer("ES256"), int(time.time())
    keys = {"jwks": signer.public(), "expires": now + HOURS, "next_update": now + HOURS}
    with sqlite3.connect(folder / "keys" / "scitokens" / "scitokens_cpp.sqllite") as cache:
        cache.execute("CREATE TABLE keycache (issuer text UNIQUE PRIMARY KEY NOT NULL, keys text NOT NULL)")
        cache.execute("INSERT INTO keycache VALUES (?, ?)", (ISSUER, json.dumps(keys)))
    cache.close()
    lines = ["[Global]", f"audience = {AUDIENCE}", "onmissing = deny", "[Issuer test]", f"issuer = {ISSUER}"]
    (folder / "scitokens.cfg").write_text("\n".join([*lines, "base_path = /", ""]))
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "observer", "scope": SCOPE, "wlcg.ver": "1.0", "jti": "1"}
    token = signer.sign({**claims, "iat": now, "nbf": now - 60, "exp": now + HOURS})
    (folder / "token").write_text(token)
    return token
