"""Names under which a store cannot give a file back: such a name is refused before anything is sent.

A dCache pool answers nothing for a file whose name holds a control character. A dCache door writes the Unicode normal
form NFC of a path when it asks the pool, which knows the file by its own name alone: where the door redirects, the
client puts its spelling back; where the door carries the bytes itself, nobody can. Which of the two a door does is
tried once, with a file of one byte.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Iterator

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
from ctadata.stores.base import Delivery, Store
from ctadata.stores.name_rules import (
    control_character_error,
    describe_nfc_change,
    is_rewritten_by_nfc,
    refuse_undecodable,
    unserved_path_error,
)

log = logging.getLogger(__name__)

_WAITS = (0.1, 0.2, 0.4, 0.8)  # seconds
_DECOMPOSED = "e\u0301"
_NO_VERDICT = (Forbidden, LoginNeeded, NeedsStaging, Stopped, StorageFull, TimedOut, Unreachable, Busy)
"""Errors that say nothing about the name."""


class NameCheck:
    """Whether files can be read back from a store under their names; what a trial has shown is remembered."""

    def __init__(self, store: Store) -> None:
        """No request is sent."""
        self._store = store
        self._is_served: bool | None = None

    def check(self, path: RemotePath, *, tries: bool = True) -> None:
        """Unsupported if a file, or the files of a collection, could not be read back from `path`.

        tries: the door may be asked to store a file of one byte, and to give it back.
        """
        refuse_undecodable(path)
        if refusal := control_character_error(self._store.features, path):
            raise refusal
        if tries and is_rewritten_by_nfc(self._store.features, path):
            if self._is_served is None:
                self._is_served = self._try(path.parent)
            if self._is_served is False:
                raise unserved_path_error(path)

    def prove(self, path: RemotePath) -> None:
        """Read the first byte of a file that was uploaded, if NFC changes its name; Unsupported if it does not come."""
        if is_rewritten_by_nfc(self._store.features, path) and not (self._may_come(path) or self._may_come(path)):
            raise unserved_path_error(path)

    def _may_come(self, path: RemotePath) -> bool:
        """Whether the first byte comes, or that cannot be told; the server may show the file a moment late."""
        for pause in _WAITS:
            with contextlib.suppress(NotFound):
                return self._reads(path) is not False
            fibers.sleep(pause)
        return True

    def _reads(self, path: RemotePath) -> bool | None:
        """Whether the first byte comes; None if that cannot be told. NotFound."""
        try:
            with self._store.open(path) as reading:
                reading.send(_Byte(), 0, 1)
        except (Stopped, LoginNeeded, NotFound):
            raise
        except _NO_VERDICT:
            return None
        except CtadataError as error:
            log.info("%s: the first byte does not come: %s", path, error.what)
            return False
        return True

    def _try(self, collection: RemotePath) -> bool | None:
        """Store a file of one byte, give it a name that NFC changes, read it, and delete it; None if that fails."""
        while collection.parts and not self._is_there(collection):
            collection = collection.parent
        stem = f"{TEMPORARY_PREFIX}trial-0-0-0-{secrets.token_hex(4)}"  # of no machine, so it is dead after a day
        plain, changed = collection / stem, collection / (stem + _DECOMPOSED)
        try:
            self._store.write(plain, _Byte(), new=True)
        except (Stopped, LoginNeeded):
            raise
        except CtadataError as error:
            return False if error.status == 400 and is_rewritten_by_nfc(self._store.features, collection) else None
        at = plain
        try:
            self._store.move(plain, changed, replace=False)
            at = changed
            return self._reads(changed)
        except (Stopped, LoginNeeded):
            raise
        except CtadataError:
            return None
        finally:
            self._clear(at)

    def _is_there(self, collection: RemotePath) -> bool:
        try:
            return bool(self._store.info(collection))
        except NotFound:
            return False
        except Forbidden:  # dCache tells a token that may only create of no collection
            return True

    def _clear(self, path: RemotePath) -> None:
        try:
            self._store.delete(path)
        except CtadataError as error:
            log.warning("%s is left there: %s", path, error.what)


def check_for_others(store: Store, path: RemotePath, hint: str = "") -> None:
    """Unsupported if other programs than ours, which follow the door's redirect as it is, cannot use the file.

    hint: what to do instead of renaming it.
    """
    NameCheck(store).check(path, tries=False)
    if is_rewritten_by_nfc(store.features, path):
        character, what, better = describe_nfc_change(path)
        raise Unsupported(
            f"other programs cannot get a file whose path holds {character}: the door writes it otherwise (NFC)",
            hint=hint or f"mv {what} to {better}",
            path=str(path),
        )


class _Byte:
    """A file of one byte to write, and a place for the first byte of a file."""

    size = 1
    mtime: float | None = None

    def __init__(self) -> None:
        self._left = b"x"

    def read(self, limit: int) -> bytes:  # noqa: ARG002
        block, self._left = self._left, b""
        return block

    def rewind(self) -> None:
        self._left = b"x"

    def peek(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        yield b"x"[start:stop]

    def part(self, start: int, stop: int) -> _Byte:  # noqa: ARG002
        return _Byte()

    def begin(self, delivery: Delivery) -> None:
        """The byte comes."""

    def write(self, block: bytes) -> None:
        """Here it is."""
