"""`/api/v1/tape`: the WLCG Tape REST API of dCache (StageResources, ArchiveInfoResources, ReleaseResources)."""

from __future__ import annotations

from typing import Any

from ctadata.sandbox.json_text import dump_pretty
from ctadata.sandbox.login import UID
from ctadata.sandbox.namespace import NamespaceError
from ctadata.sandbox.rest import RestError, RestRequest
from ctadata.sandbox.tape import Recall, StageRequest, Tape

MAX_FILES = 500
"""Files of one stage request (`bulk.limits.max.targets-per-flat-request`)."""
MAX_PATHS = 10_000
"""Paths of one question about localities; the frontend silently ignores the others."""
_LOCALITIES = {"ONLINE": "DISK", "NEARLINE": "TAPE", "ONLINE_AND_NEARLINE": "DISK_AND_TAPE"}


def tape(call: RestRequest) -> None:
    """Answer one request."""
    library = call.site.tape
    if library is None:
        raise RestError(404)
    library.finish_due()
    match call.method, call.path.strip("/").split("/"):
        case "POST", ["archiveinfo"]:
            _archive_info(call)
        case "POST", ["stage"]:
            _stage(call, library)
        case "GET", ["stage", name]:
            call.reply(200, _status(_find(call, library, name)), written=dump_pretty)
        case "DELETE", ["stage", name]:
            library.forget(_find(call, library, name))
            call.reply(200)
        case "POST", ["stage", name, "cancel"]:
            _cancel(call, library, name)
        case "POST", ["release", _]:
            library.release(_existing(call, _paths(call)))
            call.reply(200)
        case _:
            raise RestError(404)


def _stage(call: RestRequest, library: Tape) -> None:
    payload = call.payload()
    files = payload.pop("files", None)
    if not files:
        raise RestError(400, "request contains no files.")
    if payload:
        raise RestError(400, f"unrecognized payload element(s): {sorted(payload)}")
    if len(files) > MAX_FILES:
        raise RestError(413, f"The number of targets {len(files)} exceeds the maximum {MAX_FILES}")
    paths = [str(file["path"]) for file in files if "path" in file]
    if len(paths) < len(files):
        raise RestError(400, "file object has no path.")
    for path in paths:
        call.need("STAGE", path)
    request = library.stage(call.login.user, dict.fromkeys(paths))
    where = f"/api/v1/tape/stage/{request.id}"
    call.reply(201, {"requestId": request.id}, (("Location", f"{_origin(call)}{where}"),), dump_pretty)


def _origin(call: RestRequest) -> str:
    return f"https://{call.exchange.request.header('Host')}"


def _find(call: RestRequest, library: Tape, name: str) -> StageRequest:
    request = library.request(name)
    if request is None:
        raise RestError(404, f"request {name} not found")
    if request.owner != call.login.user:
        raise RestError(403)
    return request


def _status(request: StageRequest) -> dict[str, Any]:
    return _without_none(
        {
            "id": request.id,
            "createdAt": _ms(request.created),
            "startedAt": _ms(request.created),
            "completedAt": _ms(request.completed),
            "files": [_recall(recall) for recall in request.files.values()],
        }
    )


def _recall(recall: Recall) -> dict[str, Any]:
    return _without_none(
        {
            "path": recall.path,
            "finishedAt": _ms(recall.finished),
            "startedAt": _ms(recall.started),
            "error": recall.error,
            "state": recall.state,
        }
    )


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def list_bulk_requests(call: RestRequest) -> None:
    """Answer with the remembered stage requests of all users."""
    if call.method != "GET":
        raise RestError(405)
    requests = call.site.tape.requests if call.site.tape else []
    call.reply(200, [_bulk(call, number, request) for number, request in enumerate(requests, 1)])


def _bulk(call: RestRequest, number: int, request: StageRequest) -> dict[str, Any]:
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


def _cancel(call: RestRequest, library: Tape, name: str) -> None:
    request = _find(call, library, name)
    try:
        library.cancel(request, _paths(call))
    except KeyError as error:
        raise RestError(400, "File missing from stage request") from error
    call.reply(200)


def _paths(call: RestRequest) -> list[str]:
    paths = call.payload().get("paths")
    if not isinstance(paths, list):
        raise RestError(400, "request had no paths.")
    return [str(path) for path in paths]


def _existing(call: RestRequest, paths: list[str]) -> list[str]:
    for path in paths:
        call.node(path)
    return paths


def _archive_info(call: RestRequest) -> None:
    """Answer with the localities of paths, in another order than the request."""
    fields = [_info(call, path) for path in _paths(call)[:MAX_PATHS]]
    call.reply(200, fields[::-1])


def _info(call: RestRequest, path: str) -> dict[str, Any]:
    try:
        node = call.site.namespace.find(path)
    except NamespaceError:
        return {"path": path, "error": f"No such file or directory {path}"}
    if node.is_directory:
        return {"path": path, "error": f"{path} is a directory"}
    return {"path": path, "locality": _LOCALITIES.get(node.file_locality, node.file_locality)}
