"""fsspec's own suite for filesystems, and what it has to be told of ours."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from fsspec.tests import abstract

from ctadata.filesystem import CtaFileSystem

_numbers = itertools.count()


class Fixtures(abstract.AbstractFixtures):
    """A directory of its own for each test, below `top`."""

    top = "/lst"

    @pytest.fixture
    def fs_path(self, fs: CtaFileSystem) -> Iterator[str]:
        path = f"{self.top}/abstract-{next(_numbers)}"
        fs.mkdir(path)
        yield path
        fs.rm(path, recursive=True)

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return True
