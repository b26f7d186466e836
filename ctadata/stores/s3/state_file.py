"""A small file on this machine that remembers what is known of a server, or the work that has begun there."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctadata.errors import LocalError, StorageFull
from ctadata.http.messages import Origin
from ctadata.paths import user_directory
from ctadata.stores.s3.address import Name
from ctadata.tokens.files import make_private_directory, read_private, write_private


@dataclass(frozen=True, slots=True)
class StateFile:
    """One such file. Only its owner can read it.

    Attributes:
        path: The file.
    """

    path: Path

    @classmethod
    def of(cls, folder: str, origin: Origin, *names: Name) -> StateFile:
        """Return the file in a folder of the state directory about these names at the server of this origin."""
        words = [str(origin), *(word for name in names for word in name)]
        digest = hashlib.sha256(json.dumps(words).encode(errors="surrogateescape")).hexdigest()
        return cls(user_directory("state") / folder / digest[:32])

    def exists(self) -> bool:
        """Return whether there is such a file."""
        return self.path.exists()

    def read(self) -> Mapping[str, Any]:
        """Return what the file holds; nothing if it is missing, damaged or not ours."""
        content = None
        with contextlib.suppress(LocalError, ValueError):
            content = json.loads(read_private(self.path) or "{}")
        return content if isinstance(content, dict) else {}

    def write(self, content: Mapping[str, Any]) -> None:
        """Write the content.

        Raises:
            LocalError: The file cannot be written.
            StorageFull: The disk is full.
        """
        make_private_directory(self.path.parent)
        write_private(self.path, json.dumps(content))

    def try_to_write(self, content: Mapping[str, Any]) -> None:
        """Write the content, if it can be written: without it, a later run only does more."""
        with contextlib.suppress(LocalError, StorageFull):
            self.write(content)

    def delete(self) -> None:
        """Delete the file, if it exists."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
