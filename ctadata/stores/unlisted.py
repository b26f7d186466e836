"""The members of a collection that its listing cannot give: counted, the first of them named."""

from __future__ import annotations

from ctadata.errors import CtadataError, Incomplete, ServerTrouble, Unnameable, UsageError
from ctadata.paths import RemotePath, escape_unprintable

NAMED = 100
"""Members that are named, at most, so that memory stays bounded."""

COUNTERPARTS = 10_000
"""Counterparts of keys that are kept, at most."""


class Unlisted:
    """What a store collects while it lists a collection."""

    def __init__(self) -> None:
        """Nothing is missing yet."""
        self.count = 0
        self._named: list[CtadataError] = []
        self._is_whole = True
        self._counterparts: set[tuple[str, ...]] | None = set()

    def add(self, error: CtadataError, count: int = 1) -> None:
        """Take the error of one member, which names it, or of `count` members."""
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
        """Take a key that no path can name, which leaves the listing whole.

        counterpart: see `Unnameable`; None if the key has none.   stands_for_more: other keys begin with this one.
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
        """Take a member whose name, as the server writes it, is none below the collection."""
        what = f"the server lists {escape_unprintable(text[:200])!r} there, which has no place in it"
        self.add(ServerTrouble(what, hint="tell whoever runs the storage"))

    def raise_if_any(self, path: RemotePath) -> None:
        """Incomplete, where a member of the collection `path` is missing from the listing; Unnameable."""
        if self._named:
            for error in self._named:
                error.path = error.path or escape_unprintable(str(path))
            where = escape_unprintable(str(path))
            if self._is_whole:
                raise Unnameable(self._named, count=self.count, path=where, counterparts=self._counterparts)
            raise Incomplete(self._named, count=self.count, path=where)
