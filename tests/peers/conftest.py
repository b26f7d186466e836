"""What the foreign clients share: a sandbox with a tree in it, and a way to run them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from ctadata.sandbox import Sandbox

BIG = bytes(range(251)) * 12_000  # 3 MB: more than the buffers on the way

Run = Callable[..., str]


@pytest.fixture
def big() -> bytes:
    """The content of `/lst/a b.dat`, and of what is uploaded."""
    return BIG


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox with a few files below `/lst`, whose user may write anywhere."""
    with Sandbox(write_anywhere=True) as sandbox:
        sandbox.files.put("/lst/a b.dat", BIG)
        sandbox.files.put("/lst/empty")
        sandbox.files.put("/lst/sub/ü.txt", b"deeper")
        yield sandbox


@pytest.fixture
def run() -> Run:
    """`run(program, *words, NAME=value...)`: what a foreign client prints; its failure is the test's."""

    def program(*words: object, **environment: str) -> str:
        argv = [str(word) for word in words]
        ran = subprocess.run(argv, env=os.environ | environment, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, f"{argv[0]} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}"
        return ran.stdout

    return program
