"""What some servers do otherwise than WebDAV says, known by what they call themselves (`Server`)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ctadata.errors import Unsupported
from ctadata.paths import RemotePath, escape_unprintable


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a server takes names.

    raw:        the paths that it writes, and those that it reads in a `Destination`, are not percent-encoded.
    impossible: characters that no name may have: it ends there, and is another file's.
    cut:        the same for names in a `Destination` alone.
    proven:     a name in a `Destination` is what was meant, and need not be looked for.
    """

    raw: bool = False
    impossible: str = ""
    cut: str = ""
    proven: bool = False

    def check(self, path: RemotePath) -> None:
        """Unsupported for a path that this server would take for another one."""
        _refuse(path, self.impossible, "this server keeps no name with {}")

    def destination(self, url: str, path: RemotePath) -> str:
        """The `Destination` for `path`, whose address is `url`; latin-1. Unsupported where it would be another one."""
        self.check(path)
        _refuse(path, self.cut, "this server may take a name with {} for another one")
        if not self.raw:
            return url
        raw = unquote_to_bytes(url).decode("latin-1")
        if any(letter < " " or letter == "\x7f" for letter in raw):
            raise Unsupported("this server renames nothing to a name with control characters", path=str(path))
        return raw + "?"  # without it XRootD 5.5 drops bytes beyond ASCII at the end


AS_WRITTEN = Quirks(proven=True)
"""Of a server that takes names as WebDAV says (RFC 4918, RFC 3986)."""
UNKNOWN = Quirks(cut="?;\t\n\r")
"""Of whoever is none of those we know: wsgidav, which does not say that it is it, cuts names so."""
SUSPICIOUS = "?"
"""The characters that some server keeps no name with."""
_KNOWN = {
    "Apache": AS_WRITTEN,
    "nginx": AS_WRITTEN,
    "XrootD": Quirks(raw=True, impossible=SUSPICIOUS, proven=True),
}


def find_quirks(server: str | None) -> Quirks:
    """Those of the server that calls itself so."""
    return _KNOWN.get((server or "").partition("/")[0], UNKNOWN)


def _refuse(path: RemotePath, characters: str, words: str) -> None:
    found = sorted({letter for letter in characters for name in path.parts if letter in name})
    if found:
        hint = "letters, digits and . _ - are understood everywhere"
        raise Unsupported(words.format(" and ".join(map(escape_unprintable, found))), hint=hint, path=str(path))
