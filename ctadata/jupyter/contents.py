"""The contents of one panel: list, open, save, upload, rename and delete at the storage, as JupyterLab asks for it.

jupyter-fs has a manager of its own for fsspec. It keeps only the last piece of an upload of more than 1 MiB; decision
175 has the other reasons against it.
"""

from __future__ import annotations

import asyncio
import binascii
import json
import mimetypes
from base64 import b64decode, encodebytes
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import nbformat
from fsspec.core import url_to_fs
from jupyter_server.services.contents.manager import AsyncContentsManager
from tornado.web import HTTPError
from traitlets import Integer, TraitType, default

from ctadata.errors import (
    AccessError,
    AlreadyExists,
    CtadataError,
    NeedsStaging,
    NotFound,
    StorageFull,
    TemporaryError,
    TimedOut,
    Unsupported,
    UsageError,
)
from ctadata.jupyter.checkpoints import NoCheckpoints
from ctadata.jupyter.pieces import UploadsInPieces

STATUSES: tuple[tuple[type[CtadataError], int], ...] = (
    (NotFound, 404),
    (AccessError, 403),
    (AlreadyExists, 409),
    (Unsupported, 400),
    (UsageError, 400),
    (NeedsStaging, 503),
    (StorageFull, 507),
    (TimedOut, 504),
    (TemporaryError, 502),
    (CtadataError, 500),
)
"""The status of each error; the text of the error is its message, which JupyterLab shows."""

BEGINNING = datetime.fromtimestamp(0, UTC)
"""The time of what the storage keeps no time of."""

Model = dict[str, Any]


class StorageContents(AsyncContentsManager):
    """The files below one URL.

    Paths are those of Jupyter's contents API: `/` separates their parts, and the empty path is the URL itself. Each
    call runs on a thread of its own, so that kernels and other panels do not wait for the storage.
    """

    largest_file: TraitType[Any, int] = Integer(
        64 << 20, config=True, help="bytes of the largest file that the panel opens or downloads through the browser"
    )

    def __init__(self, url: str, *, is_writable: bool = True, **kwargs: Any) -> None:
        """Open nothing yet.

        Args:
            url: A URL of the filesystem, such as `cta:///` or `cta://dev/lst`.
            is_writable: Whether the panel may change anything.
            kwargs: `parent`, from which the configuration comes.

        Raises:
            UsageError: The URL cannot be used.
        """
        super().__init__(**kwargs)
        self._fs, self._top = url_to_fs(url)
        self._is_writable = is_writable
        self._uploads = UploadsInPieces(self._fs)

    @default("checkpoints_class")
    def _default_checkpoints_class(self) -> type[NoCheckpoints]:
        return NoCheckpoints

    # Looking

    async def is_hidden(self, path: str) -> bool:
        """Return whether a part of the path begins with a dot; no request is sent."""
        return any(part.startswith(".") for part in path.split("/"))

    async def dir_exists(self, path: str) -> bool:
        """Return whether a directory is there."""
        return bool(await self._run(self._fs.isdir, self._remote(path)))

    async def file_exists(self, path: str) -> bool:
        """Return whether a file is there."""
        return bool(await self._run(self._fs.isfile, self._remote(path)))

    async def exists(self, path: str) -> bool:
        """Return whether anything is there."""
        return bool(await self._run(self._fs.exists, self._remote(path)))

    async def get(
        self,
        path: str,
        content: bool = True,
        type: str | None = None,
        format: str | None = None,
        require_hash: bool = False,
    ) -> Model:
        """Return what is known of a file or directory, and its content.

        Args:
            path: Its path.
            content: Whether to read the file, or list the directory.
            type: `file`, `notebook` or `directory`, if only this will do.
            format: `text` or `base64` for the content of a file; None for text if it is UTF-8.
            require_hash: Whether a text is wanted that is another one for each version of the file.

        Raises:
            HTTPError: 404 for what is not there, 413 for a file that is too large for the browser, and as `STATUSES`.
        """
        path = path.strip("/")
        model: Model = await self._run(self._get, path, bool(content), type, format, bool(require_hash))
        if content and model["type"] == "notebook":
            self.mark_trusted_cells(model["content"], path)  # not on another thread: its database refuses that
        return model

    def _get(self, path: str, content: bool, kind: str | None, form: str | None, require_hash: bool) -> Model:
        info = self._fs.info(self._remote(path))
        model = self._model(path, info)
        if kind is not None and (kind == "directory") != (model["type"] == "directory"):
            raise HTTPError(400, f"{path} is a {model['type']}, and no {kind}", reason="bad type")
        if model["type"] == "notebook" and kind == "file":
            model["type"] = "file"
        if require_hash:
            model |= {"hash": self._version(info), "hash_algorithm": "version"}
        if content:
            model |= self._content(path, info, model["type"], form)
        return model

    def _model(self, path: str, info: dict[str, Any]) -> Model:
        """Return the model of a file or directory without its content."""
        name = path.rpartition("/")[2]
        kind = "directory" if info["type"] == "directory" else "notebook" if name.endswith(".ipynb") else "file"
        mtime = datetime.fromtimestamp(info["mtime"], UTC) if "mtime" in info else BEGINNING
        return {
            "name": name,
            "path": f"/{path}" if path else "",
            "type": kind,
            "size": None if kind == "directory" else info["size"],
            "created": mtime,
            "last_modified": mtime,
            "mimetype": mimetypes.guess_type(name)[0] if kind == "file" else None,
            "writable": self._is_writable,
            "content": None,
            "format": None,
        }

    def _content(self, path: str, info: dict[str, Any], kind: str, form: str | None) -> Model:
        if kind == "directory":
            return {"content": self._list(path), "format": "json"}
        size = info["size"] or 0
        if size > self.largest_file:
            raise HTTPError(
                413,
                f"{path} has {size / 1e6:.0f} MB, which is too much for the browser. In a notebook, direct.open reads "
                "the parts that are wanted; in a terminal, cta-data-direct get downloads it.",
            )
        data = self._fs.cat_file(self._remote(path))
        if kind == "notebook":
            return {"content": _read_notebook(path, data), "format": "json"}
        return _encode(path, data, form)

    def _list(self, path: str) -> list[Model]:
        found = []
        for info in self._fs.ls(self._remote(path), detail=True):
            name = info["name"].rpartition("/")[2]
            if self.should_list(name) and (self.allow_hidden or not name.startswith(".")):
                found.append(self._model(f"{path}/{name}".lstrip("/"), info))
        return found

    def _version(self, info: dict[str, Any]) -> str:
        return str(info.get("ETag") or [info.get("mtime"), info.get("size")])

    # Changing

    async def save(self, model: Model, path: str = "") -> Model:
        """Write a file, a notebook, a piece of a large upload, or make a directory; return the model without content.

        A file appears when it is whole and verified; what had the name before stays if the upload fails.

        Raises:
            HTTPError: 400 for a model that is not complete, 403 for a panel that may not write, and as `STATUSES`.
        """
        path = path.strip("/")
        self._refuse_unless_writable()
        piece = model.get("chunk")
        if piece in (None, 1):
            self.run_pre_save_hooks(model=model, path=path)
        if model.get("type") == "directory":
            await self._run(self._fs.makedirs, self._remote(path), True)
        elif model.get("type") not in ("file", "notebook") or "content" not in model:
            raise HTTPError(400, "the type or the content of the file is missing")
        elif piece is not None:
            size = await self._run(self._uploads.add, self._remote(path), piece, _decode(model))
            if size is not None:
                return self._model(path, {"type": "file", "size": size})
        else:
            await self._run(self._fs.pipe_file, self._remote(path), self._bytes(model, path))
        self.emit(data={"action": "save", "path": path})
        saved = await self.get(path, content=False, require_hash=True)
        if "message" in model:  # what the validation of a notebook found
            saved["message"] = model["message"]
        return saved

    def _bytes(self, model: Model, path: str) -> bytes:
        if model["type"] == "file":
            return _decode(model)
        notebook = nbformat.from_dict(model["content"])
        self.check_and_sign(notebook, path)
        self.validate_notebook_model(model)
        return str(nbformat.writes(notebook, version=nbformat.NO_CONVERT)).encode()

    async def delete_file(self, path: str) -> None:
        """Delete a file, or an empty directory."""
        self._refuse_unless_writable()
        await self._run(self._delete, self._remote(path.strip("/")))

    def _delete(self, remote: str) -> None:
        if self._fs.isdir(remote):
            self._fs.rmdir(remote)
        else:
            self._fs.rm_file(remote)

    async def rename_file(self, old_path: str, new_path: str) -> None:
        """Rename a file or a directory. HTTPError 409 if the new name is taken."""
        self._refuse_unless_writable()
        old, new = self._remote(old_path.strip("/")), self._remote(new_path.strip("/"))
        if old != new:
            await self._run(self._fs.mv, old, new, recursive=True, mode="create")

    def _refuse_unless_writable(self) -> None:
        if not self._is_writable:
            raise HTTPError(403, "this panel only shows files: its resource says defaultWritable: false")

    # What all need

    def _remote(self, path: str) -> str:
        """Return the path at the storage."""
        return f"{self._top.rstrip('/')}/{path.strip('/')}".rstrip("/") or "/"

    async def _run(self, work: Callable[..., Any], *args: Any, **how: Any) -> Any:
        """Return what `work` returns on a thread of its own; its errors become those that JupyterLab shows."""
        try:
            return await asyncio.to_thread(work, *args, **how)
        except CtadataError as error:
            status = next(status for kind, status in STATUSES if isinstance(error, kind))
            raise HTTPError(status, str(error).replace("%", "%%")) from error


def _read_notebook(path: str, data: bytes) -> Any:
    try:
        return nbformat.reads(data.decode(), as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise HTTPError(400, f"{path} is no notebook: {error}") from error


def _encode(path: str, data: bytes, form: str | None) -> Model:
    """Return the content of a file as text, or if it is no text, as base64."""
    if form != "base64":
        try:
            return {"content": data.decode(), "format": "text"}
        except UnicodeDecodeError as error:
            if form == "text":
                raise HTTPError(400, f"{path} is not UTF-8 encoded", reason="bad format") from error
    return {"content": encodebytes(data).decode("ascii"), "format": "base64"}


def _decode(model: Model) -> bytes:
    """Return the bytes of a file that the browser sends as text or base64."""
    match model.get("format"):
        case "text":
            return str(model["content"]).encode()
        case "base64":
            try:
                return b64decode(model["content"])
            except (binascii.Error, ValueError) as error:
                raise HTTPError(400, f"the content is not base64: {error}") from error
        case "json":
            return json.dumps(model["content"]).encode()
    raise HTTPError(400, "the format of the content must be text or base64")
