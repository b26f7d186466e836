"""Write the sources of the site into a folder: the pages of `docs`, and those that are made from the program.

The folder is plain Markdown beside a mkdocs.yml, so that no builder of sites needs a hook of ours.
"""

from __future__ import annotations

import re
import runpy
import shutil
import sys
from pathlib import Path

from docsite.commands import ROOT
from docsite.json_output import json_pages
from docsite.reference import command_navigation, reference_pages

ABOVE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "code-of-conduct.md": "CODE_OF_CONDUCT.md",
}
"""Pages of the site, and the files outside of `docs` that they come from."""
WEIGHTS = {"design/": "exclude: true", "changelog.md": "boost: 0.3", "guides/troubleshooting.md": "boost: 5"}
"""Weights in the search: the pages of developers would hide the cures of errors."""
MERMAID = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)


def write_sources(folder: Path) -> Path:
    """Write the pages and the builder's configuration.

    Args:
        folder: An empty folder, or one that this function wrote earlier.

    Returns:
        The path of the configuration.
    """
    shutil.rmtree(folder / "docs", ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder / "docs")
    made = {**reference_pages(), **json_pages(), **{page: _above(ROOT / name) for page, name in ABOVE.items()}}
    for name, text in made.items():
        page = folder / "docs" / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text)
    for page in (folder / "docs").rglob("*.md"):
        page.write_text(_adapt(page.relative_to(folder / "docs").as_posix(), page.read_text()))
    configuration = folder / "mkdocs.yml"
    text = (ROOT / "mkdocs.yml").read_text().replace("- Commands:\n", _navigation())
    for key, path in (("paths: [", "."), ("custom_dir: ", "docsite/theme")):
        text = text.replace(f"{key}{path}", f"{key}{ROOT / path}")
    configuration.write_text(text)
    return configuration


def _above(path: Path) -> str:
    """A page of the repository's top folder, with links that hold inside the site."""
    text = path.read_text().replace("](docs/", "](")
    for page, name in ABOVE.items():
        text = text.replace(f"]({name}", f"]({page}")
    return text


def _adapt(name: str, text: str) -> str:
    """Weigh the page for the search, and replace the picture of the layers, whose script would come from elsewhere."""
    weights = [weight for start, weight in WEIGHTS.items() if name.startswith(start)]
    head = f"---\nsearch:\n  {weights[0]}\n---\n\n" if weights else ""
    return head + MERMAID.sub(lambda _: _layers(), text)


def _layers() -> str:
    """The layers of the architecture as boxes, from the same contracts as the picture."""
    picture = runpy.run_path(str(ROOT / "bin" / "architecture"))["picture"]()
    boxes = re.findall(r'^    L\d+\["(.*)"\]$', picture, re.MULTILINE)
    return '<div class="layers">' + "".join(f"<div>{box}</div>" for box in boxes) + "</div>\n"


def _navigation() -> str:
    """The commands as a part of the navigation in YAML, indented as the line that it replaces."""
    lines = ["- Commands:\n"]
    for program, parts in command_navigation().items():
        lines.append(f"          - {program}:\n")
        for heading, pages in parts.items():
            lines.append(f'              - "{heading}":\n')
            lines += [f"                  - {title}: {page}\n" for title, page in pages.items()]
    return "".join(lines)


if __name__ == "__main__":
    write_sources(Path(sys.argv[1]))
