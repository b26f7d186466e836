"""Parse access keys in the forms that people have: lines for bash, cmd or PowerShell, AWS files, and JSON.

Data stores show such lines with a copy button: `export A="..."`, `SET A=...`, `$Env:A="..."`. JSON comes as
`{"token", "secret"}` (JASMIN's jos-credentials.json) or with the names of AWS, in any spelling.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ctadata.errors import ConfigError
from ctadata.tokens.token import Secret

_SEPARATOR = re.compile(r"""(?i)[;&\r\n]+|\s+(?=(?:export|set)\s|\$env:|"?aws_[a-z_]+=)""")
"""The text between two assignments: a line's end, or a blank if several assignments are on one line."""
_ASSIGNMENT = re.compile(r"""(?i)\s*(?:export\s+|set\s+|\$env:\s*)?"?([a-z_]+)\s*=\s*(.*?)\s*""")
_ID = ("accesskeyid", "accesskey", "token")
_SECRET = ("secretaccesskey", "secretkey", "secret")
_TOKEN = ("sessiontoken", "securitytoken")
_EXPIRY = ("credentialexpiration", "expiration", "expiry", "expires")
_TEMPORARY = "ASIA"  # the prefix of temporary keys: IAM user guide, "IAM identifiers", unique ID prefixes
_VISIBLE = re.compile(r"[!-~]{1,16384}")


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An S3 access key.

    Attributes:
        id: The access key ID.
        secret: The secret access key.
        token: The session token, which temporary credentials have.
        expires: The end, in seconds since 1970. None if it is not known.
    """

    id: str
    secret: Secret
    token: Secret | None = None
    expires: float | None = None


def parse_access_key(text: str) -> AccessKey:
    """Find the access key in a text.

    Args:
        text: Lines of a shell, an AWS file, or JSON.

    Raises:
        ConfigError: The text holds no key, or only half of one. The message shows nothing of the text.
    """
    fields = dict(_fields(text))
    ident, secret = _first(fields, _ID), _first(fields, _SECRET)
    if ident is None or secret is None:
        missing = "no access key" if ident is None else "an access key without its secret"
        raise ConfigError(
            f"the text holds {missing}",
            hint="it needs AWS_ACCESS_KEY_ID=... and AWS_SECRET_ACCESS_KEY=...",
        )
    token, expiry = _first(fields, _TOKEN), _first(fields, _EXPIRY)
    if token is None and ident.startswith(_TEMPORARY):
        raise ConfigError("the text holds a temporary access key without its session token", hint="copy all lines")
    return AccessKey(ident, Secret(secret), Secret(token) if token else None, _parse_expiry(expiry))


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """Yield names, in small letters without `aws` and `_`, and values. In JSON, nested objects count too."""
    text = _decode(text)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        for line in _SEPARATOR.split(text):
            if match := _ASSIGNMENT.fullmatch(line):
                yield _normalize_name(match[1]), _unquote(match[2])
        return
    yield from _json_fields(content)


def _decode(text: str) -> str:
    """Return the text without a byte order mark. PowerShell writes files in UTF-16."""
    with contextlib.suppress(UnicodeEncodeError):
        raw = text.encode(errors="surrogateescape")
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return raw.decode("utf-16", errors="replace")
    return text.removeprefix("\ufeff")


def _json_fields(content: object) -> Iterator[tuple[str, str]]:
    for name, value in content.items() if isinstance(content, dict) else ():
        if isinstance(value, (str, int, float)):
            yield _normalize_name(str(name)), str(value)
        else:
            yield from _json_fields(value)


def _normalize_name(name: str) -> str:
    return name.lower().replace("_", "").removeprefix("aws")


def _unquote(value: str) -> str:
    """Return the value without quotes.

    cmd would count quotes as part of it, and a copied value may have only one of them.
    """
    if value[:1] in ('"', "'") and value[-1:] != value[:1]:
        return f"{value} ..."  # continues on another line, so this is no valid value
    return value.strip().strip("\"'")


def _first(fields: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    value = next((fields[name] for name in names if fields.get(name)), None)
    if value is not None and not _VISIBLE.fullmatch(value):
        raise ConfigError("a value in the text holds blanks or control characters: it was not copied completely")
    return value


def _parse_expiry(text: str | None) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return float(text) if re.fullmatch(r"[0-9]{1,11}(\.[0-9]+)?", text) else None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
