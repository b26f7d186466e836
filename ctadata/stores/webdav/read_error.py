"""Explain why a file cannot be read from a dCache: by its name, or by its locality."""

from __future__ import annotations

from collections.abc import Callable

from ctadata.entries import Entry
from ctadata.errors import CtadataError, TemporaryError, TimedOut
from ctadata.http.error_phrases import explain_by_locality, is_explained
from ctadata.paths import RemotePath
from ctadata.stores.base import Features
from ctadata.stores.name_rules import control_character_error, is_rewritten_by_nfc, unserved_path_error
from ctadata.stores.webdav.get_response import NoBytesReceived


def explain_read_error(
    error: CtadataError, path: RemotePath, features: Features, info: Callable[[RemotePath], Entry]
) -> CtadataError:
    """Return the error to raise for an error of a GET.

    Args:
        error: The error of the GET.
        path: The path of the file.
        features: What the store can do.
        info: Returns the entry of the file. Called only if the error may be due to the file's locality.

    Returns:
        An error that names the cause, or `error` itself if nothing more is known.
    """
    if isinstance(error, TemporaryError) and (refusal := control_character_error(features, path)):
        return refusal
    if isinstance(error, NoBytesReceived) and is_rewritten_by_nfc(features, path):
        return unserved_path_error(path)
    if is_explained(error) or not (isinstance(error, TimedOut) or error.status in (403, 500)):
        return error
    try:
        return explain_by_locality(error, info(path).locality)
    except CtadataError:
        return error
