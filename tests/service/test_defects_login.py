"""Defects of older clients with tokens, addresses and waits, which must not come back."""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path

import pytest
from flask import Response, redirect
from servers.platform_site import Platform
from webdav4.client import ClientError

import ctadata
from ctadata.api import StorageException
from ctadata.errors import LoginNeeded, TimedOut
from ctadata.http.client import Client
from ctadata.http.timeouts import Limits


def everything(platform: Platform) -> None:
    """Call each kind of request once."""
    platform.put("lst/d/f", b"12")
    Path("f").write_text("x")
    ctadata.list_dir("lst")
    ctadata.fetch_and_save_file_or_dir("lst/d", recursive=True)
    ctadata.upload_file("f", "new/f")
    client = ctadata.webdav4_client()
    client.ls("/lst")
    client.http.close()
    Path("proxy.pem").write_bytes(platform.papers.certificate())
    ctadata.upload_personal_certificate("proxy.pem", "lst")


def test_the_token_is_only_in_the_header(on_platform: Platform):
    everything(on_platform)
    assert len(on_platform.requests) > 8
    for seen in on_platform.requests:
        assert on_platform.token not in seen.target
        assert "token=" not in seen.target
        assert seen.headers["Authorization"] == f"Bearer {on_platform.token}"
        assert on_platform.token.encode() not in seen.body


@pytest.mark.parametrize("trouble", ["nobody there", "500", "401"])
def test_no_error_and_no_log_shows_the_token(on_platform: Platform, monkeypatch, caplog, capfd, trouble):
    caplog.set_level(logging.DEBUG)
    on_platform.put("lst/f")
    secret = on_platform.token
    if trouble == "nobody there":
        with socket.socket() as port:
            port.bind(("127.0.0.1", 0))
            monkeypatch.setenv("CTADS_URL", f"http://127.0.0.1:{port.getsockname()[1]}/services/downloadservice")
    elif trouble == "500":
        on_platform.instead("GET", "downloadservice/list/lst/f", lambda: Response(f"for {secret}", 500), times=20)
    else:
        secret = "a-token-that-nobody-knows"
    with pytest.raises(StorageException) as caught:
        ctadata.fetch_and_save_file("lst/f", token=secret)
    told = [str(caught.value), repr(caught.value), caplog.text, *capfd.readouterr()]
    cause = caught.value.__cause__ or caught.value.__context__
    assert not [text for text in [*told, str(cause)] if secret in text]


@pytest.mark.parametrize("url", ["http://platform.example/services/downloadservice", "ftp://localhost/x", "nonsense"])
def test_a_token_goes_only_over_https_or_to_this_machine(on_platform: Platform, refusals, url):
    with pytest.raises(StorageException) as caught:
        ctadata.list_dir("lst", downloadservice=url)
    assert "https" in str(caught.value)
    assert refusals() == []


def test_a_certificate_goes_only_over_https_or_to_this_machine(on_platform: Platform, refusals):
    Path("proxy.pem").write_bytes(on_platform.papers.certificate())
    with pytest.raises(ctadata.api.CertificateError, match="https"):
        ctadata.upload_personal_certificate("proxy.pem", "lst", certificateservice="http://platform.example/x")
    assert refusals() == []


@pytest.mark.parametrize("where", ["list/lst/f", "fetch/lst/f"])
def test_a_silent_server_ends_in_an_error(on_platform: Platform, monkeypatch, where, here):
    """The limit is a second here instead of minutes; older clients had none."""
    monkeypatch.setitem(Client.__init__.__kwdefaults__, "limits", Limits(first_byte=1))
    on_platform.put("lst/f")
    on_platform.instead("GET", f"downloadservice/{where}", on_platform.silence, times=9)
    with pytest.raises(TimedOut):
        ctadata.fetch_and_save_file("lst/f")
    assert here() == []


def test_a_503_is_retried(on_platform: Platform):
    on_platform.put("lst/f", b"12345")
    on_platform.instead("GET", "downloadservice/list/lst/f", lambda: Response("busy", 503))
    assert ctadata.fetch_and_save_file("lst/f") == 5


def test_the_environment_is_read_at_the_call_and_not_at_the_import(platform: Platform, monkeypatch, refusals):
    assert "ctadata" in sys.modules
    platform.put("lst/f")
    monkeypatch.setenv("CTADS_URL", platform.ds_url)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", platform.token)
    assert "lst/f" in ctadata.list_dir("lst")
    other = platform.hub.issue("somebody.else")
    os.environ["JUPYTERHUB_API_TOKEN"] = other
    with pytest.raises(StorageException):  # the server has no such certificate
        ctadata.list_dir("lst")
    assert platform.requests[-1].headers["Authorization"] == f"Bearer {other}"
    assert refusals() == []


@pytest.mark.parametrize("spelling", ["", "/", "//"])
def test_a_slash_at_the_end_of_an_address_makes_no_difference(on_platform: Platform, monkeypatch, spelling):
    monkeypatch.setenv("CTADS_URL", on_platform.ds_url.rstrip("/") + spelling)
    assert "lst" in [path.strip("/") for path in ctadata.list_dir("")]


def test_without_a_token_the_error_names_the_variable(on_platform: Platform, monkeypatch):
    for value in ("", None):
        if value is None:
            monkeypatch.delenv("JUPYTERHUB_API_TOKEN")
        else:
            monkeypatch.setenv("JUPYTERHUB_API_TOKEN", value)
        with pytest.raises(StorageException, match="JUPYTERHUB_API_TOKEN") as caught:
            ctadata.list_dir("lst")
        assert isinstance(caught.value, LoginNeeded)
    assert on_platform.requests == []


def test_an_invalid_token_is_reported_as_such(on_platform: Platform):
    with pytest.raises(LoginNeeded, match="token") as caught:
        ctadata.list_dir("lst", token="bad")
    assert caught.value.status == 401  # this header keeps the service from redirecting to the login page
    assert not on_platform.seen("hub")
    assert not on_platform.seen("login")


def test_a_redirect_to_the_login_page_is_not_followed_and_means_not_logged_in(on_platform: Platform):
    for address in ("list/lst", "webdav/lst"):
        to_login = lambda: redirect("/hub/api/oauth2/authorize?client_id=service-downloadservice")  # noqa: E731
        on_platform.instead("GET", f"downloadservice/{address}", to_login)
    with pytest.raises(LoginNeeded, match="not logged in"):
        ctadata.list_dir("lst")
    assert [seen.path for seen in on_platform.requests] == ["downloadservice/list/lst"]


def test_a_redirect_to_another_page_of_the_hub_means_that_the_address_is_wrong(on_platform: Platform):
    """A hub answers so for an unknown address, for example if CTADS_URL is the hub's own."""
    on_platform.instead("GET", "downloadservice/list/lst", lambda: redirect("/hub/services/downloadservice/list/lst"))
    with pytest.raises(
        StorageException, match=f"is {on_platform.ds_url.rstrip('/')} the address of the service"
    ) as caught:
        ctadata.list_dir("lst")
    assert not isinstance(caught.value, LoginNeeded)


def test_a_redirect_to_another_host_is_not_followed_with_the_token(on_platform: Platform, refusals):
    on_platform.put("lst/f")
    away = lambda: redirect("http://elsewhere.example/x", 307)  # noqa: E731
    for path in ("downloadservice/list/lst/f", "downloadservice/fetch/lst/f", "downloadservice/webdav/lst/f"):
        for method in ("GET", "PROPFIND"):
            on_platform.instead(method, path, away, times=20)
    with pytest.raises(StorageException):
        ctadata.fetch_and_save_file("lst/f")
    assert refusals() == []


def test_the_webdav_client_reports_a_missing_login_too(on_platform: Platform):
    client = ctadata.webdav4_client(token="bad")
    with pytest.raises((StorageException, ClientError)) as caught:
        client.ls("/")
    client.http.close()
    assert "login" in str(caught.value).lower() or "logged in" in str(caught.value) or "401" in str(caught.value)
    assert not on_platform.seen("login")


def test_the_webdav_client_looks_up_the_token_at_each_request(on_platform: Platform, monkeypatch):
    tokens = [on_platform.hub.issue(on_platform.user) for _ in range(2)]
    client = ctadata.webdav4_client()
    with client.http:
        for token in tokens:
            monkeypatch.setenv("JUPYTERHUB_API_TOKEN", token)
            client.ls("/")
            assert on_platform.requests[-1].headers["Authorization"] == f"Bearer {token}"


def test_a_token_without_the_services_scope_gets_an_explanation(on_platform: Platform):
    token = on_platform.hub.issue(on_platform.user, services=())
    with pytest.raises(StorageException, match=r"scopes are insufficient.*hub/token"):
        ctadata.list_dir("lst", token=token)


def test_it_can_be_imported_from_a_checkout_and_without_an_environment(tmp_path: Path):
    import subprocess

    root = str(Path(ctadata.__file__).parents[1])
    code = "import ctadata, ctadata.api; print(ctadata.__version__)"
    argv = [sys.executable, "-S", "-c", code]
    done = subprocess.run(argv, env={"PYTHONPATH": root}, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "unknown\n"
    assert os.listdir(tmp_path) == []


def test_the_token_of_one_hub_is_not_sent_to_the_default_services(on_platform, monkeypatch, refusals):
    monkeypatch.delenv("CTADS_URL")
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_HUB_URL", "https://hub.elsewhere.example/hub/")
    with pytest.raises(LoginNeeded, match="CTADS_URL"):
        ctadata.list_dir("lst")
    assert refusals() == []
