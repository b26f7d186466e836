"""The contents of all panels: those of the storage are ours, all others are jupyter-fs's."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from jupyter_core.utils import ensure_async
from jupyterfs.metamanager import MetaManager

from ctadata.errors import CtadataError
from ctadata.filesystem.locations import PROTOCOLS
from ctadata.jupyter.contents import StorageContents


def _await_twice(name: str) -> Callable[..., Awaitable[Any]]:
    """Return the method of jupyter-fs that hands a call on to the manager of a panel, and wait for the manager too."""
    hand_on = getattr(MetaManager, name)

    async def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await ensure_async(await hand_on(self, *args, **kwargs))

    return call


class PanelContents(MetaManager):
    """The manager of contents that JupyterLab asks; it hands each call on to the manager of a panel."""

    is_hidden = _await_twice("is_hidden")
    dir_exists = _await_twice("dir_exists")
    file_exists = _await_twice("file_exists")
    exists = _await_twice("exists")
    get = _await_twice("get")
    save = _await_twice("save")
    rename = _await_twice("rename")
    delete = _await_twice("delete")
    create_checkpoint = _await_twice("create_checkpoint")
    list_checkpoints = _await_twice("list_checkpoints")
    restore_checkpoint = _await_twice("restore_checkpoint")
    delete_checkpoint = _await_twice("delete_checkpoint")

    def initResource(self, *resources: dict[str, Any], options: dict[str, Any] | None = None) -> list[dict[str, Any]]:  # noqa: N802  (jupyter-fs calls it)
        """Open the panels of these resources, and return them with what the browser needs to know.

        No request is sent for a panel of the storage: it appears without a login too, and says so when it is opened.

        Args:
            resources: Dictionaries with `name` and `url`, as jupyter-fs takes them.
            options: `cache`: whether panels that are open already stay as they are.
        """
        known = dict(self._managers)
        others = [resource for resource in resources if not _is_ours(resource)]
        opened = super().initResource(*others, options=options or {})
        ours = [self._open(resource, known) for resource in resources if _is_ours(resource)]
        self.resources = [*ours, *opened]
        return self.resources

    def _open(self, resource: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
        url, writable = resource["url"], bool(resource.get("defaultWritable", True))
        drive = hashlib.sha256(f"{url} {writable}".encode()).hexdigest()[:8]
        told = {"name": url, "type": "fsspec", "auth": "none", **resource, "drive": drive, "missingTokens": []}
        try:
            self._managers[drive] = known.get(drive) or StorageContents(url, is_writable=writable, parent=self)
        except CtadataError as error:
            self.log.exception("the panel %s cannot be opened", told["name"])
            return {**told, "init": False, "errors": [str(error)]}
        return {**told, "init": True, "errors": []}


def _is_ours(resource: dict[str, Any]) -> bool:
    return resource["url"].partition(":")[0] in PROTOCOLS
