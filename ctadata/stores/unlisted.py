"""The members of a collection that its listing cannot give: counted, the first of them named."""

from __future__ import annotations

from ctadata.errors import CtadataError, Incomplete, ServerTrouble
from ctadata.paths import RemotePath, printable

NAMED = 100
"""Members that are named, at most, so that memory stays bounded."""


class Unlisted:
    """What a store collects while it lists a collection."""

    def __init__(self) -> None:
        """Nothing is missing yet."""
        self.count = 0
        self._named: list[CtadataError] = []

    def add(self, error: CtadataError, count: int = 1) -> None:
        """Take the error of one member, which names it, or of `count` members."""
        self.count += count
        if len(self._named) < NAMED:
            self._named.append(error)

    def add_name(self, text: str) -> None:
        """Take a member whose name, as the server writes it, is none below the collection."""
        what = f"the server lists {printable(text[:200])!r} there, which has no place in it"
        self.add(ServerTrouble(what, hint="tell whoever runs the storage"))

    def check(self, path: RemotePath) -> None:
        """Incomplete, where a member of the collection `path` is missing from the listing."""
        if self._named:
            for error in self._named:
                error.path = error.path or printable(str(path))
            raise Incomplete(self._named, count=self.count, path=printable(str(path)))
