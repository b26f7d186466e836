"""Compare the generated files of this repository with what the program says now, or write them anew."""

from __future__ import annotations

import sys
from collections.abc import Callable

from docsite.commands import ROOT
from docsite.completion_files import completion_files
from docsite.man_pages import man_pages

SHARED, PICTURES = "share", "docs/pictures"
"""Folders whose files are all generated."""


def generated_files() -> dict[str, str]:
    """Return the text of each file in `share` by its path below the repository."""
    return {**man_pages(), **completion_files()}


def out_of_date(wanted: dict[str, str], folder: str, comparable: Callable[[str], str] = str) -> list[str]:
    """Return the paths whose files differ from the texts, are missing, or are no longer made.

    Args:
        wanted: The text of each file by its path below the repository.
        folder: The folder that has these files and no others.
        comparable: Removes from a text what differs from run to run.
    """
    kept = {str(path.relative_to(ROOT)): path for path in (ROOT / folder).rglob("*") if path.is_file()}
    differing = [
        name
        for name, text in wanted.items()
        if name not in kept or comparable(kept[name].read_text()) != comparable(text)
    ]
    return sorted({*differing, *(kept.keys() - wanted.keys())})


def write(wanted: dict[str, str], names: list[str]) -> None:
    """Write these files, and delete those of them that are no longer made."""
    for name in names:
        path = ROOT / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name])
        else:
            path.unlink()


def main() -> int:
    """Write with `--write`; without it, print what is out of date and return 1 if there is any."""
    from docsite.pictures import comparable, pictures

    wanted, drawn = generated_files(), pictures()
    stale = [*out_of_date(wanted, SHARED), *out_of_date(drawn, PICTURES, comparable)]
    is_writing = "--write" in sys.argv[1:]
    if is_writing:
        write({**wanted, **drawn}, stale)
    print("\n".join([f"{'wrote' if is_writing else 'out of date:'} {name}" for name in stale] or ["up to date"]))  # noqa: T201
    return 1 if stale and not is_writing else 0


if __name__ == "__main__":
    sys.exit(main())
