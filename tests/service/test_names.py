"""Every name that scripts of 0.6 use, and those of 0.7 that could be kept: it exists, and does what it did."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Response
from servers.platform_site import Platform

import ctadata
import ctadata.api
from ctadata.sandbox import Sandbox

FUNCTIONS = {
    "list_dir": ["path"],
    "fetch_and_save_file": ["path", "save_to_fn"],
    "fetch_and_save_file_or_dir": ["path", "recursive"],
    "upload_file": ["local_fn", "path"],
    "upload_dir": ["local_dir", "path"],
    "upload_personal_certificate": ["certificate_file_path", "certificate_key", "user"],
    "upload_shared_certificate": ["certificate_file_path"],
    "webdav4_client": [],
}
KEYWORDS = ["token", "downloadservice", "certificateservice", "chunk_size"]
DIRECT = {
    "list_dir": ["path", "recursive", "n_threads"],
    "fetch_and_save_file": ["path", "save_to_fn"],
    "fetch_and_save_file_or_dir": ["path", "recursive"],
    "upload_file": ["local_fn", "path"],
    "upload_dir": ["local_dir", "path"],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_takes_its_old_arguments(name):
    parameters = inspect.signature(getattr(ctadata, name)).parameters
    assert list(parameters)[: len(FUNCTIONS[name])] == FUNCTIONS[name]
    for keyword in KEYWORDS:
        assert parameters[keyword].default is None, keyword
    assert inspect.getdoc(getattr(ctadata, name))


@pytest.mark.parametrize("name", DIRECT)
def test_a_function_of_the_direct_module_takes_its_old_arguments(name):
    parameters = inspect.signature(getattr(ctadata.direct, name)).parameters
    assert list(parameters)[: len(DIRECT[name])] == DIRECT[name]
    assert "dev_instance" in parameters


@pytest.mark.parametrize(
    "name",
    [
        *("ctadata.__version__", "ctadata.APIClient", "ctadata.api", "ctadata.direct", "ctadata.start_agent_daemon"),
        *("ctadata.upload_certificate", "ctadata.api.APIClient", "ctadata.api.api_client"),
        *("ctadata.api.DirectApiError", "ctadata.api.TokenError", "ctadata.api.TokenExpiredError"),
        *("ctadata.api.ClientSecretNotFound", "ctadata.api.EnvironmentError", "ctadata.direct.api.TokenExpiredError"),
        *("ctadata.api.StorageException", "ctadata.api.CertificateError", "ctadata.util.urljoin_multipart"),
        *("ctadata.APIClient.downloadservice", "ctadata.APIClient.certificateservice", "ctadata.APIClient.token"),
        *("ctadata.APIClient.construct_endpoint_url", "ctadata.APIClient.get_endpoint"),
        *(f"ctadata.APIClient.{name}" for name in FUNCTIONS),
        *("ctadata.direct.direct", "ctadata.direct.api", "ctadata.direct.APIClient", "ctadata.direct.webdav4_client"),
        *("ctadata.direct.api.DirectApiError", "ctadata.direct.api.StorageException", "ctadata.direct.api.TokenError"),
        *("ctadata.direct.api.ClientSecretNotFound", "ctadata.direct.api.EnvironmentError"),
        *("ctadata.direct.api.APIClient.start_agent_daemon", "ctadata.direct.api.APIClient.init_agent"),
        *("ctadata.direct.api.APIClient.secret", "ctadata.direct.api.APIClient.token"),
    ],
)
def test_old_imports_work(name):
    module, _, attribute = name.rpartition(".")
    try:
        found = importlib.import_module(module)
    except ImportError:
        module, _, owner = module.rpartition(".")
        found = getattr(importlib.import_module(module), owner)
    assert inspect.getattr_static(found, attribute, None) or getattr(found, attribute)


@pytest.mark.parametrize("of", [ctadata, ctadata.api], ids=["package", "api"])
def test_addresses_and_token_can_be_assigned_to_the_class(platform: Platform, monkeypatch, tmp_path, of):
    monkeypatch.chdir(tmp_path)
    platform.put("lst/f", b"12")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "another one")
    for name, value in {
        "downloadservice": platform.ds_url,
        "certificateservice": platform.cs_url,
        "token": platform.token,
    }.items():
        monkeypatch.setattr(of.APIClient, name, value)
    assert "lst/f" in ctadata.list_dir("lst")
    assert of.APIClient().list_dir("lst")[0]["href"].strip("/") == "lst"
    Path("proxy.pem").write_bytes(platform.papers.certificate())
    assert ctadata.upload_personal_certificate("proxy.pem", "lst")["message"]


def test_keywords_come_before_the_class_and_the_class_before_the_environment(on_platform: Platform, monkeypatch):
    one, other = (on_platform.hub.issue(name) for name in ("one", "other"))
    on_platform.certificates.shared_users |= {"one", "other"}
    ctadata.list_dir("lst")
    monkeypatch.setattr(ctadata.APIClient, "token", one)
    ctadata.list_dir("lst")
    ctadata.list_dir("lst", token=other)
    used = [seen.headers["Authorization"].removeprefix("Bearer ") for seen in on_platform.requests]
    assert list(dict.fromkeys(used)) == [on_platform.token, one, other]


def test_the_addresses_may_be_keywords(platform: Platform, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    platform.put("lst/f", b"12")
    where = {"downloadservice": platform.ds_url, "certificateservice": platform.cs_url, "token": platform.token}
    assert ctadata.fetch_and_save_file("lst/f", chunk_size=100_000, **where) == 2
    asked = [seen.target for seen in platform.requests if "/fetch/" in seen.target]
    assert asked[0].endswith("?chunk_size=100000")
    Path("proxy.pem").write_bytes(platform.papers.certificate())
    assert ctadata.upload_certificate("proxy.pem", **where)
    client = ctadata.webdav4_client(**where)
    assert client.exists("/lst/f")
    client.http.close()


def test_listed_paths_also_work_as_dictionaries(on_platform: Platform):
    on_platform.put("lst/d/a b.h5", b"123")
    on_platform.put("lst/d/sub/f", b"1")
    listed = ctadata.list_dir("lst/d")
    itself, entries = listed[0], {str(entry).rstrip("/"): entry for entry in listed[1:]}
    assert (itself.rstrip("/"), itself["type"]) == ("lst/d", "directory")
    file, folder = entries["lst/d/a b.h5"], entries["lst/d/sub"]
    assert isinstance(file, str)
    assert (file["href"], file["type"], int(file["size"])) == ("lst/d/a b.h5", "file", 3)
    assert (folder["href"], folder["type"]) == (str(folder), "directory")
    assert file.raw_href == "lst/d/a%20b.h5"
    assert file.split("/")[-1] == "a b.h5"
    assert "a b" in file
    assert {"href", "type", "size"} <= set(file.keys())
    assert file.get("size") == file["size"]
    assert folder.get("size") is None
    assert file.get("nothing", 7) == 7
    with pytest.raises(KeyError):
        file["nothing"]
    json.dumps(listed)


def test_a_directory_is_sorted_by_the_bytes_of_its_names_after_itself(on_platform: Platform):
    names = ["b", "é", "a/", "a-1", "B", "10", "9", "\U0001f600", "\ufb00", "a.b"]
    hrefs = [f"lst/s/{quote(name)}" for name in names]
    listed = json.dumps([{"href": href, "size": "1"} for href in (*hrefs[:3], "lst/s/", *hrefs[3:])])
    on_platform.instead("GET", "downloadservice/list/lst/s", lambda: Response(listed, content_type="application/json"))
    expected = ["", "10", "9", "B", "a/", "a-1", "a.b", "b", "é", "\ufb00", "\U0001f600"]
    assert ctadata.list_dir("lst/s") == [f"lst/s/{name}" for name in expected]


def test_a_recursive_listing_has_the_directory_first_and_all_below_it(on_platform: Platform):
    for name in ("f", "a b%41/sub/g", "a b%41/h"):
        on_platform.put(f"lst/d/{name}", b"123")
    listed = ctadata.list_dir("lst/d", recursive=True, n_threads=2)
    assert listed[0] == "lst/d/"
    expected = ["a b%41/", "a b%41/h", "a b%41/sub/", "a b%41/sub/g", "f"]
    assert sorted(listed[1:]) == [f"lst/d/{name}" for name in expected]
    assert [(path["href"], path["type"], path["size"]) for path in listed if path.endswith("/g")] == [
        ("lst/d/a b%41/sub/g", "file", "3")
    ]
    assert ctadata.list_dir("lst/d/f", recursive=True) == ["lst/d/f"]


def test_listed_paths_can_be_passed_back(on_platform: Platform, here):
    on_platform.put("lst/d/a b%41", b"123")
    for form in (lambda entry: entry, lambda entry: entry["href"], str):
        assert [str(path) for path in ctadata.list_dir(form(ctadata.list_dir("lst/d")[0]))][1:] == ["lst/d/a b%41"]
        assert ctadata.fetch_and_save_file(form(ctadata.list_dir("lst/d")[1])) == 3
    assert here() == ["a b%41"]


def test_uploads_return_what_they_did(on_platform: Platform):
    Path("f").write_text("x")
    for upload in (ctadata.upload_file, ctadata.APIClient().upload_file):
        said = upload("f", "there/")
        assert said == {"path": f"{on_platform.home}/there/f", "status": "uploaded", "total_written": 1}


def test_the_old_exceptions_catch_the_new_errors(on_platform: Platform):
    with pytest.raises(ctadata.api.StorageException):
        ctadata.list_dir("lst/missing")
    Path("empty").write_text("")
    with pytest.raises(ctadata.api.CertificateError):
        ctadata.upload_personal_certificate("empty", "lst")


def test_the_clients_endpoints_are_unchanged(on_platform: Platform):
    on_platform.put("lst/f", b"content")
    client = ctadata.APIClient()
    url = client.construct_endpoint_url(client.downloadservice, "list", "lst")
    assert url == f"{on_platform.ds_url}list/lst"
    answer = client.get_endpoint("fetch", "lst/f")
    assert (answer.status_code, answer.content) == (200, b"content")
    assert client.token == on_platform.token
    assert client.construct_endpoint_url(url, "", "\udcff").endswith("/%25FF")


@pytest.mark.parametrize(
    "parts",
    [
        (("http://h/a/", "b", "c"), "http://h/a/b/c"),
        (("http://h/a", "/b/", "c/"), "http://h/a/b/c/"),
        (("http://h/a/",), "http://h/a/"),
    ],
)
def test_parts_of_addresses_are_joined_as_before(parts):
    from ctadata.util import urljoin_multipart

    assert urljoin_multipart(*parts[0]).rstrip("/") == parts[1].rstrip("/")


def test_the_service_refuses_the_development_site_with_a_reason(on_platform: Platform):
    for refused in (lambda: ctadata.list_dir("lst", dev_instance=True), lambda: ctadata.APIClient(dev_instance=True)):
        with pytest.raises(ctadata.api.StorageException, match=r"ctadata\.direct"):
            refused()
    assert on_platform.requests == []


DIRECTLY = "cta-data-direct list, or in Python: from ctadata import direct"


def test_with_a_login_of_the_agent_alone_the_error_names_the_other_command(on_platform: Platform, monkeypatch, run):
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN")
    monkeypatch.setenv("CTADATA_CONFIG", "config.toml")
    monkeypatch.setenv("CTADATA_PROFILE", "sandbox")
    with Sandbox(approve=True) as box:
        Path("config.toml").write_text(box.profile_toml("sandbox"))
        assert f"(outside the JupyterHub: {DIRECTLY}; " in run("cta-data", "list", "lst").err
        run("cta-data-direct", "start-agent", check=0)
        ended = run("cta-data", "list", "lst")
        run("cta-data-direct", "stop-agent", check=0)
    assert (ended.code, ended.out) == (4, "")
    assert f"(you are logged in at the storage, which needs no token: {DIRECTLY})" in ended.err


@pytest.mark.parametrize("line", ["list lst", "get lst/f", "put f plots/", "certificate-status"])
def test_a_token_that_the_hub_refuses_names_the_other_command(on_platform: Platform, monkeypatch, run, line):
    Path("f").write_text("x")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "bad")
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    ended = run("cta-data", *line.split())
    assert ended.code in (2, 4)
    assert f"without the JupyterHub: {DIRECTLY}" in ended.err
    assert ended.err.count("\n") == 1
    with pytest.raises(ctadata.api.StorageException, match=f"without the JupyterHub: {DIRECTLY}"):
        ctadata.list_dir("lst")


def test_the_token_of_another_hub_names_the_other_command(monkeypatch, run):
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret")
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_HUB_URL", "https://other.example/hub/")
    monkeypatch.delenv("CTADS_URL", raising=False)
    assert f"; without a hub: {DIRECTLY})" in run("cta-data", "list", "lst").err


def test_a_profile_at_the_platform_names_the_other_command(run):
    assert "cta-data-direct -P mine list" in run("cta-data", "-P", "mine", "list").err


def test_a_limit_of_the_rate_reaches_the_run(on_platform: Platform, monkeypatch):
    from ctadata.session import Session

    rates, run_of = [], Session.run
    monkeypatch.setattr(
        Session, "run", lambda self, rules, *rest: rates.append(rules.rate) or run_of(self, rules, *rest)
    )
    Path("up").mkdir()
    Path("up/f").write_text("x")
    on_platform.put("lst/d/f", b"x")
    ctadata.fetch_and_save_file("lst/d/f", limit_rate="1M")
    ctadata.fetch_and_save_file_or_dir("lst/d", recursive=True, limit_rate="2M")
    ctadata.upload_file("up/f", "f", limit_rate="3M")
    ctadata.upload_dir("up", "g", limit_rate=4096)
    assert rates == [1 << 20, 2 << 20, 3 << 20, 4096]
    with pytest.raises(ctadata.api.StorageException, match="limit_rate: 'fast' is no number of bytes"):
        ctadata.upload_file("up/f", "f", limit_rate="fast")
