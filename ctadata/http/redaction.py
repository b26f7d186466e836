"""What must never be shown: tokens, secrets and pool credentials, taken out of text that a person or a log may see."""

from __future__ import annotations

import re

from ctadata.paths import printable

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
    | (?P<slashes> :// ) [^/@\s?\#]+ @
    | \b eyJ [\w-]{5,} (?: \. [\w-]* ){1,4}
    """
)


def redacted(text: str) -> str:
    """`text` with `***` for the values of secret parameters, for user names in URLs and whatever looks like a JWT."""
    return _SECRETS.sub(_hide, text)


def _hide(match: re.Match[str]) -> str:
    if match["slashes"]:
        return f"://{_HIDDEN}@"
    return f"{match['key'] or match['scheme'] or ''}{_HIDDEN}"


def presentable(text: str, limit: int = 200, *, secret: str | None = None) -> str:
    """What a server said, fit to be shown: on one line, no secrets (`secret` neither), at most `limit` characters."""
    if secret and len(secret) >= _SHORTEST_SECRET:
        text = text.replace(secret, _HIDDEN)
    clean = printable(redacted(" ".join(text.split())))
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
