"""The names under which a store cannot send a file back, and the errors that say so."""

from __future__ import annotations

from ctadata.errors import Unsupported
from ctadata.paths import RemotePath, first_changed_by_nfc, first_control_character, to_nfc
from ctadata.printable import escape_unprintable
from ctadata.stores.base import Features


def refuse_undecodable(path: RemotePath) -> None:
    """Raise Unsupported for a new name that is not UTF-8.

    Servers replace such bytes, so the file would get another name.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise Unsupported("the new name is not UTF-8", hint="give it another name", path=str(path)) from None


def control_character_error(features: Features, path: RemotePath) -> Unsupported | None:
    """Return the error for a file whose name holds a control character.

    Returns:
        None if the store can send such a file back, or the name holds no control character.
    """
    character = "" if features.serves_control_characters else first_control_character(path.name)
    if not character:
        return None
    what = f"the storage may take a file whose name holds {character}, and never gives it back"
    return Unsupported(what, hint="give it another name", path=str(path))


def is_rewritten_by_nfc(features: Features, path: RemotePath) -> bool:
    """Return whether the server writes the path differently when it asks its pools."""
    return features.normalizes_paths and not (text := str(path)).isascii() and bool(first_changed_by_nfc(text))


def unserved_path_error(path: RemotePath) -> Unsupported:
    """Return the error for a path that NFC changes, at a door that can send no such file back."""
    character, what, better = describe_nfc_change(path)
    return Unsupported(
        f"this door cannot give back a file whose path holds {character}, which the normal form NFC writes otherwise",
        hint=f"name {what} {better}, as put and sync do with --normalize nfc",
        path=str(path),
    )


def describe_nfc_change(path: RemotePath) -> tuple[str, str, str]:
    """Return the words that an error needs about a path that NFC changes.

    Returns:
        The first character that NFC changes; the name that holds it (`it`, or the directory); and that name in NFC.
    """
    name, character = next((name, changed) for name in path.parts if (changed := first_changed_by_nfc(name)))
    return (
        character,
        "it" if name == path.name else f"the directory {escape_unprintable(name)}",
        escape_unprintable(to_nfc(name)),
    )
