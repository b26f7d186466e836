"""PROPFIND: 207 Multi-Status in the form of the door's WebDAV library (dcache.md 1.1).

These oddities are meant, because the real door has them: the body is one line; a namespace is declared only if a
property of it has a value, so that an unknown property of another namespace stands without a prefix in the 404
propstat, before the known properties without a value; a request body that cannot be parsed counts as empty.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from xml.parsers import expat

from ctadata.sandbox.checksums import format_digest
from ctadata.sandbox.door_request import DoorRequest, guess_content_type
from ctadata.sandbox.faults import EmptyListing, LateChecksum, WrongDigest
from ctadata.sandbox.http_messages import corrupt_digest
from ctadata.sandbox.namespace import Namespace, Node

DAV = "DAV:"
DCACHE = "http://www.dcache.org/2013/webdav"
SRM = "http://srm.lbl.gov/StorageResourceManager"
PREFIXES = {
    "urn:ietf:params:xml:ns:caldav": "cal",
    "http://calendarserver.org/ns/": "cs",
    "urn:ietf:params:xml:ns:carddav": "card",
    DAV: "d",
}
DEFAULT_DEPTH = 3
Property = tuple[str, str]

DEFAULTS: list[Property] = [
    (DAV, name)
    for name in (
        "creationdate", "getlastmodified", "displayname", "resourcetype", "getcontenttype", "getcontentlength",
        "getetag",
    )
]  # fmt: skip
EVERYTHING: list[Property] = [
    *DEFAULTS,
    *((DAV, name) for name in ("getcreated", "iscollection", "isreadonly", "name")),
    (DCACHE, "Checksums"),
    *((SRM, name) for name in ("AccessLatency", "RetentionPolicy", "FileLocality")),
    (DAV, "supported-report-set"),
]


Digests = Callable[[Node], list[str]]
"""Returns the checksums of a file as a listing shows them."""


@dataclass(frozen=True)
class Entry:
    """A node as one response shows it.

    Attributes:
        href: The path, percent-encoded.
    """

    href: str
    name: str
    node: Node
    digests: Digests


def _iso_date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Values = dict[Property, Callable[[Entry], str | None]]
PROPERTIES_OF_ALL: Values = {
    (DAV, "creationdate"): lambda entry: _iso_date(entry.node.created),
    (DAV, "getcreated"): lambda entry: _iso_date(entry.node.created),
    (DAV, "getlastmodified"): lambda entry: formatdate(entry.node.mtime, usegmt=True),
    (DAV, "displayname"): lambda entry: entry.name,
    (DAV, "name"): lambda entry: entry.name,
    (DAV, "resourcetype"): lambda entry: "<d:collection/>" if entry.node.is_directory else None,
    (DAV, "getcontenttype"): lambda entry: (
        "text/html; charset=utf-8" if entry.node.is_directory else guess_content_type(entry.node, entry.name)
    ),
    (DAV, "getcontentlength"): lambda entry: None if entry.node.size is None else str(entry.node.size),
    (DAV, "getetag"): lambda entry: entry.node.etag,
    (DAV, "iscollection"): lambda entry: str(entry.node.is_directory).upper(),
    (DAV, "isreadonly"): lambda entry: str(not entry.node.is_directory).upper(),
    (DAV, "supported-report-set"): lambda _: "",
}
PROPERTIES_OF_FILES: Values = PROPERTIES_OF_ALL | {
    (DCACHE, "Checksums"): lambda entry: ",".join(entry.digests(entry.node)),
    (SRM, "AccessLatency"): lambda _: "ONLINE",
    (SRM, "RetentionPolicy"): lambda _: "REPLICA",
    (SRM, "FileLocality"): lambda entry: entry.node.file_locality,
}


UNENCODED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.*")


def encode_name(name: str) -> str:
    """Return a name for an href: UTF-8, where only letters, digits and `- _ . *` stay unencoded."""
    raw = name.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in UNENCODED else f"%{byte:02X}" for byte in raw)


def escape_text(text: str) -> str:
    """Return a text for an XML element; quotes stay, because ETags have them."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def propfind(request: DoorRequest) -> None:
    """Answer PROPFIND; the whole body is built before its first byte is sent."""
    requested = requested_properties(request.exchange.body())
    node = request.node()
    request.need("LIST" if node.is_directory else "READ_METADATA")
    brief = request.header("Brief") == "t"
    body = multistatus(list(_entries(request, node)), requested, brief)
    headers = [("DAV", "1, 2"), ("Content-Type", "application/xml; charset=utf-8")]
    request.reply_in_chunks(207, headers, body.encode("utf-8", "replace"))


def requested_properties(body: bytes) -> Sequence[Property]:
    """Return the properties that a request body names, in its order; the default ones if it is empty or malformed."""
    properties: list[Property] = []
    depth = 0

    def start(name: str, _: object) -> None:
        nonlocal depth
        depth += 1
        namespace, _, local = name.rpartition(" ")
        if depth == 2 and local == "allprop":
            properties.extend(EVERYTHING)
        elif depth == 3:
            properties.append((namespace, local))

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate(None, " ")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    with contextlib.suppress(expat.ExpatError):
        parser.Parse(body, True)
        return properties or DEFAULTS
    return DEFAULTS


def _entries(request: DoorRequest, node: Node) -> Iterator[Entry]:
    href = request.raw_path.replace("&", "%26")
    if node.is_directory and not href.endswith("/"):
        href += "/"
    name = request.path.rstrip("/").rpartition("/")[2]
    depth = {"0": 0, "1": 1}.get(request.header("Depth") or "", DEFAULT_DEPTH)
    if request.exchange.fault(EmptyListing):
        depth = 0
    yield from _tree(request.site.namespace, Entry(href, name, node, _digests(request)), depth)


def _digests(request: DoorRequest) -> Digests:
    if request.exchange.fault(LateChecksum):
        return lambda _: []
    if request.exchange.fault(WrongDigest):
        return lambda node: [corrupt_digest(format_digest(*pair)) for pair in node.checksums.items()]
    return lambda node: [format_digest(*pair) for pair in node.checksums.items()]


def _tree(namespace: Namespace, entry: Entry, depth: int) -> Iterator[Entry]:
    yield entry
    if not depth or not entry.node.is_directory:
        return
    for name, child in namespace.children(entry.node):
        href = entry.href + encode_name(name) + ("/" if child.is_directory else "")
        yield from _tree(namespace, Entry(href, name, child, entry.digests), depth - 1)


@dataclass(frozen=True)
class _EntryProperties:
    """The properties of one entry, in the order of the response.

    Attributes:
        known: The properties that have a value.
        unknown: The properties that have none.
    """

    href: str
    known: list[tuple[Property, str]]
    unknown: list[Property]


def _properties_of(entry: Entry, requested: Sequence[Property]) -> _EntryProperties:
    has = PROPERTIES_OF_ALL if entry.node.is_directory else PROPERTIES_OF_FILES
    values = [(key, has[key](entry)) for key in requested if key in has]
    known = [(key, value) for key, value in values if value is not None]
    unknown = [key for key in requested if key not in has]
    return _EntryProperties(entry.href, known, unknown + [key for key, value in values if value is None])


def multistatus(entries: Sequence[Entry], requested: Sequence[Property], brief: bool) -> str:
    """Return the body of the response; with `brief` it leaves out the properties without a value."""
    properties = [_properties_of(entry, requested) for entry in entries]
    declared = {namespace for one in properties for (namespace, _), _ in one.known} - set(PREFIXES)
    prefixes = PREFIXES | {namespace: f"ns{number}" for number, namespace in enumerate(sorted(declared), 1)}
    tags = {key: f"{prefixes[key[0]]}:{key[1]}" if key[0] in prefixes else key[1] for key in requested}
    responses = "".join(_response(entry_properties, tags, brief) for entry_properties in properties)
    return f"{multistatus_opening(prefixes)}{responses}</d:multistatus>"


def multistatus_opening(prefixes: dict[str, str]) -> str:
    """Return the first lines of a response, which declare the prefixes of the namespaces."""
    declared = "".join(f' xmlns:{prefix}="{uri}"' for uri, prefix in prefixes.items())
    return f'<?xml version="1.0" encoding="utf-8" ?>\n<d:multistatus{declared}>'


def _response(properties: _EntryProperties, tags: dict[Property, str], brief: bool) -> str:
    known = "".join(f"<{tags[key]}>{_text(key, value)}</{tags[key]}>" for key, value in properties.known)
    unknown = "" if brief else "".join(f"<{tags[key]}/>" for key in properties.unknown)
    propstats = _propstat(known, "200 OK") + _propstat(unknown, "404 Not Found")
    return f"<d:response><d:href>{properties.href}</d:href>{propstats}</d:response>"


def _text(key: Property, value: str) -> str:
    return value if key == (DAV, "resourcetype") else escape_text(value)


def _propstat(elements: str, status: str) -> str:
    if not elements:
        return ""
    return f"<d:propstat><d:prop>{elements}</d:prop><d:status>HTTP/1.1 {status}</d:status></d:propstat>"
