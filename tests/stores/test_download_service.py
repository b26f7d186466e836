"""The download service as a store passes the suite, but for what it has no way to do."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator

import pytest
from servers.platform import Platform
from stores.clients import IMPATIENT, Holder
from stores.suite import Basket, StoreSuite, digest, names, put

from ctadata.http.client import Client
from ctadata.http.message import Origin
from ctadata.paths import RemotePath
from ctadata.stores.download_service import DownloadService

HOME = RemotePath(("lst", "users", "volodymyr_savchenko_epfl_ch"))


def opened(platform: Platform, token: str | None = None, **more) -> DownloadService:
    trusted = {Origin.of(platform.url)}
    client = Client(trusted=trusted, credentials=Holder(token or platform.token), retries=IMPATIENT)
    return DownloadService(client, platform.ds_url, user=lambda: platform.user, wait=lambda _: None, **more)


@pytest.fixture
def store(platform: Platform) -> Iterator[DownloadService]:
    store = opened(platform)
    yield store
    store.close()


class TestDownloadService(StoreSuite):
    """The stand-in, with wsgidav behind that knows digests as dCache does."""

    looks_before_it_writes = False

    # it cannot delete or rename, and what is asked of it is a test of its own below
    test_a_file_is_deleted = test_an_empty_directory_is_deleted = test_a_directory_with_anything_in_it_is_not = None
    test_a_tree_is_deleted_with_all_it_holds = test_a_tree_may_be_empty_or_a_file = None
    test_a_tree_of_an_odd_name_is_deleted_and_its_neighbours_stay = None
    test_a_file_is_moved_to_a_new_name = test_a_move_to_an_odd_name_is_right_or_an_error = None
    test_a_move_replaces_only_where_it_should = test_a_move_never_replaces_a_directory = None
    test_a_move_may_say_that_it_replaces_where_there_is_nothing = None
    test_many_threads_at_once = None

    @pytest.fixture
    def store(self, _platform: Platform) -> Iterator[DownloadService]:
        """Each test works in a folder of its own, so that the platform need not begin anew."""
        _platform.door.digests = True
        store = opened(_platform)
        yield store
        store.close()

    @pytest.fixture
    def folder(self, store: DownloadService) -> RemotePath:
        folder = store.home / f"suite-{uuid.uuid4().hex}"
        store.mkdir(folder)
        return folder

    def test_the_root_is_a_directory(self, store, folder):
        assert store.info(RemotePath()).is_directory
        assert {"lst", "cta"} <= names(store, RemotePath())

    @pytest.mark.parametrize("size", [0, 1, 65536, 3_000_001])
    def test_a_file_there_and_back(self, store, folder, size):
        """Its digest is told when it is asked for, not along with the bytes."""
        content = random.Random(size).randbytes(size)
        put(store, folder / "a", content)
        basket = Basket()
        with store.open(folder / "a") as reading:
            delivery = reading.send(basket)
        assert basket.content == content
        assert (delivery.start, delivery.total) == (0, size)
        assert store.digests(folder / "a") == {"adler32": digest(content, "adler32")}
