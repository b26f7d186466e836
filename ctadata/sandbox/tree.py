"""MKCOL, DELETE and MOVE at the door (dcache.md 1.7)."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from ctadata.sandbox.door_request import Denied, DoorRequest, entity
from ctadata.sandbox.faults import EmptyListing
from ctadata.sandbox.namespace import Exists, IsDirectory, NamespaceError, NotFound
from ctadata.sandbox.permissions import within


def mkcol(visit: DoorRequest) -> None:
    """201; 405 where something is, 409 where the parent is missing or a file."""
    visit.need("MANAGE")
    try:
        visit.site.namespace.mkdir(visit.path)
    except (Exists, IsDirectory) as error:
        raise Denied(405) from error
    except NotFound as error:
        raise Denied(409) from error
    visit.reply_in_chunks(201)


def delete(visit: DoorRequest) -> None:
    """204; a directory goes with everything in it, as far as the door can list it: what it cannot, it cannot delete."""
    if "#" in visit.exchange.request.target:
        raise Denied(400)
    node = visit.node()
    visit.need("DELETE")
    if node.children and visit.exchange.fault(EmptyListing):
        raise Denied(500, f"Internal problem: Directory is not empty: {visit.path}")
    visit.site.namespace.remove(visit.path)
    visit.reply(204, entity(node))


def move(visit: DoorRequest) -> None:
    """201, or 204 where an old target was deleted first; 412 where there is one and no `Overwrite: T`."""
    target = unquote(urlsplit(visit.header("Destination") or "").path)
    if not target:
        raise Denied(400)
    node = visit.node()
    visit.need("MANAGE")
    visit.need("MANAGE", target)
    if within(target, visit.path):
        raise Denied(409)
    replaced = _make_room(visit, target)
    try:
        visit.site.namespace.move(visit.path, target)
    except NamespaceError as error:
        raise Denied(409) from error
    if replaced:
        visit.reply(204, entity(node))
    else:
        visit.reply_in_chunks(201, entity(node))


def _make_room(visit: DoorRequest, target: str) -> bool:
    namespace = visit.site.namespace
    try:
        namespace.find(target)
    except NotFound:
        return False
    if (visit.header("Overwrite") or "F").upper() != "T":
        raise Denied(412)
    visit.need("DELETE", target)
    namespace.remove(target)
    return True
