"""Compare the generated files of this repository with what the program says now, or write them anew."""

from __future__ import annotations

import sys

from docsite.commands import ROOT
from docsite.completion_files import completion_files
from docsite.man_pages import man_pages

FOLDERS = ("share",)
"""Folders whose files are all generated."""


def generated_files() -> dict[str, str]:
    """Return the text of each generated file by its path below the repository."""
    return {**man_pages(), **completion_files()}


def out_of_date(wanted: dict[str, str]) -> list[str]:
    """Return the paths whose files differ from the texts, are missing, or are no longer made."""
    kept = {str(path.relative_to(ROOT)) for each in FOLDERS for path in (ROOT / each).rglob("*") if path.is_file()}
    differing = [name for name, text in wanted.items() if name not in kept or (ROOT / name).read_text() != text]
    return sorted({*differing, *(kept - wanted.keys())})


def write(wanted: dict[str, str]) -> None:
    """Write the files, and delete those that are no longer made."""
    for name in out_of_date(wanted):
        path = ROOT / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name])
        else:
            path.unlink()


def main() -> int:
    """Write with `--write`; without it, print what is out of date and return 1 if there is any."""
    wanted = generated_files()
    if "--write" in sys.argv[1:]:
        write(wanted)
    stale = out_of_date(wanted)
    print("\n".join([*stale, "run bin/docs --write"]) if stale else "up to date")  # noqa: T201
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
