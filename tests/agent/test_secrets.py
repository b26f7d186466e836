"""No token, refresh token, device code or secret is anywhere but in the two files for them."""

from __future__ import annotations

import logging
import os
import traceback
from pathlib import Path

import pytest

from ctadata.agent import control
from ctadata.errors import CtadataError
from ctadata.sandbox import Sandbox, faults
from ctadata.sandbox.issuer import CONNECT
from ctadata.tokens.login_store import load_login


@pytest.fixture
def box():
    with Sandbox(approve=True, interval=0, token_lifetime=3, confidential=True) as box:
        yield box


def test_a_whole_life(box, profile, files, shown, until, caplog, capfd):
    """Search everything for every secret: after a start with an entered secret, refreshes, failures and a stop."""
    caplog.set_level(logging.DEBUG)
    before = os.umask(0)
    try:
        started = control.start(profile, secret=box.client_secret, show=shown.append)
    finally:
        os.umask(before)
    secrets = {box.client_secret, shown[0].device_code.reveal(), shown[0].verifier.reveal()}

    def look():
        secrets.add(files.token.read_text())
        secrets.add(load_login(files, profile).refresh_token.reveal())

    def process():
        argv = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path)]
        return b"".join(argv) + Path(f"/proc/{started.pid}/environ").read_bytes()

    first = files.token.read_text()
    look()
    until(lambda: look() or len(secrets) >= 7)
    box.faults.add("issuer", "POST", f"{CONNECT}/token", faults.Status(500, "Oops"))
    until(lambda: look() or control.status(profile).last_error)
    seen_of_processes = process()
    with pytest.raises(CtadataError) as caught:
        control.get_token(profile, min_life=0, now=lambda: started.expires_at + 1e6)
    control.stop(profile)
    assert first in secrets

    texts = {path: path.read_text() for path in files.folder.iterdir() if path not in (files.token, files.login)}
    texts["processes"] = seen_of_processes.decode("utf-8", "replace")
    texts["logs"] = caplog.text
    texts["output"] = "".join(capfd.readouterr())
    texts["tracebacks"] = "".join(traceback.format_exception(caught.value))
    texts["what is shown"] = f"{started} {started.as_json()} {shown} {load_login(files, profile)}"
    texts["urls"] = "".join(seen.target for seen in box.seen)
    assert texts[files.agent_log]
    for where, text in texts.items():
        assert not [secret[:4] for secret in secrets if secret in text], where
    assert texts["output"] == ""  # library code does not print
    assert {path.stat().st_mode & 0o777 for path in files.folder.iterdir()} == {0o600}
    assert files.folder.stat().st_mode & 0o777 == 0o700


def readable(path):
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def test_the_files_hold_their_secrets(box, profile, files, shown):
    """One file holds the token alone, the other the secrets that renew it."""
    control.get_token(profile, secret=box.client_secret, show=shown.append)
    assert files.token.read_text().count(".") == 2
    assert load_login(files, profile).client_secret.reveal() == box.client_secret
