"""What a macaroon says: where it is from and what it is limited to; read without being believed.

dCache's macaroons are base64url of libmacaroons' format 1 (packets of four hexadecimal digits of length, a keyword, a
value) or 2 (one byte of type, a varint of length, a value). Only who has issued one can check its signature.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_OPTIONAL = re.compile(r"(?P<key>(?:[a-z-]+:)?)(?:Optional\[(?P<value>.*)\]|Optional\.empty)", re.DOTALL)
"""A value that dCache has written as Java prints an `Optional`."""
_KINDS_2 = {1: "location", 2: "identifier", 4: "vid", 6: "signature"}


@dataclass(frozen=True, slots=True)
class Macaroon:
    """What one macaroon says.

    location:   the door that issued it; dCache writes the path that it was made for.
    identifier: its name there.
    caveats:    its limits, `key:value`, in order.
    """

    location: str
    identifier: str
    caveats: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Macaroon | None:
        """The macaroon that this text is; None where it is none."""
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            fields = list(_fields_2(data) if data[:1] == b"\x02" else _fields_1(data))
        except (ValueError, IndexError, binascii.Error):
            return None
        found = dict(fields)
        if "signature" not in found or "identifier" not in found:
            return None
        caveats = tuple(_plain(value) for key, value in fields if key == "cid")
        return cls(_plain(found.get("location", "")), found["identifier"], caveats)

    def limits(self, key: str) -> list[str]:
        """What the caveats of one key say, such as `before`, in order; each narrows those in front of it."""
        pairs = [caveat.partition(":") for caveat in self.caveats]
        return [value.strip() for name, _, value in pairs if name.strip() == key]


def _plain(text: str) -> str:
    """`text`, or what it holds: `/x` of `Optional[/x]`, nothing of `Optional.empty`."""
    match = _OPTIONAL.fullmatch(text)
    return f"{match['key']}{match['value'] or ''}" if match else text


def parse_before(before: str) -> float | None:
    """The end that a `before` caveat names, seconds since 1970; None where it cannot be read."""
    try:
        read = datetime.fromisoformat(before)
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _fields_1(data: bytes) -> Iterator[tuple[str, str]]:
    while data:
        size = int(data[:4], 16)
        if not 6 <= size <= len(data):
            raise ValueError("not a packet")
        key, _, value = data[4 : size - 1].partition(b" ")
        yield key.decode(), value.decode(errors="replace")
        data = data[size:]


def _fields_2(data: bytes) -> Iterator[tuple[str, str]]:
    """Sections end with type 0; the first describes the macaroon, each later one a caveat, an empty one them all."""
    section, at = 0, 1
    while at < len(data):
        kind = data[at]
        at += 1
        if kind == 0:
            section += 1
            continue
        size, at = _varint(data, at)
        if at + size > len(data) or kind not in _KINDS_2:
            raise ValueError("not a field")
        name = "cid" if kind == 2 and section else _KINDS_2[kind]
        yield name, data[at : at + size].decode(errors="replace")
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number, and where the next byte stands."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
