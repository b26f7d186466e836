"""PROPPATCH: sets extended attributes; the response says 404 for every property all the same, as recorded."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from xml.parsers import expat

from ctadata.sandbox.door_request import DoorRequest
from ctadata.sandbox.propfind import PREFIXES, multistatus_opening

XATTR = "http://www.dcache.org/2020/xattr"


@dataclass
class _Update:
    """The properties that a request names, with the values to set; None for a property to remove."""

    properties: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _path: list[str] = field(default_factory=list)

    def start(self, name: str, _: object) -> None:
        self._path.append(name.rpartition(" ")[2])
        if len(self._path) == 4:
            namespace, _, local = name.rpartition(" ")
            self.properties[namespace, local] = "" if self._path[1] == "set" else None

    def text(self, text: str) -> None:
        if len(self._path) == 4 and self._path[1] == "set":
            key = next(reversed(self.properties))
            self.properties[key] = (self.properties[key] or "") + text

    def end(self, _: str) -> None:
        self._path.pop()


def proppatch(request: DoorRequest) -> None:
    """Answer PROPPATCH."""
    update = _Update()
    parser = expat.ParserCreate(None, " ")
    parser.StartElementHandler, parser.EndElementHandler = update.start, update.end
    parser.CharacterDataHandler = update.text
    with contextlib.suppress(expat.ExpatError):
        parser.Parse(request.exchange.body(), True)
    node = request.node()
    request.need("UPDATE_METADATA")
    for (namespace, name), value in update.properties.items():
        if namespace == XATTR and value is None:
            node.xattrs.pop(name, None)
        elif namespace == XATTR and value is not None:
            node.xattrs[name] = value
    tags = "".join(f"<{_tag(*key)}/>" for key in update.properties)
    text = (
        f"{multistatus_opening(PREFIXES)}<d:response><d:href>{request.raw_path}</d:href><d:propstat><d:prop>{tags}</d:prop>"
        "<d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response></d:multistatus>"
    )
    headers = [("DAV", "1, 2"), ("Content-Type", "application/xml; charset=utf-8")]
    request.reply_in_chunks(207, headers, text.encode())


def _tag(namespace: str, name: str) -> str:
    return f"{PREFIXES[namespace]}:{name}" if namespace in PREFIXES else name
