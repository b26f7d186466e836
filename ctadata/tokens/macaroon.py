"""Read a macaroon: its origin and its limits. The signature is not checked, since only the issuing door can do that.

dCache's macaroons are base64url of libmacaroons' format 1 (packets: four hexadecimal digits of length, a keyword, a
value) or format 2 (fields: one byte of type, a varint of length, a value).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_OPTIONAL = re.compile(r"(?P<key>(?:[a-z-]+:)?)(?:Optional\[(?P<value>.*)\]|Optional\.empty)", re.DOTALL)
"""A value that dCache has written in the form in which Java prints an `Optional`."""
_KINDS_2 = {1: "location", 2: "identifier", 4: "vid", 6: "signature"}


@dataclass(frozen=True, slots=True)
class Macaroon:
    """The content of one macaroon.

    Attributes:
        location: The door that issued it. dCache writes the path that it was issued for.
        identifier: Its name at the issuer.
        caveats: Its limits as `key:value`, in order.
    """

    location: str
    identifier: str
    caveats: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Macaroon | None:
        """Return the macaroon in this text; None if the text is none."""
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            fields = list(_read_fields_v2(data) if data[:1] == b"\x02" else _read_fields_v1(data))
        except (ValueError, IndexError, binascii.Error):
            return None
        named = dict(fields)
        if "signature" not in named or "identifier" not in named:
            return None
        caveats = tuple(_unwrap_optional(value) for key, value in fields if key == "cid")
        return cls(_unwrap_optional(named.get("location", "")), named["identifier"], caveats)

    @property
    def path(self) -> str:
        """The path that it opens, as URLs at the door have it; empty if it opens all.

        dCache reads each `path` caveat relative to those before it, and the first one relative to the user's root, as
        it reads the path in a URL (User Guide, "Macaroons").
        """
        return "/".join(caveat.removeprefix("path:") for caveat in self.caveats if caveat.startswith("path:"))

    def limits(self, key: str) -> list[str]:
        """Return the values of all caveats with this key, such as `before`, in order.

        Each one narrows those before it.
        """
        pairs = [caveat.partition(":") for caveat in self.caveats]
        return [value.strip() for name, _, value in pairs if name.strip() == key]


def _unwrap_optional(text: str) -> str:
    """Return `/x` for `Optional[/x]`, nothing for `Optional.empty`, and any other text unchanged."""
    match = _OPTIONAL.fullmatch(text)
    return f"{match['key']}{match['value'] or ''}" if match else text


def parse_before(before: str) -> float | None:
    """Return the end that a `before` caveat names, in seconds since 1970; None if it cannot be read."""
    try:
        read = datetime.fromisoformat(before)
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _read_fields_v1(data: bytes) -> Iterator[tuple[str, str]]:
    while data:
        size = int(data[:4], 16)
        if not 6 <= size <= len(data):
            raise ValueError("not a packet")
        key, _, value = data[4 : size - 1].partition(b" ")
        yield key.decode(), value.decode(errors="replace")
        data = data[size:]


def _read_fields_v2(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the fields. Type 0 ends a section: the first section describes the macaroon, each later one a caveat."""
    section, position = 0, 1
    while position < len(data):
        kind = data[position]
        position += 1
        if kind == 0:
            section += 1
            continue
        size, position = _read_varint(data, position)
        if position + size > len(data) or kind not in _KINDS_2:
            raise ValueError("not a field")
        name = "cid" if kind == 2 and section else _KINDS_2[kind]
        yield name, data[position : position + size].decode(errors="replace")
        position += size


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Return an unsigned LEB128 number, and the position of the byte after it."""
    number = shift = 0
    while True:
        byte = data[position]
        number |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return number, position
