"""Our store at doors that nobody here wrote: XRootD, nginx and rclone pass the suite that every store passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest
from servers.real import PlainDoor
from stores.clients import IMPATIENT, Holder
from stores.suite import StoreSuite

from ctadata.config.profile import Profile
from ctadata.http.client import Client
from ctadata.stores.base import Store
from ctadata.stores.factory import open_store
from ctadata.tokens.origins import trusted_origins


@contextmanager
def opened(door: PlainDoor) -> Iterator[Store]:
    origins = tuple(f"https://{pool}" for pool in door.pools)
    profile = Profile(name="test", door=door.url, kind="webdav", ca=door.ca, token_origins=origins)
    held = Holder(door.token)
    client = Client(trusted=trusted_origins(profile), credentials=held, ca=door.ca, retries=IMPATIENT)
    store = open_store(profile, client)
    try:
        yield store
    finally:
        store.close()


@pytest.fixture(scope="module")
def at_nginx(nginx: PlainDoor) -> Iterator[Store]:
    with opened(nginx) as store:
        yield store


@pytest.fixture(scope="module")
def at_rclone(rclone_webdav: PlainDoor) -> Iterator[Store]:
    with opened(rclone_webdav) as store:
        yield store


@pytest.fixture(scope="module")
def at_xrootd(xrootd: PlainDoor) -> Iterator[Store]:
    with opened(xrootd) as store:
        yield store


class Differing(StoreSuite):
    """The suite where a server keeps some promises not; what it does instead is told for each."""

    differs: ClassVar[dict[str, str]] = {}
    """Beginning of a test's name -> what the server does; a test that passes all the same is a failure."""

    sometimes: ClassVar[dict[str, str]] = {}
    """The same for what depends on who is first."""

    @pytest.fixture(autouse=True)
    def _differs(self, request: pytest.FixtureRequest) -> None:
        for name, does in self.differs.items():
            if request.node.name.startswith(f"test_{name}"):
                request.applymarker(pytest.mark.xfail(reason=does, strict=True))
        for name, does in self.sometimes.items():
            if request.node.name == f"test_{name}":
                request.applymarker(pytest.mark.xfail(reason=does, strict=False))


class TestNginx(Differing):
    """nginx with dav_ext."""

    impossible_names = frozenset({".dot", "...", "..a"})  # never listed
    differs: ClassVar = {
        "a_new_file_only_where_none_is": "If-None-Match is ignored: the file is replaced",
        "a_move_never_replaces_a_directory[False]": "409, as for a missing parent; the directory stays",
    }

    @pytest.fixture
    def store(self, at_nginx: Store) -> Store:
        return at_nginx


class TestRclone(Differing):
    """rclone serve webdav."""

    impossible_targets = frozenset({"q?m.txt", "semi;c.txt", "tab\there", "nl\nx"})  # it does not say who it is
    differs: ClassVar = {
        "what_is_missing_is_not_found_and_named": "403 to the MOVE of what is not there",
        "a_directory_is_not_read": "405 to its GET",
        "a_new_file_only_where_none_is": "If-None-Match is ignored: the file is replaced",
        "a_directory_is_not_replaced_by_a_file": "404 to the PUT; the directory stays",
    }
    sometimes: ClassVar = {"many_threads_at_once": "a listing ends in words of an error when a file goes meanwhile"}

    @pytest.fixture
    def store(self, at_rclone: Store) -> Store:
        return at_rclone


class TestXRootD(Differing):
    """XRootD 5.5 with a manager and two data servers."""

    impossible_names = frozenset({"q?m.txt", "nl\nx"})  # a name ends at `?`
    impossible_targets = frozenset({"tab\there"})
    odd_directory = "ü#"
    differs: ClassVar = {
        "a_file_has_no_listing": "500 to the listing of a file",
        "any_range[10-12]": "a range past the end is promised, and cut",
        "any_range[0-100]": "a range past the end is promised, and cut",
        "any_range[5-100]": "a range past the end is promised, and cut",
        "ranges_of_an_empty_file": "a range past the end is promised, and cut",
        "a_directory_is_not_read": "a page of HTML for a directory",
        "a_new_file_only_where_none_is": "If-None-Match is ignored: the file is replaced",
        "a_file_in_the_way_of_a_directory": "500 below a file",
        "a_move_replaces_only_where_it_should": "Overwrite is ignored: the file is replaced",
        "a_move_never_replaces_a_directory[False]": "409, as for a missing parent; the directory stays",
        "a_tree_is_not_moved_from_or_to_where_nothing_is": "the parents of a target are made",
    }

    @pytest.fixture
    def store(self, at_xrootd: Store) -> Store:
        return at_xrootd
