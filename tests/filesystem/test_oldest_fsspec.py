"""The oldest fsspec that the project declares: its own suite, and the files that libraries write."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 900
CASES, GLOB_CASES = 157, 90


def test_the_filesystem_works_with_the_oldest_fsspec_that_is_declared(
    analysis: Path, request: pytest.FixtureRequest
) -> None:
    """Run fsspec's 137 cases and ours for files that are written; the many cases of patterns need `--soak`."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["fsspec"]
    environment = {**os.environ, "PYTHONPATH": str(analysis.parents[1] / "oldest-fsspec")}

    def run(*words: str) -> str:
        ran = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ran.returncode == 0, (ran.stdout + ran.stderr)[-4000:]
        return ran.stdout

    used = run("-c", "import fsspec; print(fsspec.__version__)").strip()
    assert [f"fsspec>={used.removesuffix('.0')}"] == declared
    files = [f"tests/filesystem/test_{name}.py" for name in ("abstract", "writing")]
    # pytest warns of fixtures of that suite, and of a cache of fsspec's that closes no file
    is_long = request.config.option.soak
    chosen = [] if is_long else ["-k", "not glob_edge_cases"]
    found = run("-m", "pytest", "-q", "-n0", "-Wdefault", "-pno:cacheprovider", *chosen, *files)
    passed = re.search(r"([0-9]+) passed", found)
    assert passed
    assert int(passed[1]) >= CASES - (0 if is_long else GLOB_CASES)
