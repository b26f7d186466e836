"""Foreign clients as fixtures: where their program is. One that is missing fails its tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: install the Debian package {package}")
    return found


@pytest.fixture(scope="session")
def curl() -> str:
    """The curl program."""
    return _program("curl", "curl")


@pytest.fixture(scope="session")
def davix() -> Path:
    """The folder with davix-get, davix-put, davix-ls."""
    return Path(_program("davix-get", "davix")).parent


@pytest.fixture(scope="session")
def rclone() -> str:
    """The rclone program."""
    return _program("rclone", "rclone")


@pytest.fixture(scope="session")
def aria2() -> str:
    """The aria2c program."""
    return _program("aria2c", "aria2")


@pytest.fixture(scope="session")
def gfal() -> Path:
    """The folder with gfal-copy, gfal-stat, gfal-ls."""
    return Path(_program("gfal-copy", "gfal2-util-scripts")).parent


@pytest.fixture(scope="session")
def litmus() -> str:
    """The litmus program."""
    return _program("litmus", "litmus")
