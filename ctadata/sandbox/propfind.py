"""PROPFIND: 207 Multi-status as the door's WebDAV library writes it (dcache.md 1.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from xml.parsers import expat

from ctadata.sandbox.checksums import written
from ctadata.sandbox.faults import EmptyListing, LateChecksum
from ctadata.sandbox.namespace import Namespace, Node
from ctadata.sandbox.visit import Denied, Visit, content_type

DAV = "DAV:"
DCACHE = "http://www.dcache.org/2013/webdav"
SRM = "http://srm.lbl.gov/StorageResourceManager"
PREFIXES = {
    DAV: "d",
    "urn:ietf:params:xml:ns:caldav": "cal",
    "http://calendarserver.org/ns/": "cs",
    "urn:ietf:params:xml:ns:carddav": "card",
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
]


@dataclass(frozen=True)
class Entry:
    """A node as one response shows it. `href` is encoded."""

    href: str
    name: str
    node: Node
    checksums: bool = True


def _when(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _checksums(entry: Entry) -> str | None:
    known = entry.node.checksums if entry.checksums else {}
    return ",".join(written(name, digest) for name, digest in known.items()) or None


def _of_file(value: Callable[[Entry], str | None]) -> Callable[[Entry], str | None]:
    return lambda entry: None if entry.node.is_directory else value(entry)


VALUES: dict[Property, Callable[[Entry], str | None]] = {
    (DAV, "creationdate"): lambda entry: _when(entry.node.created),
    (DAV, "getcreated"): lambda entry: _when(entry.node.created),
    (DAV, "getlastmodified"): lambda entry: formatdate(entry.node.mtime, usegmt=True),
    (DAV, "displayname"): lambda entry: entry.name,
    (DAV, "name"): lambda entry: entry.name,
    (DAV, "resourcetype"): lambda entry: "<d:collection/>" if entry.node.is_directory else None,
    (DAV, "getcontenttype"): _of_file(lambda entry: content_type(entry.node, entry.name)),
    (DAV, "getcontentlength"): lambda entry: None if entry.node.size is None else str(entry.node.size),
    (DAV, "getetag"): lambda entry: entry.node.etag,
    (DAV, "iscollection"): lambda entry: str(entry.node.is_directory).upper(),
    (DAV, "isreadonly"): lambda entry: str(not entry.node.is_directory).upper(),
    (DCACHE, "Checksums"): _of_file(_checksums),
    (SRM, "AccessLatency"): _of_file(lambda entry: "ONLINE"),
    (SRM, "RetentionPolicy"): _of_file(lambda entry: "REPLICA"),
    (SRM, "FileLocality"): _of_file(lambda entry: entry.node.file_locality),
}


def percent_encoded(name: str) -> str:
    """A name in an href: UTF-8, only letters, digits and `- _ . *` stay bare."""
    return "".join(
        chr(byte) if (chr(byte).isalnum() and byte < 128) or chr(byte) in "-_.*" else f"%{byte:02X}"
        for byte in name.encode("utf-8", "surrogateescape")
    )


def escaped(text: str) -> str:
    """Text in an element; quotes stay, because ETags have them."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def propfind(visit: Visit) -> None:
    """Answer PROPFIND; the whole body is made before its first byte is sent."""
    wanted = asked_properties(visit.exchange.body())
    visit.node()
    visit.need("LIST" if visit.node().is_directory else "READ_METADATA")
    brief = visit.header("Brief") == "t"
    body = multistatus(list(_entries(visit)), wanted, brief)
    headers = [("DAV", "1, 2"), ("Content-Type", "text/xml; charset=UTF-8")]
    visit.reply(207, headers, body.encode("utf-8", "replace"))


def asked_properties(body: bytes) -> Sequence[Property]:
    """The properties a request body names, in its order; the usual seven where it is empty. Denied 400."""
    if not body.strip():
        return DEFAULTS
    found: list[Property] = []
    depth = 0

    def start(name: str, _: object) -> None:
        nonlocal depth
        depth += 1
        namespace, _, local = name.rpartition(" ")
        if depth == 2 and local == "allprop":
            found.extend(EVERYTHING)
        elif depth == 3:
            found.append((namespace, local))

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise Denied(400, f"Malformed request body: {error}") from error
    return found or DEFAULTS


def _entries(visit: Visit) -> Iterator[Entry]:
    node = visit.node()
    href = visit.exchange.request.raw_path.replace("&", "%26")
    if node.is_directory and not href.endswith("/"):
        href += "/"
    name = visit.path.rstrip("/").rpartition("/")[2]
    depth = {"0": 0, "1": 1}.get(visit.header("Depth") or "", DEFAULT_DEPTH)
    if visit.exchange.fault(EmptyListing):
        depth = 0
    known = visit.exchange.fault(LateChecksum) is None
    yield from _tree(visit.site.namespace, Entry(href, name, node, known), depth)


def _tree(namespace: Namespace, entry: Entry, depth: int) -> Iterator[Entry]:
    yield entry
    if not depth or not entry.node.is_directory:
        return
    for name, child in namespace.children(entry.node):
        href = entry.href + percent_encoded(name) + ("/" if child.is_directory else "")
        yield from _tree(namespace, Entry(href, name, child, entry.checksums), depth - 1)


def multistatus(entries: Sequence[Entry], wanted: Sequence[Property], brief: bool) -> str:
    """The body of the answer; `brief` leaves out what was not found."""
    prefixes = dict(PREFIXES)
    for namespace, _ in wanted:
        prefixes.setdefault(namespace, f"ns{len(prefixes) - len(PREFIXES) + 1}")
    declared = "".join(f' xmlns:{prefix}="{escaped(uri)}"' for uri, prefix in prefixes.items())
    responses = "".join(_response(entry, wanted, prefixes, brief) for entry in entries)
    head = '<?xml version="1.0" encoding="utf-8" ?>\n'
    return f"{head}<d:multistatus{declared}>\n{responses}</d:multistatus>\n"


def _response(entry: Entry, wanted: Sequence[Property], prefixes: dict[str, str], brief: bool) -> str:
    known, unknown = [], []
    for namespace, local in wanted:
        tag = f"{prefixes[namespace]}:{local}"
        value = VALUES.get((namespace, local), lambda _: None)(entry)
        if value is None:
            unknown.append(f"<{tag}/>\n")
        else:
            text = value if local == "resourcetype" else escaped(value)
            known.append(f"<{tag}>{text}</{tag}>\n")
    found = _propstat(known, "200 OK") if known else ""
    missing = _propstat(unknown, "404 Not Found") if unknown and not brief else ""
    return f"<d:response>\n<d:href>{escaped(entry.href)}</d:href>\n{found}{missing}</d:response>\n"


def _propstat(elements: Sequence[str], status: str) -> str:
    inside = "".join(elements)
    return (
        f"<d:propstat>\n<d:prop>\n{inside}</d:prop>\n<d:status>HTTP/1.1 {status}</d:status>\n</d:propstat>\n"
    )
