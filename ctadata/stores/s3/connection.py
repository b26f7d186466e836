"""A connection to an S3 server: requests signed by libcurl, and boto3 for all that is more than bytes.

boto3 writes the requests of the control plane and reads their answers; they travel through the same pool as the
bytes do (botocore's event `before-send`), with its signatures, CA certificates, repetitions and its stop. Neither the
user's own configuration of AWS nor a credential ever gets to boto3.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from ctadata import fibers
from ctadata.errors import (
    ConfigError,
    CtadataError,
    Forbidden,
    IntegrityError,
    LoginNeeded,
    ServerTrouble,
    TemporaryError,
    TimedOut,
    UsageError,
)
from ctadata.http.client import NO_HEADERS, Client
from ctadata.http.credentials import SigningKey
from ctadata.http.curl_pool import Route
from ctadata.http.messages import Accept, Body, Consumer, Response, split_url
from ctadata.http.retries import Retries
from ctadata.retry import retry
from ctadata.stores.s3.address import Endpoint, Name
from ctadata.stores.s3.errors import WrongRegion, of_code
from ctadata.tokens.access_keys import RENEW_HINT

UNSIGNED = "UNSIGNED-PAYLOAD"
"""What stands for the digest of a body that TLS protects."""

NOTHING = hashlib.sha256(b"").hexdigest()
LARGEST = 64 << 20
"""Bytes that an answer of the control plane may have."""

_BOTO3S_OWN = ("user-agent", "host", "content-length", "expect", "amz-sdk", "x-amz-user-agent", "accept-encoding")

T = TypeVar("T")


class AccessKeys(Protocol):
    """Where the access key comes from; used by many threads at once."""

    def current(self, region: str) -> SigningKey | None:
        """The key as of now; None for asking without one. LoginNeeded where it has expired."""


class Connection:
    """Requests to one server, from any number of threads."""

    def __init__(
        self,
        client: Client,
        endpoint: Endpoint,
        keys: AccessKeys,
        stop: threading.Event | None = None,
        retries: Retries = Retries(),  # noqa: B008  (frozen)
    ) -> None:
        """No request is sent; the client is closed with `close`. `stop` is the one that ends the client's requests."""
        self.client = client
        self.endpoint = endpoint
        self._keys = keys
        self._regions: dict[str, str] = {}
        self._lock = threading.Lock()
        self._api: Any = None
        self._stop = stop or threading.Event()
        self._retries = retries
        self._afterwards: list[Callable[[], object]] = []

    @property
    def is_protected(self) -> bool:
        """Whether TLS protects what travels."""
        return self.endpoint.origin.scheme == "https"

    def send(
        self,
        method: str,
        name: Name,
        *,
        query: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | Body | None = None,
        payload: str = UNSIGNED,
        accept: Accept | None = None,
        route: Route = Route(),  # noqa: B008  (frozen)
    ) -> Response:
        """One signed request to its 2xx answer, in the bucket's own region; any other answer is raised as its error.

        payload: the SHA-256 of the body, hexadecimal, where it is known; has to be, where nothing protects it.
        LoginNeeded where the credentials are no longer good: never sent again.
        """

        def ask() -> Response:
            key = self._keys.current(self.region_of(name.bucket))
            url = self.endpoint.url(name, query, self._regions.get(name.bucket))
            said = {**headers, "x-amz-content-sha256": NOTHING if body is None else payload} if key else headers
            return self.client.send(method, url, headers=said, body=body, accept=accept, sign=key, route=route)

        return self.in_region(name.bucket, ask, rewind=getattr(body, "rewind", None))

    def gather(self, method: str, name: Name, *, query: str = "") -> bytes:
        """The body of the answer to one signed request; errors as `send`, ServerTrouble where it is too long."""
        gathered = bytearray()

        def accept(response: Response) -> Consumer:  # noqa: ARG001
            return lambda block: _gather(gathered, block)

        self._repeated(lambda: self.send(method, name, query=query, accept=accept), gathered.clear)
        return bytes(gathered)

    def upload(
        self, name: Name, source: Body, *, query: str = "", headers: Mapping[str, str], payload: str
    ) -> Response:
        """PUT a source, from its beginning, and again where that broke off or the server was busy; errors as `send`."""
        return self._repeated(
            lambda: self.send("PUT", name, query=query, headers=headers, body=source, payload=payload), source.rewind
        )

    def _repeated(self, ask: Callable[[], T], rewind: Callable[[], object]) -> T:
        """`ask`, and again where bytes have gone or come already, of which the client by itself repeats nothing."""

        def wait(error: CtadataError, seconds: float) -> None:
            if fibers.wait_for_event(self._stop, seconds):
                raise error
            rewind()

        return retry(
            ask,
            self._retries,
            may_retry=lambda error: isinstance(error, (TemporaryError, TimedOut, IntegrityError)),
            wait=wait,
        )

    def region_of(self, bucket: str) -> str:
        """The region that requests to a bucket are signed for."""
        return self._regions.get(bucket, self.endpoint.region)

    def signing_key(self, bucket: str) -> SigningKey | None:
        """What would sign a request to the bucket now."""
        return self._keys.current(self.region_of(bucket))

    def in_region(self, bucket: str, ask: Callable[[], T], rewind: Callable[[], object] | None = None) -> T:
        """`ask`, and again in the region that the server names."""
        try:
            return ask()
        except WrongRegion as error:
            if error.region is None or error.region == self.region_of(bucket):
                raise
            self._regions[bucket] = error.region
            if rewind:
                rewind()
            return ask()
        except Forbidden as error:
            if self.signing_key(bucket) is None:
                raise _without_a_key(error) from error
            raise
        except CtadataError as error:
            # Ceph's word for a session token that it cannot read
            if error.status == 400 and "InvalidArgument" in error.what and self._has_token(bucket):
                what = f"the session token is not accepted: {error.what}"
                raise LoginNeeded(what, hint=RENEW_HINT, path=error.path, status=error.status) from error
            raise

    def _has_token(self, bucket: str) -> bool:
        key = self.signing_key(bucket)
        return key is not None and key.token is not None

    # The control plane

    def call(self, operation: str, **asked: Any) -> Any:
        """One operation of S3 in the spelling of boto3's client, `Bucket` among what it is asked; our errors.

        ConfigError where boto3 is not installed.
        """
        return self.in_region(str(asked.get("Bucket", "")), lambda: _translated(getattr(self.api, operation), asked))

    @property
    def api(self) -> Any:
        """boto3's client of S3, made when first needed; ConfigError where boto3 is not installed."""
        with self._lock:
            if self._api is None:
                self._api = _boto3_client(self.endpoint)
                self._api.meta.events.register_first("before-send.s3", self._carry)
            return self._api

    def _carry(self, request: Any, **_: object) -> Any:
        """Send what boto3 has prepared, and give it the answer."""
        from botocore.awsrequest import AWSResponse

        path, _sep, query = split_url(request.url)[1].partition("?")
        bucket, _sep, key = path[1:].partition("/")
        name = Name(_unquoted(bucket), _unquoted(key))
        body = request.body if isinstance(request.body, bytes) else (request.body or "").encode() or None
        gathered = bytearray()

        def accept(response: Response) -> Consumer:  # noqa: ARG001
            return lambda block: _gather(gathered, block)

        sign = self._keys.current(self.region_of(name.bucket))
        response = self.client.send(
            request.method,
            self.endpoint.url(name, query, self._regions.get(name.bucket)),
            headers=_headers(request.headers, body, signed=sign is not None),
            body=body,
            accept=accept,
            sign=sign,
        )
        return AWSResponse(response.url, response.status, dict(response.headers.items()), _Raw(bytes(gathered)))

    def after_stop(self, tidy: Callable[[], object]) -> None:
        """Tidy up at the server: now, or at the end where the requests are being stopped. That it fails is no error."""
        if self._stop.is_set():
            self._afterwards.append(tidy)
            return
        with contextlib.suppress(CtadataError):
            tidy()

    def close(self) -> None:
        """Do what was left for afterwards, and close the connections."""
        if self._afterwards:
            self._stop.clear()  # the stop is over
        while self._afterwards:
            self.after_stop(self._afterwards.pop())
        self.client.close()


def _without_a_key(error: Forbidden) -> Forbidden:
    said = error.what.partition(": ")[2] or error.what
    return Forbidden(
        f"nobody may do that without an access key: {said}",
        hint="where keys are looked for: cta-data-direct credentials show --help",
        status=error.status,
    )


def _unquoted(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text, errors="surrogateescape")


def _gather(gathered: bytearray, block: bytes) -> None:
    if len(gathered) + len(block) > LARGEST:
        raise ServerTrouble(f"an answer of more than {LARGEST >> 20} MiB")
    gathered += block


def _headers(prepared: Mapping[str, Any], body: bytes | None, *, signed: bool) -> dict[str, str]:
    """What boto3 has written, without what is its own; with digests of the body, which older servers insist on."""
    said = {
        name: value.decode() if isinstance(value, bytes) else str(value)
        for name, value in prepared.items()
        if not name.lower().startswith(_BOTO3S_OWN)
    }
    if body is not None:
        md5 = hashlib.md5(body, usedforsecurity=False).digest()
        said.setdefault("Content-MD5", base64.b64encode(md5).decode())
    if signed:
        said["x-amz-content-sha256"] = hashlib.sha256(body or b"").hexdigest()
    return said


def _translated(operation: Callable[..., Any], asked: dict[str, Any]) -> Any:
    """What boto3 itself makes an error of: a failure in the body of a 200, or what no request can be made of."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return operation(**asked)
    except ClientError as error:
        told = error.response.get("Error", {})
        # the operations that answer so write, and have done nothing
        raise of_code(str(told.get("Code", "")), str(told.get("Message", "")), 500, "POST") from None
    except BotoCoreError as error:
        raise UsageError(f"no request can be made of this: {error}") from None


class _Raw:
    """A body as botocore takes it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: object, **__: object) -> list[bytes]:
        return [self._content]


_making = threading.Lock()


def _boto3_client(endpoint: Endpoint) -> Any:
    try:
        from botocore import UNSIGNED as NO_SIGNATURE
        from botocore.config import Config
    except ImportError:
        raise ConfigError("S3 needs the library boto3", hint="pip install boto3") from None
    config = Config(
        signature_version=NO_SIGNATURE,
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        ignore_configured_endpoint_urls=True,
        parameter_validation=False,
    )
    with _making:
        return _boto3_session().create_client(
            "s3", region_name=endpoint.region, endpoint_url=str(endpoint.origin), config=config
        )


@functools.cache
def _boto3_session() -> Any:
    """What boto3 knows of S3, read once; nothing of the user's own configuration."""
    import botocore.session

    nothing = {"profile": (None, None, None, None)}
    files = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    return botocore.session.Session(session_vars={**nothing, **files})
