"""The WebDAV store with dCache's dialect passes the suite at the sandbox, with and without redirects."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stores.clients import opened
from stores.suite import StoreSuite

from ctadata.sandbox import Sandbox
from ctadata.stores.base import Store


@pytest.fixture(scope="module", params=[True, False], ids=["redirects", "proxied"])
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(write_anywhere=True, redirect=request.param) as box:
        yield box


@pytest.fixture(scope="module")
def at_sandbox(box: Sandbox) -> Iterator[Store]:
    with opened("dcache", box.door, box.ca, box.token(lifetime=3600)) as store:
        yield store


class TestSandbox(StoreSuite):
    """A dCache door, with pools and carrying the bytes itself."""

    impossible_names = frozenset({"nl\nx"})  # a pool repeats the name in a header

    @pytest.fixture
    def store(self, at_sandbox: Store) -> Store:
        return at_sandbox
