"""Checkpoints, which the panel of the storage does not keep."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.contents.checkpoints import AsyncCheckpoints


class NoCheckpoints(AsyncCheckpoints):
    """JupyterLab asks for a checkpoint after each save. The storage keeps none: each would be a second upload."""

    async def create_checkpoint(self, contents_mgr: Any, path: str) -> dict[str, str]:
        """Return a checkpoint without content."""
        return {"id": "none", "last_modified": "1970-01-01T00:00:00Z"}

    async def restore_checkpoint(self, contents_mgr: Any, checkpoint_id: str, path: str) -> None:
        """Leave the file as it is."""

    async def rename_checkpoint(self, checkpoint_id: str, old_path: str, new_path: str) -> None:
        """Do nothing."""

    async def delete_checkpoint(self, checkpoint_id: str, path: str) -> None:
        """Do nothing."""

    async def list_checkpoints(self, path: str) -> list[dict[str, str]]:
        """Return none, so JupyterLab offers no earlier version."""
        return []
