"""fsspec's own suite for filesystems, at the sandbox."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from fsspec.tests import abstract

from ctadata.filesystem import CtaFileSystem

_numbers = itertools.count()


class Fixtures(abstract.AbstractFixtures):
    """What the suite has to be told of a filesystem."""

    @pytest.fixture
    def fs(self, sandbox_fs: CtaFileSystem) -> CtaFileSystem:
        return sandbox_fs

    @pytest.fixture
    def fs_path(self, fs: CtaFileSystem) -> Iterator[str]:
        path = f"/lst/abstract-{next(_numbers)}"
        fs.mkdir(path)
        yield path
        fs.rm(path, recursive=True)

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return True


class TestCopy(abstract.AbstractCopyTests, Fixtures):
    pass


class TestGet(abstract.AbstractGetTests, Fixtures):
    pass


class TestPut(abstract.AbstractPutTests, Fixtures):
    pass


class TestPipe(abstract.AbstractPipeTests, Fixtures):
    pass


class TestOpen(abstract.AbstractOpenTests, Fixtures):
    pass
