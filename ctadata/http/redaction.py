"""Remove secrets from all text that a user or a log sees: tokens, passwords, and the credentials in pools' URLs.

Removed are the known secrets, which are all living `Secret` objects of the process, and whatever looks like a secret,
because servers repeat secrets in their error texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NoReturn
from urllib.parse import quote
from weakref import WeakValueDictionary

from ctadata.printable import escape_unprintable

_HIDDEN = "***"
_SHORTEST_SECRET = 6  # a shorter text is no secret, and to remove it would damage the words around it

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
    """The text of a secret for code that needs it; its `repr` shows nothing, so a traceback shows nothing either."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show nothing of the text."""
        return "<secret>"


class Secret:
    """A secret text. Only `reveal` shows it: no repr, str, format, `asdict`, log, copy or pickle does."""

    __slots__ = ("__weakref__", "_text")

    def __init__(self, text: str) -> None:
        """Keep a secret; as long as this object lives, no message shows the text."""
        self._text = text
        if len(text) >= _SHORTEST_KNOWN:
            _KNOWN[id(self)] = self

    def reveal(self) -> str:
        """Return the text."""
        return Revealed(self._text)

    def __repr__(self) -> str:
        """Show nothing of the text."""
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        """Whether both secrets have the same text."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """Return the hash of the text."""
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled (TypeError)."""
        raise TypeError("a secret is not pickled")


_SHORTEST_KNOWN = 8  # a shorter secret is not removed wherever it stands: it would match by chance
_KNOWN: WeakValueDictionary[int, Secret] = WeakValueDictionary()


def redact(text: str) -> str:
    """Return `text` with `***` in place of secrets.

    Replaced are the known secrets, the values of secret URL parameters, user names in URLs, and JSON web tokens.
    """
    for known in _known_secrets():
        text = text.replace(known, _HIDDEN)
    return _SECRETS.sub(_hide, text)


def _known_secrets() -> Iterator[str]:
    """Yield the known secrets as they stand in texts, in URLs and in JSON; the longest first."""
    known = [reference() for reference in _KNOWN.valuerefs()]  # one step, whatever other threads add meanwhile
    texts = {secret.reveal() for secret in known if secret is not None}
    for text in sorted(texts, key=len, reverse=True):
        yield str(text)
        if not text.isalnum():
            encoded = quote(text, safe="", errors="surrogatepass")
            yield from {
                encoded,
                encoded.lower(),
                quote(text, errors="surrogatepass"),
                json.dumps(text)[1:-1],
                text.replace("/", "\\/"),
                text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),  # xml.sax.saxutils loads ssl
            }


def register_secret(text: str) -> None:
    """Keep this text out of all messages until the process ends."""
    _REGISTERED.add(Secret(text))


_REGISTERED: set[Secret] = set()


def _hide(match: re.Match[str]) -> str:
    if match["slashes"]:
        return f"{match['slashes']}{_HIDDEN}@"
    return f"{match['key'] or match['scheme'] or ''}{_HIDDEN}"


def sanitize(text: str, limit: int = 200, *, secret: str | None = None) -> str:
    """Return a server's text in a form that may be shown: on one line, without secrets, without control characters.

    Args:
        text: The server's text.
        limit: The largest number of characters; a longer text is cut.
        secret: A further secret to remove; the token that was sent.
    """
    if secret and len(secret) >= _SHORTEST_SECRET:
        text = text.replace(secret, _HIDDEN)
    clean = escape_unprintable(redact(" ".join(text.split())))
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
