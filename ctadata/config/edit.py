"""Write the profile of a settings file: the text of its table, and the file's text with that table in it.

The rest of a file stays as its owner wrote it, byte for byte. The result is parsed again before it is returned: it says
the same as the old text, but for this profile.
"""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from ctadata.errors import ConfigError

MAX_LINES = 200
"""The largest number of lines of one value, such as a list; longer ones are not edited."""


def toml_value(value: object) -> str:
    """Return a value of a profile as TOML 1.0 writes it; a path is a text, and a tuple is an array."""
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else _quoted(str(value))


def toml_key(name: str) -> str:
    """Return a key as TOML 1.0 writes it, in quotes if it needs them."""
    return name if name.isascii() and name.replace("-", "").replace("_", "").isalnum() else _quoted(name)


def _quoted(text: str) -> str:
    """Return a basic string of TOML 1.0: JSON's form, but without surrogate pairs, which TOML does not have."""
    return json.dumps(text, ensure_ascii=False)


def profile_table(name: str, values: Mapping[str, object]) -> str:
    """Return a profile as a table of a settings file."""
    return f"[profiles.{toml_key(name)}]\n" + "".join(map(_line, values.items()))


def _line(item: tuple[str, object]) -> str:
    return f"{item[0]} = {toml_value(item[1])}\n"


def put_profile(text: str, name: str, values: Mapping[str, object], path: Path) -> str:
    """Return the text of a settings file with a profile in it.

    A profile that the text has already gets these values and loses its other keys. Its comments stay, and so do the
    lines whose values stay.

    Args:
        text: The text of the file, which is valid TOML.
        name: The name of the profile.
        values: The values of the profile by their keys.
        path: The path of the file, for the error.

    Raises:
        ConfigError: The file has the profile in a form that this function does not change.
    """
    before = tomllib.loads(text)
    plain = tomllib.loads("".join(map(_line, values.items())))
    profiles = before.get("profiles", {})
    if name in profiles:
        after = "".join(_replace_values(text, name, plain))
    else:
        after = _end_line(text) + ("\n" if text else "") + profile_table(name, values)
    if _parse(after) != {**before, "profiles": {**profiles, name: plain}}:
        raise ConfigError(
            f"the profile {name} cannot be written into this file, because of the form of its tables",
            hint="write it yourself: --dry-run prints it",
            path=str(path),
        )
    return after


def _replace_values(text: str, name: str, values: Mapping[str, object]) -> Iterator[str]:
    """Yield the pieces of a text in which the table of the profile has these values."""
    missing = dict(values)
    is_inside = False
    comments: list[str] = []
    for piece in _statements(text):
        begin, kept = piece.lstrip()[:1], piece
        if begin in ("", "#"):
            comments.append(piece)
            continue
        found = _parse(piece) or {}
        if begin == "[":
            if is_inside:
                yield from map(_line, missing.items())
            is_inside = found == {"profiles": {name: {}}}
        elif is_inside:
            ((key, value),) = found.items() or (("", None),)
            wanted = missing.pop(key, None)
            kept = "" if wanted is None else piece if wanted == value else _line((key, wanted))
        yield from comments
        comments.clear()
        yield kept
    if is_inside:
        yield from map(_line, missing.items())
    yield from comments


def _statements(text: str) -> Iterator[str]:
    """Yield the headers, assignments, comments and empty lines of a TOML text; a value may span lines."""
    piece, lines = "", 0
    for line in io.StringIO(_end_line(text), newline="\n"):
        piece, lines = piece + line, lines + 1
        if lines > MAX_LINES or _parse(piece) is not None:
            yield piece
            piece, lines = "", 0
    yield piece


def _end_line(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _parse(text: str) -> dict[str, object] | None:
    """Return the content of a TOML text; None if it is not complete."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
