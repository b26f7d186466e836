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

from ctadata.errors import Forbidden, NotFound, PartialFailure, Unsupported, Untrusted
from ctadata.http.client import Client
from ctadata.http.messages import Origin
from ctadata.paths import RemotePath
from ctadata.stores.dcache.door import Door
from ctadata.stores.webdav.dialect import Dialect
from ctadata.stores.webdav.store import WebDAVStore


@pytest.fixture
def opened():
    """`opened(door)`: a store there; `trusting=False`: its pools may not have the token."""
    stores = []

    def make(door: PlainDoor, *, trusting: bool = True, http_pools: bool = False) -> WebDAVStore:
        trusted = [door.url, *(f"https://{pool}" for pool in door.pools if trusting)]
        origins = [Origin.parse(url) for url in trusted]
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
        with pytest.raises(Untrusted, match="puts our token into the address of https://127") as refused:
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


@pytest.mark.parametrize("odd", ["100%.txt", "%41.txt", "h#sh.txt", "a b", "ü", "x;y", 'say "hi"&<>'])
def test_a_name_that_xrootds_manager_does_not_encode_is_the_files_own(xrootd, opened, name, odd):
    store, target = opened(xrootd), name / odd
    put(store, target, b"first")
    assert (xrootd.data / name.name / odd).read_bytes() == b"first"
    put(store, name / "temporary", b"moved")
    store.move(name / "temporary", target, replace=True)
    assert get(store, target) == b"moved"
    assert [entry.path for entry in store.list(name)] == [target]
    store.delete(target)
    assert list((xrootd.data / name.name).iterdir()) == []


def test_a_name_that_xrootd_takes_for_another_one_is_refused_before_that_is_lost(xrootd, opened, name):
    """It ends a name at `?`."""
    store = opened(xrootd)
    put(store, name / "q", b"kept")
    put(store, name / "source")
    for ask in (
        lambda: put(store, name / "q?m", b"other"),
        lambda: store.mkdir(name / "q?m"),
        lambda: store.move(name / "source", name / "q?m", replace=True),
        lambda: store.move_tree(name, name.parent / "q?m"),
    ):
        with pytest.raises(Unsupported, match=r"stores no name that holds \?"):
            ask()
    assert (xrootd.data / name.name / "q").read_bytes() == b"kept"


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


def test_a_tree_goes_where_delete_takes_no_collection_that_holds_anything(xrootd, opened, name):
    """And what a link leads to stays."""
    store, kept = opened(xrootd), xrootd.data / f"{name.name}-kept"
    kept.mkdir()
    (kept / "a").write_bytes(b"kept")
    for path in (name / "a", name / "d" / "b", name / "d" / "e" / "c", name / "f%" / "g"):
        put(store, path)
    link = xrootd.data / name.name / "link"
    link.symlink_to(kept)
    with pytest.raises(PartialFailure) as caught:
        store.delete_tree(name)
    assert [failure.path for failure in caught.value.failures] == [str(name / "link")]
    assert [path.name for path in (xrootd.data / name.name).iterdir()] == ["link"]
    assert (kept / "a").read_bytes() == b"kept"
    link.unlink()
    store.delete_tree(name)
    assert not (xrootd.data / name.name).exists()


@pytest.fixture
def door_of(xrootd, opened):
    """What copies at XRootD: it fetches from itself, or sends there."""
    return Door(opened(xrootd)._client, xrootd.url, root=RemotePath())


@pytest.mark.parametrize("push", [False, True], ids=["pull", "push"])
def test_xrootd_copies_from_another_server(xrootd, opened, door_of, name, push):
    """It says 201 before it begins, and its manager redirects the COPY."""
    store, moved = opened(xrootd), []
    put(store, name / "source", b"content")
    source, target = name / "source", name / ("copy" if push else "copy %")  # it does not send to such names itself
    if push:
        door_of.push(source, door_of.url(target), xrootd.token, moved.append)
    else:
        door_of.pull(target, door_of.url(source), xrootd.token, moved.append)
    assert get(store, target) == b"content"


def test_a_copy_that_fails_there_is_a_failure(xrootd, door_of, name):
    with pytest.raises((NotFound, Forbidden), match="the copy failed: Remote side failed with status code 40"):
        door_of.pull(name, f"{xrootd.url}/none", xrootd.token, lambda _: None)
    with pytest.raises(Forbidden, match="status code 403"):
        door_of.pull(name, f"{xrootd.url}/none", None, lambda _: None)
