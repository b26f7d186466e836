"""Access keys as people have them: pasted lines of bash, cmd and PowerShell, files of AWS, and JSON.

The lines are those that data stores show with a button beside them: `export A="..."`, `SET A=...`, `$Env:A="..."`.
JSON comes as `{"token", "secret"}` (JASMIN's jos-credentials.json) or with the names of AWS, in any spelling.
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

_BETWEEN = re.compile(r"""(?i)[;&\r\n]+|\s+(?=(?:export|set)\s|\$env:|"?aws_[a-z_]+=)""")
"""What stands between two of them: a line's end, or a blank before the next one where they come on one line."""
_LINE = re.compile(r"""(?i)\s*(?:export\s+|set\s+|\$env:\s*)?"?([a-z_]+)\s*=\s*(.*?)\s*""")
_ID = ("accesskeyid", "accesskey", "token")
_SECRET = ("secretaccesskey", "secretkey", "secret")
_TOKEN = ("sessiontoken", "securitytoken")
_EXPIRY = ("credentialexpiration", "expiration", "expiry", "expires")
_TEMPORARY = "ASIA"  # IAM user guide, "IAM identifiers": unique ID prefixes
_VISIBLE = re.compile(r"[!-~]{1,16384}")


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An S3 access key.

    token:   of temporary credentials.  expires: seconds since 1970; None where nobody has said.
    """

    id: str
    secret: Secret
    token: Secret | None = None
    expires: float | None = None


def parse_access_key(text: str) -> AccessKey:
    """The access key in a text; ConfigError, which shows nothing of it, where there is none or half of one."""
    found = dict(_fields(text))
    ident, secret = _first(found, _ID), _first(found, _SECRET)
    if ident is None or secret is None:
        missing = "no access key" if ident is None else "an access key without its secret"
        raise ConfigError(
            f"{missing} in what was given",
            hint="AWS_ACCESS_KEY_ID=... and AWS_SECRET_ACCESS_KEY=... are looked for",
        )
    token, expiry = _first(found, _TOKEN), _first(found, _EXPIRY)
    if token is None and ident.startswith(_TEMPORARY):
        raise ConfigError("a temporary access key without its session token in what was given", hint="copy all of it")
    return AccessKey(ident, Secret(secret), Secret(token) if token else None, _moment(expiry))


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """Names, in small letters without `aws` and `_`, and values; of JSON those of objects within as well."""
    text = _decoded(text)
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        for line in _BETWEEN.split(text):
            if match := _LINE.fullmatch(line):
                yield _plain(match[1]), _unquoted(match[2])
        return
    yield from _members(told)


def _decoded(text: str) -> str:
    """Without the mark that Windows puts first; what PowerShell writes into a file comes in UTF-16."""
    with contextlib.suppress(UnicodeEncodeError):
        raw = text.encode(errors="surrogateescape")
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return raw.decode("utf-16", errors="replace")
    return text.removeprefix("\ufeff")


def _members(told: object) -> Iterator[tuple[str, str]]:
    for name, value in told.items() if isinstance(told, dict) else ():
        if isinstance(value, (str, int, float)):
            yield _plain(str(name)), str(value)
        else:
            yield from _members(value)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").removeprefix("aws")


def _unquoted(value: str) -> str:
    """Without quotes around it: cmd would take those for part of the value, and some people leave half of them."""
    if value[:1] in ('"', "'") and value[-1:] != value[:1]:
        return f"{value} ..."  # it goes on in another line: not a value
    return value.strip().strip("\"'")


def _first(found: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    value = next((found[name] for name in names if found.get(name)), None)
    if value is not None and not _VISIBLE.fullmatch(value):
        raise ConfigError("a value in what was given holds blanks or control characters: it was not pasted whole")
    return value


def _moment(text: str | None) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return float(text) if re.fullmatch(r"[0-9]{1,11}(\.[0-9]+)?", text) else None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
