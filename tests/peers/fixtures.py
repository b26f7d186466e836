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
