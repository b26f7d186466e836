"""The platform with a real JupyterHub, which issues the tokens and tells the services whose they are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from servers.jupyterhub import JupyterHub
from servers.platform_certificates import fragment
from servers.platform_site import USER, Platform

import ctadata
from ctadata.api import StorageException
from ctadata.errors import LoginNeeded


@pytest.fixture
def hub_platform(jupyterhub: JupyterHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    platform = Platform(tmp_path / "platform", jupyterhub.api)
    monkeypatch.setenv("CTADS_URL", platform.ds_url)
    monkeypatch.setenv("CTACS_URL", platform.cs_url)
    monkeypatch.setenv("JUPYTERHUB_API_URL", jupyterhub.api)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield platform
    platform.stop()


def test_a_token_of_the_hub_reads_and_writes(hub_platform: Platform, jupyterhub: JupyterHub, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", jupyterhub.issue(USER))
    content = hub_platform.put("lst/d/f", b"content")
    assert ctadata.fetch_and_save_file(ctadata.list_dir("lst/d")[1]) == len(content)
    assert ctadata.upload_file("f", "new/")["path"] == f"{hub_platform.home}/new/f"
    assert hub_platform.read(f"{hub_platform.home}/new/f") == content


def test_the_home_belongs_to_the_tokens_user(hub_platform: Platform, jupyterhub: JupyterHub):
    user = f"User.{uuid4().hex[:8]}@epfl.ch"
    hub_platform.certificates.shared_users |= {user, user.lower()}  # as the hub writes it
    Path("f").write_text("content")
    said = ctadata.upload_file("f", "f", token=jupyterhub.issue(user))
    assert said["path"] == f"lst/users/{fragment(user)}/f"


def test_a_session_of_the_hub_needs_no_settings(hub_platform: Platform, jupyterhub: JupyterHub):
    """The addresses are the stand-in's here, and the platform's default ones there."""
    user = f"User.{uuid4().hex[:8]}@epfl.ch".lower()
    hub_platform.certificates.shared_users.add(user)
    hub_platform.put("lst/d/f", b"content")
    addresses = {"CTADS_URL": hub_platform.ds_url, "CTACS_URL": hub_platform.cs_url}
    code = "import ctadata; print(ctadata.list_dir('lst/d')[1]); print(ctadata.upload_file('f', 'new/')['path'])"
    with jupyterhub.session(user) as session:
        assert "CTADS_URL" not in session
        for argv in (["cta-data", "get", "lst/d/f"], ["python", "-c", code]):
            program = [str(Path(sys.executable).with_name(argv[0])), *argv[1:]]
            done = subprocess.run(program, env={**session, **addresses}, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["lst/d/f", f"lst/users/{fragment(user)}/new/f"]
    assert hub_platform.read(f"lst/users/{fragment(user)}/new/f") == b"content"


def test_a_token_with_another_scope_is_refused_with_a_reason(hub_platform: Platform, jupyterhub: JupyterHub):
    token = jupyterhub.issue(USER, f"read:users!user={USER}")
    with pytest.raises(StorageException, match="scopes are insufficient"):
        ctadata.list_dir("lst", token=token)


def test_a_revoked_token_is_no_login(hub_platform: Platform, jupyterhub: JupyterHub):
    user = f"user.{uuid4().hex[:8]}"
    hub_platform.certificates.shared_users.add(user)
    token = jupyterhub.issue(user)
    assert ctadata.list_dir("lst", token=token)
    jupyterhub.revoke(user)
    with pytest.raises(LoginNeeded):
        ctadata.list_dir("lst", token=token)


def test_certificates_belong_to_the_tokens_user(hub_platform: Platform, jupyterhub: JupyterHub):
    user = f"user.{uuid4().hex[:8]}"
    token = jupyterhub.issue(user)
    hub_platform.put("lst/f", b"12")
    with pytest.raises(StorageException, match="upload-personal-certificate"):
        ctadata.fetch_and_save_file("lst/f", token=token)
    Path("proxy.pem").write_bytes(hub_platform.papers.certificate())
    ctadata.upload_personal_certificate("proxy.pem", "lst", token=token)
    assert ctadata.fetch_and_save_file("lst/f", token=token) == 2


def test_only_the_hubs_admins_may_change_the_shared_certificate(hub_platform: Platform, jupyterhub: JupyterHub):
    Path("proxy.pem").write_bytes(hub_platform.papers.certificate())
    with pytest.raises(ctadata.api.CertificateError, match="admin"):
        ctadata.upload_shared_certificate("proxy.pem", token=jupyterhub.issue(USER))
    ctadata.upload_shared_certificate("proxy.pem", token=jupyterhub.issue("administrator"))
    assert hub_platform.certificates.shared == Path("proxy.pem").read_bytes()
