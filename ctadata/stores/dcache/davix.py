"""Move the bytes of files with davix's tools (`engine = "davix"`), for sites that require it.

Everything else, and the login, stays ours. davix-get and davix-put accept a token only as an argument, which every user
of the machine can read, and pass it on to the pool. So the client asks the door itself, and the tool gets the address
of the pool, which is valid for one file, once.
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

from ctadata.digest_headers import want_digest_header
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
"""The number of bytes that are read at a time."""

_TICKET = re.compile(r"\bdcache-http-uuid=[^&]*")  # valid for one file, once
_LOGIN_VARIABLES = ("BEARER_TOKEN", "X509_", "DAVIX_")  # variables that a tool could log in with


class DavixStore:
    """A store that reads and writes files with davix-get and davix-put; a WebDAV store does the rest."""

    def __init__(
        self, store: WebDAVStore, client: Client, door: Door, ca: Path | None, *, http_pools: bool = False
    ) -> None:
        """Create the store. Closing it closes `store`.

        Args:
            store: Does everything except reading and writing files.
            client: Sends the requests to the door.
            door: The door, for the addresses of files.
            ca: The file or directory with CA certificates; None uses the usual ones.
            http_pools: A redirect may lead from https to http.

        Raises:
            ConfigError: davix is not installed.
        """
        self.features = replace(store.features, parallel_reads=False)
        self._store = store
        self._client = client
        self._door = door
        self._tools = {name: _find_tool(name) for name in ("davix-get", "davix-put")}
        self._environment = _environment(ca)
        self._http_pools = http_pools

    def open(self, path: RemotePath) -> DavixReader:
        """Return a reader of a file. No request is sent before the first `send`."""
        return DavixReader(self, path, self._store.open(path))

    def pool_for_reading(self, path: RemotePath) -> str:
        """Return the address of a file on its pool; raise Unsupported if the door would send the bytes itself."""
        headers = {"Want-Digest": want_digest_header()}
        response = self._client.send("GET", self._door.url(path), headers=headers, accept=_refuse_body, follow=False)
        return self._location(response)

    def start(self, tool: str, *arguments: str, **options: object) -> subprocess.Popen[bytes]:
        """Start one of davix's tools with these arguments; `options` go to `subprocess.Popen`."""
        command = [self._tools[tool], *arguments]
        return subprocess.Popen(command, env=self._environment, stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload,no-any-return]

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:
        """Upload a file; see `Store.write`.

        The bytes go into a temporary file without a name, which davix-put reads. The door names the pool before a byte
        is sent.
        """
        with add_path_to_errors(path), tempfile.TemporaryFile(prefix="ctadata-") as spool:
            pool = self._pool_for_writing(path, source, new=new)
            if _copy(source, spool) != source.size:
                raise LocalError("local: the file became shorter while it was read")
            fd = spool.fileno()
            with tempfile.TemporaryFile() as stderr:
                process = self.start(
                    "davix-put", f"/dev/fd/{fd}", pool, pass_fds=[fd], stdout=subprocess.DEVNULL, stderr=stderr
                )
                with _terminating(process):
                    run_in_thread(process.wait)
                if process.returncode:
                    raise TemporaryError(f"davix-put has failed: {_read_stderr(stderr)}")
        return Written()

    def _pool_for_writing(self, path: RemotePath, source: Source, *, new: bool) -> str:
        headers = {"Want-Digest": "adler32"} | ({"If-None-Match": "*"} if new else {})
        if source.mtime is not None:
            headers["X-OC-Mtime"] = str(int(source.mtime))
        body = _Unsent(source.size)
        response = self._client.send(
            "PUT", self._door.url(path), headers=headers, body=body, await_redirect=True, follow=False
        )
        return self._location(response)

    def _location(self, response: Response) -> str:
        """Return the address of the pool that the door redirects to.

        Raises Unsupported if the door does not redirect, or if the address holds a login, which `ps` would show.
        """
        if not is_redirect(response):
            raise _does_not_redirect()
        url = next_url(response, http_pools=self._http_pools)
        plain = _TICKET.sub("", url)
        if redact(plain) != plain:
            raise Unsupported(
                "the address of the pool holds a login, and davix's tools would show it among their arguments",
                hint='take engine = "davix" out of the profile',
            )
        return url

    # ---- the WebDAV store does the rest

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """See `Store.list`; the WebDAV store does it."""
        return self._store.list(path)

    def info(self, path: RemotePath) -> Entry:
        """See `Store.info`; the WebDAV store does it."""
        return self._store.info(path)

    def created(self, path: RemotePath) -> float | None:
        """See `TellsCreation`; the WebDAV store does it."""
        return self._store.created(path)

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """See `Store.digests`; the WebDAV store does it."""
        return self._store.digests(path)

    def mkdir(self, path: RemotePath) -> bool:
        """See `Store.mkdir`; the WebDAV store does it."""
        return self._store.mkdir(path)

    def delete(self, path: RemotePath, *, directory: bool = False) -> None:
        """See `Store.delete`; the WebDAV store does it."""
        self._store.delete(path, directory=directory)

    def delete_tree(self, path: RemotePath) -> None:
        """See `Store.delete_tree`; the WebDAV store does it."""
        self._store.delete_tree(path)

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:
        """See `Store.move`; the WebDAV store does it."""
        self._store.move(source, target, replace=replace)

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:
        """See `Store.move_tree`; the WebDAV store does it."""
        self._store.move_tree(source, target)

    def close(self) -> None:
        """See `Store.close`; the WebDAV store does it."""
        self._store.close()


class DavixReader:
    """One file. davix-get reads the whole file; it reads no ranges, so the WebDAV store reads those."""

    def __init__(self, store: DavixStore, path: RemotePath, ranges: HttpReader) -> None:
        """Create a reader of the file at `path`; `ranges` reads its ranges."""
        self._store = store
        self._path = path
        self._ranges = ranges

    def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> Delivery:
        """Send the bytes from offset `start` up to `stop` into the sink; see `Reader.send`."""
        if start or stop is not None:
            return self._ranges.send(sink, start, stop)
        with add_path_to_errors(self._path), tempfile.TemporaryFile() as stderr:
            entry = self._store.info(self._path)
            if entry.is_directory:
                raise UsageError("a directory, not a file")
            delivery = Delivery(0, entry.size, entry.checksums, entry.etag, entry.size)
            pool = self._store.pool_for_reading(self._path)
            sink.begin(delivery)
            process = self._store.start("davix-get", pool, stdout=subprocess.PIPE, stderr=stderr)
            assert process.stdout is not None
            with _terminating(process), process.stdout as output:
                try:
                    count = run_in_thread(lambda: _stream_to(output, sink))
                except StopReading:
                    return delivery
                run_in_thread(process.wait)
            if process.returncode or (entry.size is not None and count != entry.size):
                reason = _read_stderr(stderr) or f"{count} bytes came instead of {entry.size}"
                raise Interrupted(f"davix-get has failed: {reason}")
        return delivery

    def close(self) -> None:
        """Close the reader of the ranges."""
        self._ranges.close()

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the reader."""
        self.close()


class _Unsent:
    """A body whose size is known and whose bytes are never sent: the door has to redirect before."""

    def __init__(self, size: int) -> None:
        self.size = size

    def read(self, limit: int) -> bytes:  # noqa: ARG002
        raise _does_not_redirect()

    def rewind(self) -> None:
        pass


def _refuse_body(response: Response) -> None:  # noqa: ARG001
    raise _does_not_redirect()


def _does_not_redirect() -> Unsupported:
    return Unsupported(
        "this door sends and receives the bytes itself, so davix's tools would need the token",
        hint='take engine = "davix" out of the profile',
    )


def _stream_to(output: IO[bytes], sink: Sink) -> int:
    count = 0
    while block := output.read(BLOCK):
        sink.write(block)
        count += len(block)
    return count


def _copy(source: Source, spool: IO[bytes]) -> int:
    while block := source.read(BLOCK):
        spool.write(block)
    spool.flush()
    return spool.tell()


@contextlib.contextmanager
def _terminating(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the process when the block ends, whatever happens."""
    try:
        yield
    except BaseException:
        process.kill()
        raise
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _read_stderr(stderr: IO[bytes]) -> str:
    stderr.seek(0)
    return sanitize(stderr.read(4096).decode("utf-8", "replace"))


def _find_tool(name: str) -> str:
    executable = shutil.which(name)
    if executable is None:
        hint = "install davix, or take engine out of the profile"
        raise ConfigError(f"the program {name} is not installed", hint=hint)
    return executable


def _environment(ca: Path | None) -> dict[str, str]:
    """Return the environment of a tool: without anything that it could log in with, and with our CA certificates."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_LOGIN_VARIABLES)}
    trust = choose_ca(ca)
    if trust.file:
        environment["SSL_CERT_FILE"] = str(trust.file)
    if trust.directory:
        environment |= dict.fromkeys(("SSL_CERT_DIR", "X509_CERT_DIR"), str(trust.directory))
    return environment
