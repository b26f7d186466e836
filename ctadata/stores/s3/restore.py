"""Restore archived objects (storage classes GLACIER and DEEP_ARCHIVE), in the form of dCache's tape interface.

A restore puts a copy that can be read beside the archived object, for some days (Amazon S3 API Reference,
RestoreObject). S3 has no requests for many objects, so a file on this machine keeps the paths of each request.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from ctadata.errors import CtadataError, NotFound, Unsupported
from ctadata.paths import RemotePath, user_directory
from ctadata.stores.base import Store
from ctadata.stores.recalls import Recall
from ctadata.stores.s3.store import S3Store
from ctadata.tokens.files import make_private_directory, read_private, write_private

DAYS = 7
"""The days that a restored copy stays if the user does not say."""

_DAY = 86400.0
_ID = re.compile("s3-[0-9a-f]{16}")


class Restores:
    """Restores objects of a store; see `Recalls`."""

    def __init__(self, store: S3Store) -> None:
        """Keep the store; no request is sent."""
        self._store = store

    def stage(self, paths: Sequence[RemotePath], *, lifetime: float | None = None) -> str:
        """Ask for the restore of each object; a restore that is under way already is no error.

        Args:
            paths: The archived objects.
            lifetime: Seconds that the copies stay, rounded up to days; None for `DAYS`.

        Raises:
            CtadataError: The server refuses one of them; those before it are requested.
        """
        days = DAYS if lifetime is None else max(1, math.ceil(lifetime / _DAY))
        for path in paths:
            name = self._store.name(path)
            try:
                arguments = {"Bucket": name.bucket, "Key": name.key, "RestoreRequest": {"Days": days}}
                self._store.connection.call("restore_object", **arguments)
            except CtadataError as error:
                error.path = error.path or str(path)
                if "RestoreAlreadyInProgress" not in error.what:
                    raise
        request = f"s3-{secrets.token_hex(8)}"
        file = _file_of(request)
        make_private_directory(file.parent)
        write_private(file, json.dumps({"server": self._server, "paths": [list(path.parts) for path in paths]}))
        return request

    def status(self, request: str) -> list[Recall]:
        """Return the state of each object of a request that this machine has made; raise NotFound otherwise."""
        text = read_private(_file_of(request)) if _ID.fullmatch(request) else None
        if text is None:
            raise NotFound("this machine has made no such stage request", path=request)
        try:
            content = json.loads(text)
            server, paths = content["server"], [RemotePath(tuple(parts)) for parts in content["paths"]]
        except (ValueError, KeyError, TypeError):
            raise NotFound("the record of this stage request is damaged", path=request) from None
        if server != self._server:
            raise NotFound("this stage request is for another store", path=request)
        return [self._state_of(path) for path in paths]

    @property
    def _server(self) -> str:
        return f"{self._store.connection.endpoint.origin}{self._store.root}"

    def _state_of(self, path: RemotePath) -> Recall:
        try:
            entry = self._store.info(path)
        except NotFound as error:
            return Recall(path, "FAILED", error.what)
        return Recall(path, "STARTED" if entry.locality == "NEARLINE" else "COMPLETED")

    def release(self, request: str, paths: Sequence[RemotePath]) -> None:  # noqa: ARG002
        """Raise Unsupported: a restored copy ends at its own date."""
        raise Unsupported("S3 removes restored copies by itself, at the date that stat shows")

    def cancel(self, request: str, paths: Sequence[RemotePath]) -> None:  # noqa: ARG002
        """Raise Unsupported: S3 ends no restore."""
        raise Unsupported("S3 cannot cancel a restore")


def restores_of(store: Store) -> Restores | None:
    """Return what restores the objects of a store; None if it is the website of a bucket."""
    return Restores(store) if isinstance(store, S3Store) else None


def _file_of(request: str) -> Path:
    return user_directory("state") / "stage-requests" / f"{request}.json"
