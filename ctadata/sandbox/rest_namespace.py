"""`/api/v1/namespace`: describes an entry, lists a directory page by page, and changes entries (FileResources)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from ctadata.sandbox.door_request import guess_content_type
from ctadata.sandbox.json_text import dump_pretty
from ctadata.sandbox.namespace import Exists, NamespaceError, Node
from ctadata.sandbox.rest import RestError, RestRequest

FOLDER_TYPE = "application/vnd.dcache.folder"
NO_QOS_ENGINE = (
    "NoRouteToCell[Failed to deliver QoSRequirementsModifiedMessage message <1:1> to [>qos-engine@local]: Route for"
    " >qos-engine@local< not found at >dCacheDomain<]"
)
QUALITIES = ("disk", "tape", "disk+tape", "volatile")
_TYPES = {"adler32": "ADLER32", "md5": "MD5_TYPE", "sha": "SHA1", "sha-256": "SHA256", "sha-512": "SHA512"}


def namespace(call: RestRequest) -> None:
    """Answer one request."""
    methods = {"GET": _get, "POST": _post, "DELETE": _delete}
    if call.method not in methods:
        raise RestError(405)
    methods[call.method](call)


def _get(call: RestRequest) -> None:
    call.need("READ_METADATA")
    node = call.node()
    name = call.path.rstrip("/").rpartition("/")[2]
    attributes = _attributes(call, name, node)
    if call.flag("children") and node.children is not None:
        call.need("LIST")
        children = [{"fileName": name, **_attributes(call, name, child)} for name, child in _page(call, node)]
        attributes = {"fileMimeType": attributes["fileMimeType"], "children": children, **attributes}
    call.reply(200, attributes, written=dump_pretty)


def _page(call: RestRequest, node: Node) -> list[tuple[str, Node]]:
    first, limit = call.number("offset") or 0, call.number("limit")
    children = call.site.namespace.children(node)
    return children[first : None if limit is None else first + limit]


def _attributes(call: RestRequest, name: str, node: Node) -> dict[str, Any]:
    """Return the attributes of an entry that the query asks for and that are known."""
    folder, children = node.is_directory, (node.children or {}).values()
    checksums = [{"type": _TYPES[name], "value": raw.hex()} for name, raw in node.checksums.items()]
    attributes: dict[str, Any] = {
        "fileMimeType": FOLDER_TYPE if folder else guess_content_type(node, name) or "application/octet-stream",
        "fileLocality": node.file_locality if call.flag("locality") and not folder else None,
        "currentQos": _quality(node) if call.flag("qos") else None,
        "labels": sorted(node.labels),
        "mode": 0o755 if folder else 0o644,
        "size": 512 if folder else node.size,
        "creationTime": int(node.created * 1000),
        "nlink": 2 + sum(child.is_directory for child in children) if folder else 1,
        "pnfsId": node.pnfsid,
        "fileType": "DIR" if folder else "REGULAR",
        "checksums": checksums if call.flag("checksum") else None,
        "extendedAttributes": dict(node.xattrs) if call.flag("xattr") else None,
        "mtime": int(node.mtime * 1000),
    }
    return {key: value for key, value in attributes.items() if value is not None}


def _quality(node: Node) -> str:
    return {"NEARLINE": "tape", "ONLINE_AND_NEARLINE": "disk+tape"}.get(node.locality or "", node.qos)


def _post(call: RestRequest) -> None:
    payload = call.payload()
    action = _ACTIONS.get(str(payload.get("action")))
    if action is None:
        raise RestError(400, f"No such action {payload.get('action')}")
    try:
        action(call, payload)
    except (KeyError, TypeError) as error:
        raise RestError(400, f"JSONObject[{error}] not found.") from error
    call.success(201)


def _mkdir(call: RestRequest, payload: dict[str, Any]) -> None:
    call.need("MANAGE")
    try:
        call.site.namespace.mkdir(f"{call.path}/{payload['name']}")
    except Exists as error:
        raise RestError(400, f"File exists: {call.path.rstrip('/')}/{payload['name']}") from error
    except NamespaceError as error:
        raise RestError(404) from error


def _move(call: RestRequest, payload: dict[str, Any]) -> None:
    """Rename an entry, and replace an existing destination; a relative one starts at the source's directory."""
    destination = payload["destination"]
    target = destination if destination.startswith("/") else f"{call.path.rpartition('/')[0]}/{destination}"
    call.need("MANAGE")
    call.need("MANAGE", target)
    call.node()
    with contextlib.suppress(NamespaceError):
        call.site.namespace.remove(target)
    try:
        call.site.namespace.move(call.path, target)
    except NamespaceError as error:
        raise RestError(404) from error


def _set_quality(call: RestRequest, payload: dict[str, Any]) -> None:
    call.need("UPDATE_METADATA")
    node, target = call.node(), payload["target"]
    if node.is_directory:
        raise RestError(400, "Transition for directories not supported")
    if target not in QUALITIES:
        raise RestError(400, f"Unknown target QoS: {target}")
    if not call.site.qos_engine:
        raise RestError(500, NO_QOS_ENGINE)
    node.qos = target
    node.locality = {"tape": "NEARLINE", "disk+tape": "ONLINE_AND_NEARLINE"}.get(target)


def _set_label(call: RestRequest, payload: dict[str, Any]) -> None:
    call.need("UPDATE_METADATA")
    node = call.node()
    if payload["label"] not in node.labels:
        node.labels.append(payload["label"])


def _remove_label(call: RestRequest, payload: dict[str, Any]) -> None:
    call.need("UPDATE_METADATA")
    node = call.node()
    if payload["label"] not in node.labels:
        raise RestError(400, f"No such label {payload['label']}")
    node.labels.remove(payload["label"])


def _set_attributes(call: RestRequest, payload: dict[str, Any]) -> None:
    call.need("UPDATE_METADATA")
    node, attributes = call.node(), dict(payload["attributes"])
    known, mode = set(attributes) & set(node.xattrs), payload.get("mode", "EITHER")
    if mode == "CREATE" and known:
        raise RestError(409, "Attribute already exist", "Attribute already exist")
    if mode == "MODIFY" and len(known) < len(attributes):
        raise _no_attribute()
    node.xattrs |= {str(name): str(value) for name, value in attributes.items()}


def _no_attribute() -> RestError:
    return RestError(409, "No such attribute", "No such attribute")


def _remove_attributes(call: RestRequest, payload: dict[str, Any]) -> None:
    call.need("UPDATE_METADATA")
    node, names = call.node(), payload["names"]
    for name in [names] if isinstance(names, str) else names:
        if name not in node.xattrs:
            raise _no_attribute()
        del node.xattrs[name]


def _accept(call: RestRequest, payload: dict[str, Any]) -> None:  # noqa: ARG001
    """Accept `pin` and `unpin`, which dCache sends off without waiting for the result."""
    call.need("UPDATE_METADATA")
    call.node()


_ACTIONS: dict[str, Callable[[RestRequest, dict[str, Any]], None]] = {
    "mkdir": _mkdir,
    "mv": _move,
    "qos": _set_quality,
    "set-label": _set_label,
    "rm-label": _remove_label,
    "set-xattr": _set_attributes,
    "rm-xattr": _remove_attributes,
    "pin": _accept,
    "unpin": _accept,
}


def _delete(call: RestRequest) -> None:
    """Delete a file or an empty directory."""
    call.need("DELETE")
    try:
        node = call.site.namespace.find(call.path)
    except NamespaceError as error:
        raise RestError(404, f"No such file or directory: {call.path}") from error
    if node.children:
        raise RestError(400, f"Directory is not empty: {call.path}")
    call.site.namespace.remove(call.path)
    call.success(200)
