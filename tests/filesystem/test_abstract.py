"""fsspec's own suite for filesystems, at the sandbox."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from filesystem import abstract_suite
from fsspec.tests import abstract

from ctadata.filesystem import CtaFileSystem
from ctadata.sandbox import Sandbox

long = pytest.mark.full("glob edge cases")
"""96 cases, for which the quick suite has no time."""


class Direct:
    """Makes the files of a scenario in the sandbox itself, which takes a tenth of the time that requests take."""

    def __init__(self, box: Sandbox) -> None:
        self.touch = box.files.put
        self.makedirs = box.files.mkdir

    def pipe(self, path: str, value: bytes) -> None:
        self.touch(path, value)


class Fixtures(abstract_suite.Fixtures):
    numbers = itertools.count()

    def _glob_edge_cases_files(self, fs: Any, join: Any, path: str) -> str:
        return super()._glob_edge_cases_files(self.maker(fs), join, path)

    def _bulk_operations_scenario_0(self, fs: Any, join: Any, path: str) -> str:
        return super()._bulk_operations_scenario_0(self.maker(fs), join, path)

    def _dir_and_file_with_same_name_prefix(self, fs: Any, join: Any, path: str) -> str:
        return super()._dir_and_file_with_same_name_prefix(self.maker(fs), join, path)

    def _10_files_with_hashed_names(self, fs: Any, join: Any, path: str) -> str:
        return super()._10_files_with_hashed_names(self.maker(fs), join, path)

    def maker(self, fs: Any) -> Any:
        return Direct(self.box) if isinstance(fs, CtaFileSystem) else fs

    @pytest.fixture(autouse=True)
    def _know_box(self, box: Sandbox) -> None:
        self.box = box

    @pytest.fixture
    def fs_path(self, box: Sandbox, fs: CtaFileSystem) -> Iterator[str]:
        path = f"/lst/abstract-{next(self.numbers)}"
        box.files.mkdir(path)
        yield path
        box.files.remove(path)

    @pytest.fixture
    def fs(self, sandbox_fs: CtaFileSystem) -> CtaFileSystem:
        return sandbox_fs


class TestCopy(abstract.AbstractCopyTests, Fixtures):
    test_copy_glob_edge_cases = long(abstract.AbstractCopyTests.test_copy_glob_edge_cases)


class TestGet(abstract.AbstractGetTests, Fixtures):
    test_get_glob_edge_cases = long(abstract.AbstractGetTests.test_get_glob_edge_cases)


class TestPut(abstract.AbstractPutTests, Fixtures):
    test_put_glob_edge_cases = long(abstract.AbstractPutTests.test_put_glob_edge_cases)


class TestPipe(abstract.AbstractPipeTests, Fixtures):
    pass


class TestOpen(abstract.AbstractOpenTests, Fixtures):
    pass
