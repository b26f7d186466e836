"""A WebDAV store at a server that sends the responses of a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stores.clients import opened
from stores.odd_server import OddServer

from ctadata.stores.base import Store


@pytest.fixture
def server() -> Iterator[OddServer]:
    with OddServer() as server:
        yield server


@pytest.fixture
def store(server: OddServer) -> Iterator[Store]:
    with opened("webdav", server.url, None, "token") as store:
        yield store
