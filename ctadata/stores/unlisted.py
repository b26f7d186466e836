"""The members of a directory that its listing cannot name: counted, and the first of them kept as errors."""

from __future__ import annotations

from ctadata.errors import CtadataError, Incomplete, ServerTrouble, Unnameable, UsageError
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable

NAMED = 100
"""The largest number of members that are kept by name, so that memory stays bounded."""

COUNTERPARTS = 10_000
"""The largest number of counterparts that are kept."""


class Unlisted:
    """The members that a store could not list in one directory."""

    def __init__(self) -> None:
        """Start with no member."""
        self.count = 0
        self._named: list[CtadataError] = []
        self._is_whole = True
        self._counterparts: set[tuple[str, ...]] | None = set()

    def add(self, error: CtadataError, count: int = 1) -> None:
        """Add the error of one member, which names it, or of `count` members."""
        self._is_whole = False
        self._count(error, count)

    def add_key(
        self,
        address: str,
        why: str = "no path can name this key",
        *,
        counterpart: tuple[str, ...] | None = None,
        stands_for_more: bool = False,
    ) -> None:
        """Add a key of S3 that no path can name. The listing still counts as whole.

        Args:
            address: The key as the user would type it.
            why: The reason, the first half of the message.
            counterpart: See `Unnameable`; None if the key has none.
            stands_for_more: Other keys begin with this one, so its counterparts are not all known.
        """
        self._count(UsageError(why, hint="--raw-key takes it as it is written", path=address), 1)
        if stands_for_more or (self._counterparts is not None and len(self._counterparts) > COUNTERPARTS):
            self._counterparts = None
        elif counterpart and self._counterparts is not None:
            self._counterparts.add(counterpart)

    def _count(self, error: CtadataError, count: int) -> None:
        self.count += count
        if len(self._named) < NAMED:
            self._named.append(error)

    def add_name(self, text: str) -> None:
        """Add a member whose name, as the server writes it, is no valid name below the directory."""
        what = f"the server lists {escape_unprintable(text[:200])!r}, which is not a valid name there"
        self.add(ServerTrouble(what, hint="tell the administrators of the storage"))

    def raise_if_any(self, path: RemotePath) -> None:
        """Raise the error of an incomplete listing of `path`, if a member was added.

        Raises:
            Unnameable: All missing members are keys that no path can name.
            Incomplete: Any other member is missing.
        """
        if self._named:
            for error in self._named:
                error.path = error.path or escape_unprintable(str(path))
            where = escape_unprintable(str(path))
            if self._is_whole:
                raise Unnameable(self._named, count=self.count, path=where, counterparts=self._counterparts)
            raise Incomplete(self._named, count=self.count, path=where)
