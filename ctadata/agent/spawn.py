"""Start the agent's process, and wait until it runs; `ctadata.agent.daemon` is its other end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, CtadataError, LocalError, TimedOut
from ctadata.tokens.profile_files import ProfileFiles

START_TIMEOUT = 60.0
"""Seconds that an agent may take to start. An interpreter on a slow shared disk needs many."""

KEPT_VARIABLES = frozenset(
    {
        *(
            "HOME",
            "LANG",
            "LC_ALL",
            "LC_CTYPE",
            "LD_LIBRARY_PATH",
            "LOGNAME",
            "PATH",
            "PYTHONHOME",
            "TMPDIR",
            "TZ",
            "USER",
        ),
        *("DBUS_SESSION_BUS_ADDRESS", "OIDC_SOCK", "PYTHON_KEYRING_BACKEND", "XDG_RUNTIME_DIR"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "X509_CERT_DIR"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    }
)
"""The variables that an agent inherits from the environment of its starter: no token, and no secret."""


def spawn(profile: Profile, files: ProfileFiles, copy: Path | None = None) -> None:
    """Start the agent of a profile, and return when it runs or another one does. A valid token must be on disk.

    Args:
        profile: The profile.
        files: The profile's files.
        copy: Another path to write the token to. None writes no copy.

    Raises:
        TimedOut: It took too long.
        CtadataError: It did not start.
    """
    if not sys.executable:
        raise ConfigError("sys.executable is empty, so no agent can be started")
    process = subprocess.Popen(
        [sys.executable, "-m", "ctadata.agent.daemon", profile.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=_environment(os.environ),
        start_new_session=True,
        text=True,
    )
    with process:
        try:
            output, _ = process.communicate(json.dumps(_request(profile, files, copy)), timeout=START_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            raise TimedOut(f"the agent did not start within {START_TIMEOUT:.0f} s", path=str(files.agent_log)) from None
    _check_output(output, files)


def _request(profile: Profile, files: ProfileFiles, copy: Path | None = None) -> dict[str, Any]:
    """Return the task for the agent. Nothing in it is secret."""
    return {
        "folder": str(files.folder.absolute()),
        "publish": copy and str(copy.absolute()),
        "profile": {
            "name": profile.name,
            "door": profile.door,
            "frontend": profile.frontend,
            "token_origins": profile.token_origins,
            "issuer": profile.issuer,
            "client_id": profile.client_id,
            "client_secret_file": profile.client_secret_file and str(profile.client_secret_file.absolute()),
            "scope": profile.scope,
            "audience": profile.audience,
            "token_source": profile.token_source,
            "login_store": profile.login_store,
            "ca": profile.ca and str(profile.ca.absolute()),
        },
    }


def _check_output(output: str, files: ProfileFiles) -> None:
    try:
        answer = json.loads(output)
    except ValueError:
        last = output.strip().splitlines()[-1:] or ["it printed nothing"]
        raise CtadataError(f"the agent did not start: {last[0]}", path=str(files.agent_log)) from None
    if "error" in answer:
        raise LocalError(f"the agent did not start: {answer['error']}", hint=answer["hint"], path=answer["path"])


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return the agent's environment, in which it finds this package even if that is not installed."""
    environment = {name: value for name, value in env.items() if name in KEPT_VARIABLES}
    home = Path(__file__).resolve().parents[2]
    paths = [os.path.abspath(path) for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]  # noqa: PTH100
    if home.name not in ("site-packages", "dist-packages"):
        paths.append(str(home))
    return {**environment, "PYTHONPATH": os.pathsep.join(paths)} if paths else environment
