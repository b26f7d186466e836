"""Refuse names under which a store cannot send a file back, before anything is sent.

A dCache pool sends nothing for a file whose name holds a control character. A dCache door changes a path to the Unicode
normal form NFC when it asks the pool, and the pool knows the file by its original name only. If the door redirects, the
client restores the original spelling. If the door sends the bytes itself, nobody can. The client finds out which of the
two a door does by a trial with a file of one byte.
"""

from __future__ import annotations

import contextlib
import logging
import secrets

from ctadata import fibers
from ctadata.errors import (
    Busy,
    CtadataError,
    Forbidden,
    LoginNeeded,
    NeedsStaging,
    NotFound,
    Stopped,
    StorageFull,
    TimedOut,
    Unreachable,
    Unsupported,
)
from ctadata.paths import TEMPORARY_PREFIX, RemotePath
from ctadata.stores.base import Store
from ctadata.stores.late_answers import repeat_until
from ctadata.stores.name_rules import (
    control_character_error,
    describe_nfc_change,
    is_rewritten_by_nfc,
    refuse_undecodable,
    unserved_path_error,
)
from ctadata.stores.one_byte import OneByte

log = logging.getLogger(__name__)

_DECOMPOSED = "e\u0301"
_NO_VERDICT = (Forbidden, LoginNeeded, NeedsStaging, Stopped, StorageFull, TimedOut, Unreachable, Busy)
"""Errors that say nothing about the name."""


class NameCheck:
    """The check of names for one store. The result of the trial is remembered."""

    def __init__(self, store: Store) -> None:
        """Send no request yet."""
        self._store = store
        self._is_served: bool | None = None

    def check(self, path: RemotePath, *, tries: bool = True) -> None:
        """Check that the store could send a file with this path back, or the files of a directory with this path.

        Args:
            path: The new path.
            tries: The client may store a file of one byte for a trial, and read it back.

        Raises:
            Unsupported: The store could not send it back.
        """
        text = str(path)
        if text.isascii() and text.isprintable():  # as nearly every path: no rule below concerns it
            return
        refuse_undecodable(path)
        if refusal := control_character_error(self._store.features, path):
            raise refusal
        if tries and is_rewritten_by_nfc(self._store.features, path):
            if self._is_served is None:
                self._is_served = self._run_trial(path.parent)
            if self._is_served is False:
                raise unserved_path_error(path)

    def prove(self, path: RemotePath) -> None:
        """Read the first byte of an uploaded file whose name NFC changes; raise Unsupported if it does not come."""
        if is_rewritten_by_nfc(self._store.features, path) and not (self._is_readable(path) or self._is_readable(path)):
            raise unserved_path_error(path)

    def _is_readable(self, path: RemotePath) -> bool:
        """Return whether the first byte comes, or may come; the server may show the file a moment late."""
        with contextlib.suppress(NotFound):
            return repeat_until(lambda: self._read_first_byte(path), lambda _: True, fibers.sleep) is not False
        return True

    def _read_first_byte(self, path: RemotePath) -> bool | None:
        """Return whether the first byte comes; None if that is not known. Raises NotFound."""
        try:
            with self._store.open(path) as reading:
                reading.send(OneByte(), 0, 1)
        except (Stopped, LoginNeeded, NotFound):
            raise
        except _NO_VERDICT:
            return None
        except CtadataError as error:
            log.info("%s: the first byte does not come: %s", path, error.what)
            return False
        return True

    def _run_trial(self, directory: RemotePath) -> bool | None:
        """Store a file of one byte, give it a name that NFC changes, read it, and delete it.

        Returns whether the byte came; None if that is not known.
        """
        while directory.parts and not self._is_there(directory):
            directory = directory.parent
        # the zeros name no machine, so the file counts as left over after a day
        stem = f"{TEMPORARY_PREFIX}trial-0-0-0-{secrets.token_hex(4)}"
        plain, changed = directory / stem, directory / (stem + _DECOMPOSED)
        try:
            self._store.write(plain, OneByte(), new=True)
        except (Stopped, LoginNeeded):
            raise
        except CtadataError as error:
            return False if error.status == 400 and is_rewritten_by_nfc(self._store.features, directory) else None
        current = plain
        try:
            self._store.move(plain, changed, replace=False)
            current = changed
            return self._read_first_byte(changed)
        except (Stopped, LoginNeeded):
            raise
        except CtadataError:
            return None
        finally:
            self._delete_trial(current)

    def _is_there(self, directory: RemotePath) -> bool:
        try:
            return bool(self._store.info(directory))
        except NotFound:
            return False
        except Forbidden:  # to a token that may only create, dCache does not say that a directory exists
            return True

    def _delete_trial(self, path: RemotePath) -> None:
        try:
            self._store.delete(path)
        except CtadataError as error:
            log.warning("the trial file %s could not be deleted: %s", path, error.what)


def check_for_others(store: Store, path: RemotePath, hint: str = "") -> None:
    """Check that other programs, which follow the door's redirect as it is, can use the file.

    Args:
        store: The store.
        path: The file.
        hint: What to do instead of renaming the file.

    Raises:
        Unsupported: They cannot.
    """
    NameCheck(store).check(path, tries=False)
    if is_rewritten_by_nfc(store.features, path):
        character, what, better = describe_nfc_change(path)
        raise Unsupported(
            f"other programs cannot get a file whose path holds {character}: the door changes the path to NFC",
            hint=hint or f"mv {what} to {better}",
            path=str(path),
        )
