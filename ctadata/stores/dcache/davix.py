"""davix's tools for the bytes (`engine = "davix"`), where a site wants them; all else, and the login, stays ours.

Its tools take a token only among their arguments, where every user of the machine sees it, and hand it on to the
pool. So it is we who ask the door, and the tool gets the pool's address: good for one file, once.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from ctadata.checksums import want_digest_header
from ctadata.entries import Entry
from ctadata.errors import ConfigError, Interrupted, LocalError, TemporaryError, Unsupported, UsageError
from ctadata.fibers import run_in_thread
from ctadata.http.ca import choose_ca
from ctadata.http.client import Client
from ctadata.http.messages import Response
from ctadata.http.redaction import redact, sanitize
from ctadata.http.redirects import is_redirect, next_url
from ctadata.paths import RemotePath
from ctadata.stores.base import Delivery, Sink, Source, StopReading, Written
from ctadata.stores.dcache.door import Door
from ctadata.stores.http_reader import HttpReader
from ctadata.stores.path_errors import add_path_to_errors
from ctadata.stores.webdav.store import WebDAVStore

BLOCK = 1 << 20
"""Bytes handed on at a time."""

_TICKET = re.compile(r"\bdcache-http-uuid=[^&]*")  # good for one file, once
_FOREIGN = ("BEARER_TOKEN", "X509_", "DAVIX_")  # what could make a tool log in by itself


class DavixStore:
    """All as `store` does it, but for the bytes of files, which davix-get and davix-put move."""

    def __init__(
        self, store: WebDAVStore, client: Client, door: Door, ca: Path | None, *, http_pools: bool = False
    ) -> None:
        """The store is closed with this one. ConfigError where davix is not installed.

        http_pools: whether a redirect may lead from https to http.
        """
        self.features = replace(store.features, parallel_reads=False)
        self._store = store
        self._client = client
        self._door = door
        self._tools = {name: _tool(name) for name in ("davix-get", "davix-put")}
        self._environment = _environment(ca)
        self._http_pools = http_pools

    def open(self, path: RemotePath) -> DavixReader:
        """A file, to be read; no request is sent before the first `send`."""
        return DavixReader(self, path, self._store.open(path))

    def pool_for_reading(self, path: RemotePath) -> str:
        """Where the bytes of a file are; Unsupported where the door would send them itself."""
        asked = {"Want-Digest": want_digest_header()}
        answer = self._client.send("GET", self._door.url(path), headers=asked, accept=_refuse, follow=False)
        return self._location(answer)

    def start(self, tool: str, *words: str, **more: object) -> subprocess.Popen[bytes]:
        """Start one of davix's tools."""
        command = [self._tools[tool], *words]
        return subprocess.Popen(command, env=self._environment, stdin=subprocess.DEVNULL, **more)  # type: ignore[call-overload,no-any-return]

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:
        """Upload a file by way of a copy without a name; the door says where to, before a byte is sent."""
        with add_path_to_errors(path), tempfile.TemporaryFile(prefix="ctadata-") as spool:
            pool = self._pool_for_writing(path, source, new=new)
            if _copy(source, spool) != source.size:
                raise LocalError("local: the file became shorter while it was read")
            fd = spool.fileno()
            with tempfile.TemporaryFile() as words:
                process = self.start(
                    "davix-put", f"/dev/fd/{fd}", pool, pass_fds=[fd], stdout=subprocess.DEVNULL, stderr=words
                )
                with _ended(process):
                    run_in_thread(process.wait)
                if process.returncode:
                    raise TemporaryError(f"davix-put has failed: {_said(words)}")
        return Written()

    def _pool_for_writing(self, path: RemotePath, source: Source, *, new: bool) -> str:
        headers = {"Want-Digest": "adler32"} | ({"If-None-Match": "*"} if new else {})
        if source.mtime is not None:
            headers["X-OC-Mtime"] = str(int(source.mtime))
        body = _Unsent(source.size)
        answer = self._client.send(
            "PUT", self._door.url(path), headers=headers, body=body, await_redirect=True, follow=False
        )
        return self._location(answer)

    def _location(self, answer: Response) -> str:
        """The pool's address; Unsupported where there is none, or one that holds a login, which `ps` would show."""
        if not is_redirect(answer):
            raise _does_not_redirect()
        url = next_url(answer, http_pools=self._http_pools)
        plain = _TICKET.sub("", url)
        if redact(plain) != plain:
            raise Unsupported(
                "the address that the door names holds a login, and davix's tools would show it among their arguments",
                hint='take engine = "davix" out of the profile',
            )
        return url

    # ---- the rest is the store's

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """As the store does."""
        return self._store.list(path)

    def info(self, path: RemotePath) -> Entry:
        """As the store does."""
        return self._store.info(path)

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """As the store does."""
        return self._store.digests(path)

    def mkdir(self, path: RemotePath) -> None:
        """As the store does."""
        self._store.mkdir(path)

    def delete(self, path: RemotePath) -> None:
        """As the store does."""
        self._store.delete(path)

    def delete_tree(self, path: RemotePath) -> None:
        """As the store does."""
        self._store.delete_tree(path)

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:
        """As the store does."""
        self._store.move(source, target, replace=replace)

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:
        """As the store does."""
        self._store.move_tree(source, target)

    def close(self) -> None:
        """As the store does."""
        self._store.close()


class DavixReader:
    """One file, read by davix-get where all of it is wanted; it takes no ranges, and those are read by ourselves."""

    def __init__(self, store: DavixStore, path: RemotePath, ranges: HttpReader) -> None:
        """Of the file at `path`."""
        self._store = store
        self._path = path
        self._ranges = ranges

    def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> Delivery:
        """Send the bytes from `start` up to `stop` (exclusive; None: the end); Interrupted where they are short."""
        if start or stop is not None:
            return self._ranges.send(sink, start, stop)
        with add_path_to_errors(self._path), tempfile.TemporaryFile() as words:
            entry = self._store.info(self._path)
            if entry.is_directory:
                raise UsageError("a directory, not a file")
            delivery = Delivery(0, entry.size, entry.checksums, entry.etag, entry.size)
            pool = self._store.pool_for_reading(self._path)
            sink.begin(delivery)
            process = self._store.start("davix-get", pool, stdout=subprocess.PIPE, stderr=words)
            assert process.stdout is not None
            with _ended(process), process.stdout as output:
                try:
                    sent = run_in_thread(lambda: _pour(output, sink))
                except StopReading:
                    return delivery
                run_in_thread(process.wait)
            if process.returncode or (entry.size is not None and sent != entry.size):
                said = _said(words) or f"{sent} bytes came instead of {entry.size}"
                raise Interrupted(f"davix-get has failed: {said}")
        return delivery

    def close(self) -> None:
        """End what was read by ourselves."""
        self._ranges.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


class _Unsent:
    """A body that a door must not ask for."""

    def __init__(self, size: int) -> None:
        self.size = size

    def read(self, limit: int) -> bytes:  # noqa: ARG002
        raise _does_not_redirect()

    def rewind(self) -> None:
        pass


def _refuse(response: Response) -> None:  # noqa: ARG001
    raise _does_not_redirect()


def _does_not_redirect() -> Unsupported:
    return Unsupported(
        "this door moves the bytes itself, and davix's tools would need the token for it",
        hint='take engine = "davix" out of the profile',
    )


def _pour(output: IO[bytes], sink: Sink) -> int:
    sent = 0
    while block := output.read(BLOCK):
        sink.write(block)
        sent += len(block)
    return sent


def _copy(source: Source, spool: IO[bytes]) -> int:
    while block := source.read(BLOCK):
        spool.write(block)
    spool.flush()
    return spool.tell()


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever happens, the tool is gone at the end."""
    try:
        yield
    except BaseException:
        process.kill()
        raise
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _said(words: IO[bytes]) -> str:
    words.seek(0)
    return sanitize(words.read(4096).decode("utf-8", "replace"))


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        hint = "install davix, or take engine out of the profile"
        raise ConfigError(f"the program {name} is not installed", hint=hint)
    return found


def _environment(ca: Path | None) -> dict[str, str]:
    """Nothing that a tool could log in with; and the CA certificates that we trust."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    trust = choose_ca(ca)
    if trust.file:
        kept["SSL_CERT_FILE"] = str(trust.file)
    if trust.directory:
        kept |= dict.fromkeys(("SSL_CERT_DIR", "X509_CERT_DIR"), str(trust.directory))
    return kept
