"""What to say of an option that a command does not have: what replaces it here, or the option that was meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

ALIKE = 0.7
"""How alike two options are at least if one is proposed for the other; 1 means equal."""

_OF_TRANSFERS = {
    **dict.fromkeys(("--force", "-f", "--overwrite"), "a file that differs is replaced anyway; --no-clobber keeps it"),
    **dict.fromkeys(("--continue", "--resume", "-c"), "each run continues where the last one ended"),
    **dict.fromkeys(("--output", "-o", "-O", "--out"), "the last argument is the target"),
    **dict.fromkeys(("--archive", "-a"), "-r takes directories too, and times are always kept"),
    **dict.fromkeys(("--progress", "--info"), "a terminal shows the progress anyway; -v names each file"),
    **dict.fromkeys(("--transfers", "--threads", "--parallel", "--concurrency", "--workers"), "use --jobs"),
    **dict.fromkeys(("--bwlimit", "--bandwidth", "--max-speed"), "use --limit-rate"),
    **dict.fromkeys(("--delete", "--mirror"), "only sync deletes: sync --delete"),
}
_OF_LISTS = {
    **dict.fromkeys(("--all", "-a"), "all names are shown anyway"),
    **dict.fromkeys(("--time", "--size"), "-l shows sizes and times"),
}
_OF_ALL = dict.fromkeys(
    ("--insecure", "--no-check-certificate", "--no-verify-ssl"),
    "certificates are always verified; the key ca of the profile names the file of another authority",
)
_REPLACEMENTS: dict[str, Mapping[str, str]] = {
    **dict.fromkeys(("get", "put", "sync", "copy"), _OF_TRANSFERS),
    **dict.fromkeys(("list", "tree", "stat", "find"), _OF_LISTS),
}


def advise(command: str, option: str, candidates: Sequence[str]) -> str:
    """Return what a user does in place of an option that a command does not have; empty if nothing is known.

    Args:
        command: The name of the command.
        option: The option that the user typed.
        candidates: Options of the command that look alike.
    """
    known = _REPLACEMENTS.get(command, {}).get(option) or _OF_ALL.get(option)
    if known:
        return known
    alike = [each for each in candidates if SequenceMatcher(None, option, each).ratio() >= ALIKE]
    return f"did you mean {' or '.join(sorted(alike))}?" if alike else ""
