"""The site builds strictly and loads nothing from elsewhere; its pictures show what the program prints."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 900
LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*?\bsrc="?([^"\s>]+)|<link\b[^>]*?\brel="?(?:stylesheet|icon|pre\w+)[^>]*?\bhref="?([^"\s>]+)"""
)


@pytest.mark.full("site")
def test_the_site_has_all_pages_and_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = {str(page.relative_to(site)): page.read_text() for page in site.rglob("*.html")}
    assert "--no-clobber" in pages["reference/commands/cta-data-direct-get.html"]
    assert "CTADATA_TOKEN_ORIGINS" in pages["reference/settings.html"]
    assert "retry_after" in pages["reference/errors.html"]
    assert 'id="ctadata.direct.list_dir"' in pages["reference/python.html"]
    loaded = {"".join(found) for text in pages.values() for found in LOADED.findall(text)}
    assert loaded
    assert {name for name in loaded if "//" in name and not name.startswith("data:")} == set()


@pytest.mark.full("pictures")
def test_the_pictures_show_what_the_commands_print() -> None:
    check = [ROOT / ".venv/docs/bin/python", "-m", "docsite.generated"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "up to date\n"), done.stderr
