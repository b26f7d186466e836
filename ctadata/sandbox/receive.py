"""Receive the bytes of an upload at a pool or at the door, and decide what stays of them (dcache.md 1.6)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace

from ctadata.sandbox.checksums import format_typed_digest, parse_want_digest
from ctadata.sandbox.exchange import Exchange
from ctadata.sandbox.faults import Full, Prealloc
from ctadata.sandbox.movers import Upload
from ctadata.sandbox.namespace import Incoming, Namespace, Node


class Refused(Exception):
    """The request ends with this status and reason phrase."""

    def __init__(self, status: int, reason: str) -> None:
        """Keep status and reason."""
        super().__init__(reason)
        self.status = status
        self.reason = reason


def merge_request_headers(upload: Upload, exchange: Exchange) -> Upload:
    """Return the upload with the headers of the request that carries the body added to those that the door got."""
    request = exchange.request
    both = ",".join(filter(None, [request.header("Want-Digest"), upload.want_digest]))
    return replace(upload, want_digest=both or None, content_md5=request.header("Content-MD5") or upload.content_md5)


def receive(exchange: Exchange, namespace: Namespace, node: Node, upload: Upload) -> dict[str, bytes]:
    """Read the body into `node`, and return its raw digests.

    After an error, the node is as dCache leaves it after a redirected upload: shorter and damaged, without a size, or,
    if no size was announced, shorter and valid.

    Raises:
        Refused: The upload is not accepted.
        Hangup: The connection was lost.
    """
    if (prealloc := exchange.fault(Prealloc)) is not None:
        raise Refused(500, prealloc.reason)
    incoming = namespace.new_incoming(_algorithms(upload))
    try:
        _copy(exchange, incoming)
    except BaseException:
        _commit_or_drop(incoming, node, upload)
        raise
    if (problem := _size_problem(incoming, upload)) is not None:
        incoming.commit(node, upload.mtime, broken=True)
        raise Refused(400, problem)
    if (problem := _checksum_problem(incoming, upload)) is not None:
        incoming.commit(node, upload.mtime, broken=True, checksums={"md5": _expected_md5(upload) or b""})
        raise Refused(400, problem)
    incoming.commit(node, upload.mtime)
    return incoming.digests()


def settle_abandoned(node: Node, upload: Upload, namespace: Namespace) -> None:
    """Handle an upload whose body never came like one that was cut at its first byte."""
    _commit_or_drop(namespace.new_incoming(["adler32"]), node, upload)


def _algorithms(upload: Upload) -> list[str]:
    named = parse_want_digest(upload.want_digest)[:1] + (["md5"] if upload.content_md5 else [])
    return sorted({"adler32", *named})


def _copy(exchange: Exchange, incoming: Incoming) -> None:
    full = exchange.fault(Full)
    for block in exchange.blocks():
        if full is not None and incoming.size + len(block) > full.after:
            incoming.write(block[: full.after - incoming.size])
            raise Refused(507, full.reason)
        incoming.write(block)


def _commit_or_drop(incoming: Incoming, node: Node, upload: Upload) -> None:
    """Keep the bytes of a cut upload as a damaged file, drop them, or accept them."""
    if not incoming.size and upload.expected_size:
        incoming.drop()
    else:
        incoming.commit(node, upload.mtime, broken=_size_problem(incoming, upload) is not None)


def _size_problem(incoming: Incoming, upload: Upload) -> str | None:
    if not upload.expected_size or incoming.size == upload.expected_size:
        return None
    return f"File size mismatch (expected={upload.expected_size}, actual={incoming.size})"


def _expected_md5(upload: Upload) -> bytes | None:
    try:
        return base64.b64decode(upload.content_md5 or "", validate=True)
    except binascii.Error:
        return None


def _checksum_problem(incoming: Incoming, upload: Upload) -> str | None:
    if upload.content_md5 is None:
        return None
    digests = incoming.digests()
    expected = _expected_md5(upload)
    if expected is None:
        return f"Bad Content-MD5 header: {upload.content_md5}"
    if digests["md5"] == expected:
        return None
    actual = ", ".join(format_typed_digest(name, digests[name]) for name in sorted(digests))
    return f"Checksum mismatch (expected=[{format_typed_digest('md5', expected)}], actual=[{actual}])"
