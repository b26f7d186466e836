"""What other S3 servers do, done by a stub before moto; each function names the server that it repeats."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from urllib.parse import parse_qs, unquote, urlsplit

from servers.s3_stub import Asked, S3Stub, error

Answer = tuple[int, list[tuple[str, str]], bytes]
_TAG = re.compile(rb'(<ETag>(?:"|&quot;|&#34;)?)([0-9a-f]{32})|"([0-9a-f]{32})')


def alter(stub: S3Stub, change: Callable[[Asked, Answer], Answer], on_request: Callable[[Asked], Asked] = lambda a: a):
    """Change what moto is asked, and what it answers."""
    real = stub.pass_on

    def pass_on(asked: Asked) -> Answer:
        return change(asked, real(on_request(asked)))

    stub.pass_on = pass_on


def call_after(stub: S3Stub, method: str, part: str, action: Callable[[], object]) -> None:
    """Call `action` when moto has handled the first request of this method with `part` in its target."""
    actions = [action]

    def change(asked: Asked, answer: Answer) -> Answer:
        if asked.method == method and part in asked.target and actions:
            actions.pop()()
        return answer

    alter(stub, change)


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
        body, headers = asked.body, dict(asked.headers)
        for changed, tag in list(real_tags.items()):
            headers = {name: value.replace(changed.decode(), tag.decode()) for name, value in headers.items()}
            if asked.method == "POST":
                body = body.replace(changed, tag)
        return Asked(asked.method, asked.target, {**headers, "content-length": str(len(body))}, body)

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


def allow_prefix_only(stub: S3Stub, bucket: str, allowed: str) -> None:
    """Answer as Amazon does to a key for one prefix, which it may list and read; others get 403, missing names too."""
    real = stub.pass_on

    def pass_on(asked: Asked) -> Answer:
        url = urlsplit(asked.target)
        key = unquote(url.path)[len(bucket) + 2 :]
        named = key or parse_qs(url.query, keep_blank_values=True).get("prefix", [""])[0]
        may = named.startswith(allowed) and (key or asked.method == "GET")
        answer = real(asked) if may else (403, [], b"")
        if (answer[0] == 404 and key) or not may:
            return 403, [("Content-Type", "application/xml")], error("AccessDenied")
        return answer

    stub.pass_on = pass_on


def refuse_requests(stub: S3Stub, method: str, status: int) -> None:
    """Refuse all requests of one method."""
    stub.answer(method, "", status, "AccessDenied")


def require_a_payer(stub: S3Stub) -> None:
    """Refuse requests of callers who do not agree to pay, as Amazon does where the requester pays."""
    real = stub.pass_on

    def pass_on(asked: Asked) -> Answer:
        if asked.headers.get("x-amz-request-payer") == "requester" or "x-amz-request-payer=requester" in asked.target:
            return real(asked)
        return 403, [("Content-Type", "application/xml")], error("AccessDenied", "Requester Pays bucket")

    stub.pass_on = pass_on


def keep_directories_as_s3proxy(stub: S3Stub) -> None:
    """Show the mark `a/` as S3Proxy over a folder does: as an object `a` too, in listings above it without a size."""
    real, mark = stub.pass_on, re.compile(rb"<Contents><Key>[^<]*(?:/|%2F)</Key>.*?</Contents>", re.DOTALL)

    def pass_on(asked: Asked) -> Answer:
        path, _, query = asked.target.partition("?")
        status, headers, body = real(asked)
        if asked.method == "HEAD" and status == 404:
            status, headers, body = real(Asked("HEAD", f"{path}/", asked.headers, b""))
            if status == 404:
                return status, headers, body
            kind = [(name, value) for name, value in headers if name.lower() != "content-type"]
            return status, [*kind, ("Content-Type", "application/x-directory")], body
        if body.startswith(b"<?xml") and "list-type" in query:
            below = parse_qs(query).get("prefix", [""])[0]
            kept = mark.sub(lambda found: _bare(found[0], below), body)
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
            return status, headers, kept
        return status, headers, body

    stub.pass_on = pass_on


def _bare(contents: bytes, below: str) -> bytes:
    key = re.search(b"<Key>(.*?)</Key>", contents)[1]
    return b"" if unquote(key.decode()) == below else b"<Contents><Key>" + key + b"</Key></Contents>"


def live_in_region(stub: S3Stub, region: str, *, quiet: bool = True) -> None:
    """Refuse signatures of other regions, as `versitygw -r REGION` does: HEAD gets a bare 400, and GET the region."""
    real = stub.pass_on

    def pass_on(asked: Asked) -> Answer:
        if f"/{region}/s3/" in asked.headers.get("authorization", ""):
            return real(asked)
        message = f"The authorization header is malformed; the region is wrong; expecting '{region}'"
        body = error("AuthorizationHeaderMalformed", message, "" if quiet else f"<Region>{region}</Region>")
        return 400, [("Content-Type", "application/xml")], body

    stub.pass_on = pass_on


def misunderstand_settings_of_buckets(stub: S3Stub) -> None:
    """Ignore `?policy` and `?website`, as `rclone serve s3` does: GET lists, and PUT creates the bucket."""
    real = stub.pass_on

    def pass_on(asked: Asked) -> Answer:
        path, _, query = asked.target.partition("?")
        if query not in ("policy", "website"):
            return real(asked)
        if asked.method == "PUT":
            return 409, [("Content-Type", "application/xml")], error("BucketAlreadyExists")
        return real(Asked(asked.method, path, asked.headers, asked.body))

    stub.pass_on = pass_on


def refuse_headers(stub: S3Stub, *names: str, status: int = 501, code: str = "NotImplemented") -> None:
    """Refuse requests with these headers, as S3Proxy does with all headers that it does not know."""
    real = stub.pass_on

    def pass_on(asked: Asked) -> Answer:
        if any(name in asked.headers for name in names):
            return status, [("Content-Type", "application/xml")], error(code)
        return real(asked)

    stub.pass_on = pass_on


def ignore_headers(stub: S3Stub, *names: str) -> None:
    """Overlook these headers of requests, as a server does that does not know them."""

    def without(asked: Asked) -> Asked:
        headers = {name: value for name, value in asked.headers.items() if name not in names}
        return Asked(asked.method, asked.target, headers, asked.body)

    alter(stub, lambda _asked, answer: answer, without)
