"""Our client at XRootD, whose redirects carry the token in the address; and the traps of the other doors."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from urllib.parse import quote
from uuid import uuid4

import pytest
from servers.real import PlainDoor
from stores.clients import Holder
from stores.suite import Bytes, get, put

from ctadata.errors import CtadataError, Forbidden, Untrusted
from ctadata.http.client import Client
from ctadata.http.message import Origin
from ctadata.paths import RemotePath
from ctadata.stores.webdav import Dialect, WebDAVStore


@pytest.fixture
def opened():
    """`opened(door)`: a store there; `trusting=False`: its pools may not have the token."""
    stores = []

    def make(door: PlainDoor, *, trusting: bool = True, http_pools: bool = False) -> WebDAVStore:
        trusted = [door.url, *(f"https://{pool}" for pool in door.pools if trusting)]
        origins = [Origin.of(url) for url in trusted]
        client = Client(trusted=origins, credentials=Holder(door.token), ca=door.ca, http_pools=http_pools)
        stores.append(WebDAVStore(client, door.url, root=RemotePath(), dialect=Dialect()))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def name() -> RemotePath:
    return RemotePath((f"f-{uuid4().hex}",))


def test_a_pool_that_token_origins_does_not_name_gets_nothing(xrootd, opened, name):
    store = opened(xrootd, trusting=False)
    (xrootd.data / name.name).write_bytes(b"content")
    for ask in (lambda: get(store, name), lambda: store.info(name), lambda: put(store, name)):
        with pytest.raises(Untrusted, match="hands our token to https://127") as refused:
            ask()
        said = f"{refused.value} {refused.value.hint}"
        assert "token_origins" in said
        assert xrootd.token not in said
        assert quote(xrootd.token) not in said
    assert (xrootd.data / name.name).read_bytes() == b"content"


def test_the_plug_in_checks_whose_token_it_is(xrootd, opened, name):
    head, body, signature = xrootd.token.split(".")
    tampered = replace(xrootd, token=f"{head}.{body}.{signature[::-1]}")
    with pytest.raises(Forbidden):
        put(opened(tampered), name)
    assert not (xrootd.data / name.name).exists()


@pytest.mark.parametrize("http_pools", [False, True])
def test_a_door_that_sends_us_from_https_to_http_gets_no_further(xrootd_downgrade, opened, name, http_pools):
    """Nor with `http_pools`: its address carries the token."""
    (xrootd_downgrade.data / name.name).write_bytes(b"content")
    store = opened(xrootd_downgrade, http_pools=http_pools)
    for ask in (lambda: get(store, name), lambda: put(store, name)):
        with pytest.raises(Untrusted, match="token" if http_pools else "from https to unprotected http") as refused:
            ask()
        assert xrootd_downgrade.token not in f"{refused.value} {refused.value.hint}"
    assert (xrootd_downgrade.data / name.name).read_bytes() == b"content"


def test_both_data_servers_serve(xrootd, opened, name):
    store = opened(xrootd)
    put(store, name)
    assert {get(store, name) for _ in range(8)} == {b"content"}


@pytest.mark.parametrize("verbose", ["-v", "-vv"])
def test_no_word_of_the_command_shows_the_token(xrootd, tmp_path, name, verbose):
    (tmp_path / "config.toml").write_text(xrootd.profile_toml("x", trusting=False))
    (xrootd.data / name.name).write_bytes(b"content")
    env = os.environ | {
        "CTADATA_CONFIG": str(tmp_path / "config.toml"),
        "CTADATA_PROFILE": "x",
        "BEARER_TOKEN": xrootd.token,
    }
    command = [sys.executable, "-m", "ctadata", verbose, "get", f"/{name.name}", str(tmp_path / "to")]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert ran.returncode
    assert "token_origins" in ran.stderr
    assert xrootd.token.rsplit(".")[-1] not in ran.stderr + ran.stdout
    assert not (tmp_path / "to").exists()


def test_xrootd_stores_a_name_with_a_percent_sign_elsewhere_and_we_do_not_call_it_done(xrootd, tmp_path):
    folder = f"d-{uuid4().hex}"
    (tmp_path / "config.toml").write_text(xrootd.profile_toml("x"))
    (tmp_path / "100%.txt").write_bytes(b"content")
    env = os.environ | {
        "CTADATA_CONFIG": str(tmp_path / "config.toml"),
        "CTADATA_PROFILE": "x",
        "BEARER_TOKEN": xrootd.token,
    }
    command = [
        sys.executable,
        "-m",
        "ctadata",
        "put",
        str(tmp_path / "100%.txt"),
        f"/{folder}/100%.txt",
    ]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert ran.returncode
    assert "100%.txt" in ran.stderr
    assert "403" not in ran.stderr


def test_xrootd_replaces_whatever_a_move_says(xrootd, opened, name):
    """What `mv` looks for beforehand."""
    store, taken = opened(xrootd), RemotePath((f"{name.name}-taken",))
    put(store, name, b"new")
    put(store, taken, b"old")
    store.move(name, taken, replace=False)
    assert get(store, taken) == b"new"


@pytest.mark.full("matrix")
@pytest.mark.parametrize("server", ["nginx", "rclone_webdav"])
def test_an_upload_for_a_new_name_replaces_where_the_server_does_not_look(request, opened, name, server):
    """Why `put --no-clobber` looks itself."""
    store = opened(request.getfixturevalue(server))
    put(store, name, b"old")
    store.write(name, Bytes(b"new"), new=True)
    assert get(store, name) == b"new"


def test_nginx_never_lists_what_begins_with_a_dot(nginx, opened):
    store, folder = opened(nginx), RemotePath((f"d-{uuid4().hex}",))
    store.mkdir(folder)
    put(store, folder / ".dot")
    assert list(store.list(folder)) == []
    assert store.info(folder / ".dot").size == 7


def test_xrootd_deletes_no_collection_that_holds_anything(xrootd, opened, name):
    store = opened(xrootd)
    store.mkdir(name)
    put(store, name / "a")
    with pytest.raises(CtadataError, match="not empty"):
        store.delete_tree(name)
    assert get(store, name / "a") == b"content"
