"""MKCOL, DELETE and MOVE at the door (dcache.md 1.7)."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from ctadata.sandbox.door_request import Denied, DoorRequest, entity_headers
from ctadata.sandbox.faults import EmptyListing
from ctadata.sandbox.namespace import Exists, IsDirectory, NamespaceError, NotFound
from ctadata.sandbox.permissions import within


def mkcol(request: DoorRequest) -> None:
    """Answer MKCOL: 201; 405 if the name is taken; 409 if the parent is missing or a file."""
    request.need("MANAGE")
    try:
        request.site.namespace.mkdir(request.path)
    except (Exists, IsDirectory) as error:
        raise Denied(405) from error
    except NotFound as error:
        raise Denied(409) from error
    request.reply_in_chunks(201)


def delete(request: DoorRequest) -> None:
    """Answer DELETE: 204; a directory goes with all that it holds.

    The door cannot delete what it cannot list.
    """
    if "#" in request.exchange.request.target:
        raise Denied(400)
    node = request.node()
    request.need("DELETE")
    if node.children and request.exchange.fault(EmptyListing):
        raise Denied(500, f"Internal problem: Directory is not empty: {request.path}")
    request.site.namespace.remove(request.path)
    request.reply(204, entity_headers(node))


def move(request: DoorRequest) -> None:
    """Answer MOVE: 201, or 204 if it replaced a target; 412 if there is a target and no `Overwrite: T`."""
    target = unquote(urlsplit(request.header("Destination") or "").path)
    if not target:
        raise Denied(400)
    node = request.node()
    request.need("MANAGE")
    request.need("MANAGE", target)
    if within(target, request.path):
        raise Denied(409)
    replaced = _remove_target(request, target)
    try:
        request.site.namespace.move(request.path, target)
    except NamespaceError as error:
        raise Denied(409) from error
    if replaced:
        request.reply(204, entity_headers(node))
    else:
        request.reply_in_chunks(201, entity_headers(node))


def _remove_target(request: DoorRequest, target: str) -> bool:
    namespace = request.site.namespace
    try:
        namespace.find(target)
    except NotFound:
        return False
    if (request.header("Overwrite") or "F").upper() != "T":
        raise Denied(412)
    request.need("DELETE", target)
    namespace.remove(target)
    return True
