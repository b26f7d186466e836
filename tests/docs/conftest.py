"""The site, for the tests that look at its pages."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 900


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as bin/docs builds it; a warning ends the build."""
    folder, program = tmp_path_factory.mktemp("site"), ROOT / ".venv/docs/bin"
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    sources = [program / "python", "-m", "docsite.pages", folder / "sources"]
    subprocess.run(sources, cwd=ROOT, env=env, check=True, timeout=PATIENCE)
    build = [program / "mkdocs", "build", "--quiet", "--strict", "--config-file", folder / "sources/mkdocs.yml"]
    subprocess.run([*build, "--site-dir", folder / "html"], cwd=ROOT, env=env, check=True, timeout=PATIENCE)
    return folder / "html"
