"""The WebDAV store passes the suite at servers that nobody here wrote."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers.real import RealServer
from stores.clients import opened
from stores.suite import StoreSuite

from ctadata.stores.base import Store


@pytest.fixture(scope="module")
def at_wsgidav(wsgidav: RealServer) -> Iterator[Store]:
    with opened("webdav", wsgidav.url, wsgidav.ca, wsgidav.login()["access_token"]) as store:
        yield store


class TestWsgidav(StoreSuite):
    """PyPI's WebDAV server."""

    # it decodes a Destination before it takes it apart with urllib, which passes over tabs and line feeds
    impossible_targets = frozenset({"q?m.txt", "semi;c.txt", "tab\there", "nl\nx"})

    @pytest.fixture
    def store(self, at_wsgidav: Store) -> Store:
        return at_wsgidav


@pytest.fixture(scope="module")
def at_apache(apache: RealServer) -> Iterator[Store]:
    with opened("webdav", apache.url, apache.ca, apache.login()["access_token"]) as store:
        yield store


class TestApache(StoreSuite):
    """Apache mod_dav."""

    @pytest.fixture
    def store(self, at_apache: Store) -> Store:
        return at_apache
