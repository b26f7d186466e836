"""What other S3 servers do, done by a stub before moto; each function names the server that it repeats."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from servers.s3_stub import Asked, S3Stub, error

Answer = tuple[int, list[tuple[str, str]], bytes]
_TAG = re.compile(rb'(<ETag>(?:"|&quot;|&#34;)?)([0-9a-f]{32})|"([0-9a-f]{32})')


def alter(stub: S3Stub, change: Callable[[Asked, Answer], Answer], on_request: Callable[[Asked], Asked] = lambda a: a):
    """Change what moto is asked, and what it answers."""
    real = stub.pass_on

    def pass_on(asked: Asked) -> Answer:
        return change(asked, real(on_request(asked)))

    stub.pass_on = pass_on


def encrypt_with_kms(stub: S3Stub, *, says_so: bool = True) -> None:
    """Make all tags opaque, as MinIO does with MINIO_KMS_AUTO_ENCRYPTION=on.

    Its tags look like an MD5, in listings too. Only answers about an object say that it is encrypted; the answer that
    begins an upload in parts does not. With `says_so` False, no answer says it.
    """
    real_tags: dict[bytes, bytes] = {}

    def opaque(match: re.Match[bytes]) -> bytes:
        tag = match[2] or match[3]
        changed = hashlib.sha256(tag).hexdigest()[:32].encode()
        real_tags[changed] = tag
        return match[0].replace(tag, changed)

    def change(asked: Asked, answer: Answer) -> Answer:
        status, headers, body = answer
        headers = [
            (name, _TAG.sub(opaque, value.encode()).decode() if name.lower() == "etag" else value)
            for name, value in headers
            if name.lower() != "x-amz-server-side-encryption"
        ]
        if says_so and status < 300 and asked.method in ("GET", "HEAD", "PUT"):
            headers.append(("x-amz-server-side-encryption", "aws:kms"))
        if body.startswith(b"<"):
            body = _TAG.sub(opaque, body)
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
            headers.append(("Content-Length", str(len(body))))
        return status, headers, body

    def restore(asked: Asked) -> Asked:
        body = asked.body
        if asked.method == "POST":
            for changed, tag in list(real_tags.items()):
                body = body.replace(changed, tag)
        return Asked(asked.method, asked.target, {**asked.headers, "content-length": str(len(body))}, body)

    alter(stub, change, restore)


def answer_ranges_with_200(stub: S3Stub) -> None:
    """Answer a range with 200 and a right `Content-Range`, as `rclone serve s3` does."""
    alter(stub, lambda _asked, answer: (200 if answer[0] == 206 else answer[0], *answer[1:]))


def ignore_ranges(stub: S3Stub) -> None:
    """Answer a range with the whole object; RFC 9110 allows it."""

    def whole(asked: Asked) -> Asked:
        return Asked(asked.method, asked.target, {k: v for k, v in asked.headers.items() if k != "range"}, asked.body)

    alter(stub, lambda _asked, answer: answer, whole)


def drop_headers(stub: S3Stub, *names: str) -> None:
    """Leave out these headers of answers, as a server does that does not know them."""

    def change(asked: Asked, answer: Answer) -> Answer:
        status, headers, body = answer
        return status, [(name, value) for name, value in headers if name.lower() not in names], body

    alter(stub, change)


def refuse_headers(stub: S3Stub, *names: str, status: int = 501, code: str = "NotImplemented") -> None:
    """Refuse requests with these headers, as S3Proxy does with all headers that it does not know."""
    real = stub.pass_on

    def pass_on(asked: Asked) -> Answer:
        if any(name in asked.headers for name in names):
            return status, [("Content-Type", "application/xml")], error(code)
        return real(asked)

    stub.pass_on = pass_on
