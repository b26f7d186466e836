"""`/api/v1/tape`: the WLCG Tape REST API as dCache has it (StageResources, ArchiveInfoResources, ReleaseResources)."""

from __future__ import annotations

from typing import Any

from ctadata.sandbox.json_text import pretty
from ctadata.sandbox.login import UID
from ctadata.sandbox.namespace import NamespaceError
from ctadata.sandbox.rest import Call, Problem
from ctadata.sandbox.tape import Recall, Request, Tape

MOST = 500
"""Files of one request (`bulk.limits.max.targets-per-flat-request`)."""
MOST_ASKED = 10_000
"""Paths whose locality is told at once; the rest is left out in silence."""
_LOCALITIES = {"ONLINE": "DISK", "NEARLINE": "TAPE", "ONLINE_AND_NEARLINE": "DISK_AND_TAPE"}


def tape(call: Call) -> None:
    """Answer one request."""
    library = call.site.tape
    if library is None:
        raise Problem(404)
    library.settle()
    match call.method, call.path.strip("/").split("/"):
        case "POST", ["archiveinfo"]:
            _archive_info(call)
        case "POST", ["stage"]:
            _stage(call, library)
        case "GET", ["stage", name]:
            call.reply(200, _status(_find(call, library, name)), written=pretty)
        case "DELETE", ["stage", name]:
            library.forget(_find(call, library, name))
            call.reply(200)
        case "POST", ["stage", name, "cancel"]:
            _cancel(call, library, name)
        case "POST", ["release", _]:
            library.release(_existing(call, _paths(call)))
            call.reply(200)
        case _:
            raise Problem(404)


def _stage(call: Call, library: Tape) -> None:
    asked = call.payload()
    files = asked.pop("files", None)
    if not files:
        raise Problem(400, "request contains no files.")
    if asked:
        raise Problem(400, f"unrecognized payload element(s): {sorted(asked)}")
    if len(files) > MOST:
        raise Problem(413, f"The number of targets {len(files)} exceeds the maximum {MOST}")
    paths = [str(file["path"]) for file in files if "path" in file]
    if len(paths) < len(files):
        raise Problem(400, "file object has no path.")
    for path in paths:
        call.need("STAGE", path)
    request = library.stage(call.login.user, dict.fromkeys(paths))
    where = f"/api/v1/tape/stage/{request.id}"
    call.reply(201, {"requestId": request.id}, (("Location", f"{_origin(call)}{where}"),), pretty)


def _origin(call: Call) -> str:
    return f"https://{call.exchange.request.header('Host')}"


def _find(call: Call, library: Tape, name: str) -> Request:
    request = library.request(name)
    if request is None:
        raise Problem(404, f"request {name} not found")
    if request.owner != call.login.user:
        raise Problem(403)
    return request


def _status(request: Request) -> dict[str, Any]:
    return _known(
        {
            "id": request.id,
            "createdAt": _ms(request.created),
            "startedAt": _ms(request.created),
            "completedAt": _ms(request.completed),
            "files": [_recall(recall) for recall in request.files.values()],
        }
    )


def _recall(recall: Recall) -> dict[str, Any]:
    return _known(
        {
            "path": recall.path,
            "finishedAt": _ms(recall.finished),
            "startedAt": _ms(recall.started),
            "error": recall.error,
            "state": recall.state,
        }
    )


def _known(told: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if value is not None}


def bulk_requests(call: Call) -> None:
    """The stage requests that are not forgotten yet, of all users."""
    if call.method != "GET":
        raise Problem(405)
    requests = call.site.tape.requests if call.site.tape else []
    call.reply(200, [_bulk(call, number, request) for number, request in enumerate(requests, 1)])


def _bulk(call: Call, number: int, request: Request) -> dict[str, Any]:
    ended = request.completed is not None
    return {
        "id": number,
        "url": f"{_origin(call)}/api/v1/tape/stage/{request.id}",
        "owner": f"{UID}:{UID}",
        "activity": "STAGE",
        "status": "COMPLETED" if ended else "STARTED",
        "active": 0 if ended else 1,
    }


def _ms(moment: float | None) -> int | None:
    return None if moment is None else int(moment * 1000)


def _cancel(call: Call, library: Tape, name: str) -> None:
    request = _find(call, library, name)
    try:
        library.cancel(request, _paths(call))
    except KeyError as error:
        raise Problem(400, "File missing from stage request") from error
    call.reply(200)


def _paths(call: Call) -> list[str]:
    paths = call.payload().get("paths")
    if not isinstance(paths, list):
        raise Problem(400, "request had no paths.")
    return [str(path) for path in paths]


def _existing(call: Call, paths: list[str]) -> list[str]:
    for path in paths:
        call.node(path)
    return paths


def _archive_info(call: Call) -> None:
    """Not in the order of the question."""
    told = [_info(call, path) for path in _paths(call)[:MOST_ASKED]]
    call.reply(200, told[::-1])


def _info(call: Call, path: str) -> dict[str, Any]:
    try:
        node = call.site.namespace.find(path)
    except NamespaceError:
        return {"path": path, "error": f"No such file or directory {path}"}
    if node.is_directory:
        return {"path": path, "error": f"{path} is a directory"}
    return {"path": path, "locality": _LOCALITIES.get(node.file_locality, node.file_locality)}
