"""The wheel installs man pages that man(1) finds and prints without a warning."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 300


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A prefix into which pip has installed the wheel."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE)
    (wheel,) = tmp_path.glob("*.whl")
    # pip would uninstall the package from this environment, which the other tests use
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed"]
    subprocess.run([*install, "--prefix", str(tmp_path / "prefix"), wheel], check=True, timeout=PATIENCE)
    return tmp_path / "prefix"


def man(prefix: Path, page: str) -> subprocess.CompletedProcess[str]:
    """What man(1) prints for a user who has only put the commands' folder on the PATH."""
    env = {"PATH": f"{prefix}/bin:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "HOME": str(prefix)}
    line = ["man", "--warnings=w", page]
    return subprocess.run(line, env=env, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.full("man")
def test_man_prints_each_page(prefix: Path) -> None:
    pages = sorted(path.stem for path in (prefix / "share/man/man1").iterdir())
    assert {"ctadata", "cta-data", "cta-data-put", "cta-data-direct-receipts-merge"} < set(pages)
    printed = {page: man(prefix, page) for page in pages}
    assert {page: (done.returncode, done.stderr) for page, done in printed.items()} == dict.fromkeys(pages, (0, ""))
    assert "cta-data-get - Get files, verified" in printed["cta-data-get"].stdout
    assert "CTADATA_PROFILE" in printed["ctadata"].stdout
    assert "--no-clobber\n" in printed["cta-data-direct-get"].stdout
