"""What a server kept of a tree that it was told to delete or move: the members that a 207 answers with (RFC 4918).

A collection of thousands may be refused member by member; the first 64 KiB of such an answer are read, which is some
hundred members, and whoever wants to know of the rest looks what is still there.
"""

from __future__ import annotations

import contextlib
import io
import re
from xml.etree.ElementTree import Element, ParseError, iterparse

from ctadata.errors import CtadataError, UsageError
from ctadata.http.failures import meaning_of
from ctadata.http.messages import Response
from ctadata.paths import RemotePath

_DAV = "{DAV:}"
_CONSEQUENCE = 424  # Failed Dependency: kept because something below it was
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")


def refused(response: Response, path: RemotePath, *, root: RemotePath) -> list[CtadataError]:
    """An error for each member that was refused, the causes before what merely followed from them.

    path: what was asked for, named where a member cannot be.   root: what the store puts before every path.
    """
    members = [(_status(member), member.findtext(_DAV + "href", "")) for member in _members(response.body)]
    bad = sorted((member for member in members if member[0] >= 400), key=lambda member: member[0] == _CONSEQUENCE)
    return [_error(response.method, status, _path(href, root) or str(path)) for status, href in bad]


def _members(body: bytes) -> list[Element]:
    found: list[Element] = []
    with contextlib.suppress(ParseError, LookupError, ValueError):  # the latter of an encoding that is not known
        for _, element in iterparse(io.BytesIO(body)):  # noqa: S314  (64 KiB; expat itself bounds what entities add)
            if element.tag == _DAV + "response":
                found.append(element)
    return found


def _status(member: Element) -> int:
    line = member.findtext(_DAV + "status") or member.findtext(f"{_DAV}propstat/{_DAV}status") or ""
    words = line.split(None, 2)
    return int(words[1]) if len(words) > 1 and re.fullmatch("[0-9]{3}", words[1]) else 0


def _path(href: str, root: RemotePath) -> str:
    try:
        below = RemotePath.decode(_ORIGIN.sub("", href.strip(), count=1)).relative_to(root)
    except (UsageError, ValueError):
        return ""
    return str(RemotePath(below))


def _error(method: str, status: int, path: str) -> CtadataError:
    meaning = meaning_of(method, status, "")
    return meaning.error(f"{meaning.words}: {status}", hint=meaning.hint, path=path, status=status)
