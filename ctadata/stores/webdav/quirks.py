"""What some servers do differently from RFC 4918, looked up by their `Server` header."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from ctadata.errors import Unsupported
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable


class Quirks(NamedTuple):
    """How a server takes names.

    Attributes:
        raw: The server writes paths, and reads those in a `Destination`, without percent-encoding.
        impossible: Characters that no name may hold: the server cuts the name there, which is another file's name.
        cut: Characters at which the server cuts a name in a `Destination` only.
        proven: The server takes a name in a `Destination` as it is, so the client need not look the new name up.
    """

    raw: bool = False
    impossible: str = ""
    cut: str = ""
    proven: bool = False

    def check(self, path: RemotePath) -> None:
        """Raise Unsupported for a path that this server would take for another one."""
        if self.impossible:
            _refuse(path, self.impossible, "this server stores no name that holds {}")

    def destination(self, url: str, path: RemotePath) -> str:
        """Return the value of the header `Destination` for `path`, as latin-1 text.

        Args:
            url: The address of `path`, percent-encoded.
            path: The new path.

        Raises:
            Unsupported: The server would take it for another path.
        """
        self.check(path)
        if self.cut:
            _refuse(path, self.cut, "this server may take a name that holds {} for another name")
        if not self.raw:
            return url
        raw = unquote_to_bytes(url).decode("latin-1")
        if any(letter < " " or letter == "\x7f" for letter in raw):
            raise Unsupported("this server renames no file to a name that holds control characters", path=str(path))
        return raw + "?"  # without this, XRootD 5.5 drops non-ASCII bytes at the end


AS_WRITTEN = Quirks(proven=True)
"""The quirks of a server that takes names as RFC 4918 and RFC 3986 say."""
UNKNOWN = Quirks(cut="?;\t\n\r")
"""The quirks of a server that we cannot identify, like wsgidav, which cuts names at these characters."""
SUSPICIOUS = frozenset("?")
"""The characters that some server allows in no name."""
_KNOWN = {
    "Apache": AS_WRITTEN,
    "nginx": AS_WRITTEN,
    "XrootD": Quirks(raw=True, impossible="?", proven=True),
}


def find_quirks(server: str | None) -> Quirks:
    """Return the quirks of the server that sends `server` in its `Server` header."""
    return _KNOWN.get((server or "").partition("/")[0], UNKNOWN)


def _refuse(path: RemotePath, characters: str, words: str) -> None:
    refused = sorted(set(characters).intersection(*[set().union(*path.parts)]))
    if refused:
        hint = "letters, digits and . _ - are understood everywhere"
        raise Unsupported(words.format(" and ".join(map(escape_unprintable, refused))), hint=hint, path=str(path))
