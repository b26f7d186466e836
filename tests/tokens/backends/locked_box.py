"""A keyring for the tests, which other processes share: its entries are files; chosen by PYTHON_KEYRING_BACKEND."""

import hashlib
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError


class LockedBox(KeyringBackend):
    """Kept in the folder of LOCKED_BOX; a file `locked` there locks it, one `forgetful` loses what it is given."""

    priority = 1

    def _path(self, service, username):
        folder = Path(os.environ["HOME"]) / "box"
        if (folder / "locked").exists():
            raise KeyringLocked("somebody has to unlock it")
        folder.mkdir(exist_ok=True)
        return folder / hashlib.sha256(f"{service} {username}".encode()).hexdigest()

    def get_password(self, service, username):
        path = self._path(service, username)
        return path.read_text() if path.exists() else None

    def set_password(self, service, username, password):
        path = self._path(service, username)
        if not (path.parent / "forgetful").exists():
            path.write_text(password)

    def delete_password(self, service, username):
        path = self._path(service, username)
        if not path.exists():
            raise PasswordDeleteError("there is none")
        path.unlink()
