"""What must never be shown: tokens, secrets and pool credentials, taken out of text that a person or a log may see.

What looks like a secret goes, and so does every `Secret` that the process holds: servers repeat them in errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NoReturn
from urllib.parse import quote
from weakref import WeakValueDictionary
from xml.sax.saxutils import escape

from ctadata.paths import escape_unprintable

_HIDDEN = "***"
_SHORTEST_SECRET = 6  # what is shorter is no secret, and taking it out would spoil the words around it

_SECRETS = re.compile(
    r"""(?ix)
      (?P<key> (?: \b | (?<= %3F ) | (?<= %26 ) )
               (?: authz | access_token | refresh_token | id_token | subject_token | token | client_secret
                 | device_code | code | assertion | password | dcache-http-uuid
                 | x-amz-credential | x-amz-signature | signature | awsaccesskeyid )
               (?: = | %3D ) ) [^&\s"'<>;,]+
    | (?P<scheme> \b(?: Bearer | Basic ) (?: \s | %20 | \+ )+ ) [^\s"'<>&;,]+
    | (?P<slashes> :// | \bhttps? :/ ) (?: [^/\s?\#]+ | [^/?\#@:\s\[]* : (?! [0-9]+ [/?\#] ) [^\s"'<>]{0,200} ) @
    | \b eyJ [\w-]{5,} (?: \. [\w-]* ){1,4}
    """
)


class Revealed(str):
    """The text of a secret, for where it is needed: no `repr` shows it, as of local variables under a traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Nothing of the text."""
        return "<secret>"


class Secret:
    """A text that shows itself only when asked: not in repr, str, format, `asdict`, logs, copies or pickles."""

    __slots__ = ("__weakref__", "_text")

    def __init__(self, text: str) -> None:
        """While it lives, no message shows this text."""
        self._text = text
        if len(text) >= _SHORTEST_KNOWN:
            _KNOWN[id(self)] = self

    def reveal(self) -> str:
        """The text itself."""
        return Revealed(self._text)

    def __repr__(self) -> str:
        """Nothing of the text."""
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        """Whether it is the same text."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """Goes with `==`."""
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled (TypeError)."""
        raise TypeError("a secret is not pickled")


_SHORTEST_KNOWN = 8  # of secrets that are taken out wherever they stand
_KNOWN: WeakValueDictionary[int, Secret] = WeakValueDictionary()


def redact(text: str) -> str:
    """`text` with `***` for every known secret, for the values of secret parameters, for user names in URLs and for
    whatever looks like a JWT.
    """
    for known in _known():
        text = text.replace(known, _HIDDEN)
    return _SECRETS.sub(_hide, text)


def _known() -> Iterator[str]:
    """The secrets that the process holds, as they stand in texts, in URLs and in JSON; the longest first."""
    texts = {secret.reveal() for secret in list(_KNOWN.values())}
    for text in sorted(texts, key=len, reverse=True):
        yield str(text)
        if not text.isalnum():
            encoded = quote(text, safe="")
            yield from {
                encoded,
                encoded.lower(),
                quote(text),
                json.dumps(text)[1:-1],
                text.replace("/", "\\/"),
                escape(text),
            }


def register_secret(text: str) -> None:
    """Let no message show this text from now on, whoever holds it."""
    _KEPT.add(Secret(text))


_KEPT: set[Secret] = set()


def _hide(match: re.Match[str]) -> str:
    if match["slashes"]:
        return f"{match['slashes']}{_HIDDEN}@"
    return f"{match['key'] or match['scheme'] or ''}{_HIDDEN}"


def sanitize(text: str, limit: int = 200, *, secret: str | None = None) -> str:
    """What a server said, fit to be shown: on one line, no secrets (`secret` neither), at most `limit` characters."""
    if secret and len(secret) >= _SHORTEST_SECRET:
        text = text.replace(secret, _HIDDEN)
    clean = escape_unprintable(redact(" ".join(text.split())))
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
