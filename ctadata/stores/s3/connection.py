"""A connection to an S3 server: libcurl signs and sends the requests; boto3 builds those of the control plane.

The control plane is everything but reading, writing and listing objects. boto3 builds these requests and parses the
responses; the requests travel through the same curl pool as the bytes of files (botocore's event `before-send`), with
the pool's signatures, CA certificates, retries and stop event. boto3 receives no credential, and reads none of the
user's AWS configuration.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from ctadata import fibers
from ctadata.errors import (
    CtadataError,
    Forbidden,
    IntegrityError,
    LoginNeeded,
    ServerTrouble,
    TemporaryError,
    TimedOut,
    Unsupported,
)
from ctadata.http.client import Client
from ctadata.http.credentials import SigningKey
from ctadata.http.curl_pool import Route
from ctadata.http.messages import NO_HEADERS, Accept, Body, Consumer, Response
from ctadata.http.retries import Retries
from ctadata.http.signature import signed_headers
from ctadata.retry import retry
from ctadata.stores.s3.address import Endpoint, Name
from ctadata.stores.s3.boto3_client import (
    call_operation,
    create_client,
    headers_to_send,
    parse_request,
    response_for_boto3,
)
from ctadata.stores.s3.condition import Condition
from ctadata.stores.s3.errors import WrongRegion, without_key
from ctadata.stores.s3.quirks import Quirks
from ctadata.stores.s3.state_file import StateFile
from ctadata.tokens.access_keys import RENEW_HINT

UNSIGNED = "UNSIGNED-PAYLOAD"
"""The value of `x-amz-content-sha256` for a body that TLS protects, instead of the body's digest."""

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
"""The SHA-256 of an empty body, in hexadecimal."""

MAX_RESPONSE = 64 << 20
"""The largest body of a response of the control plane, in bytes."""

T = TypeVar("T")


class AccessKeys(Protocol):
    """The source of the access key. Many threads use it at the same time."""

    def current(self, region: str) -> SigningKey | None:
        """Return the key that is valid now; None for requests without a signature.

        Raises:
            LoginNeeded: The key has expired.
        """


class Connection:
    """Requests to one S3 server. Many threads may use it at the same time."""

    def __init__(
        self,
        client: Client,
        endpoint: Endpoint,
        keys: AccessKeys,
        stop: threading.Event | None = None,
        retries: Retries = Retries(),  # noqa: B008  (frozen)
    ) -> None:
        """Keep what the requests need; no request is sent.

        Args:
            client: The HTTP client; `close` closes it.
            endpoint: The server.
            keys: The source of the access key.
            stop: The event that ends the client's requests; the client has the same one.
            retries: How often, and after which waits, a broken request is repeated.
        """
        self.client = client
        self.endpoint = endpoint
        self.quirks = Quirks()
        self.condition = Condition(lambda: StateFile.of("endpoints", endpoint.origin))
        self._keys = keys
        self._lock = threading.Lock()
        self._api: Any = None
        self._stop = stop or threading.Event()
        self._retries = retries
        self._has_given_up = False
        self._deferred_cleanups: list[Callable[[], object]] = []

    @property
    def is_protected(self) -> bool:
        """Whether TLS protects the requests."""
        return self.endpoint.origin.scheme == "https"

    def send(
        self,
        method: str,
        name: Name,
        *,
        query: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
        optional: Mapping[str, str] = NO_HEADERS,
        body: bytes | Body | None = None,
        payload: str = UNSIGNED,
        accept: Accept | None = None,
        route: Route = Route(),  # noqa: B008  (frozen)
    ) -> Response:
        """Send one signed request to the bucket's own region, and return its 2xx response.

        Args:
            method: The HTTP method.
            name: The object, or the bucket if the key is empty.
            query: The query, already encoded and without its question mark.
            headers: Headers beside those of the signature.
            optional: Headers of a request without a body that the server may refuse; then it gets the request without.
            body: None for a request without a body.
            payload: The SHA-256 of the body in hexadecimal; `UNSIGNED` is allowed only if TLS protects the request.
            accept: Receives the response's header, and returns the consumer of its body.
            route: The connections that the request uses, and its observer.

        Raises:
            CtadataError: The error of any other response.
            LoginNeeded: The credentials are not valid any more. The request is not repeated.
            UsageError: The key holds `.` or `..` between slashes, and the request is no signed GET or HEAD.
        """

        def send_once() -> Response:
            key = self._keys.current(self.region_of(name.bucket))
            # without a signature, a proxy that resolves the dots would lead to another object
            as_is = name.has_dot_segments and key is not None and method in ("GET", "HEAD")
            url = self.endpoint.url(name, query, self.quirks.regions.get(name.bucket), as_is=as_is)
            digest = {"x-amz-content-sha256": EMPTY_SHA256 if body is None else payload} if key else {}
            sent = {**self.endpoint.payer, **headers, **digest}
            if key and as_is:  # libcurl signs no such URL
                sent, key = signed_headers(method, url, key, "s3", headers=sent), None
            return self.client.send(
                method,
                url,
                headers=sent,
                body=body,
                accept=accept,
                sign=key,
                route=route,
            )

        if not (more := self.quirks.usable(optional)):
            return self.retry_in_region(name.bucket, send_once, rewind=getattr(body, "rewind", None))
        needed, headers = headers, {**headers, **more}
        try:
            return self.retry_in_region(name.bucket, send_once)
        except CtadataError as error:
            if not self.quirks.may_be_refusal(error):
                raise
            headers = needed
        response = self.retry_in_region(name.bucket, send_once)
        self.quirks.refuse(more)
        return response

    def read_body(self, method: str, name: Name, *, query: str = "") -> bytes:
        """Send one signed request, and return the body of its response; a broken response is requested again.

        Raises:
            CtadataError: As `send`.
            ServerTrouble: The body is longer than `MAX_RESPONSE`.
        """
        received = bytearray()

        def accept(response: Response) -> Consumer:  # noqa: ARG001
            return lambda block: _append_block(received, block)

        self._retry(lambda: self.send(method, name, query=query, accept=accept), received.clear)
        return bytes(received)

    def upload(
        self, name: Name, source: Body, *, query: str = "", headers: Mapping[str, str], payload: str
    ) -> Response:
        """PUT a source from its first byte; repeat that if it breaks off or the server is busy.

        Raises:
            CtadataError: As `send`.
        """
        return self._retry(
            lambda: self.send("PUT", name, query=query, headers=headers, body=source, payload=payload), source.rewind
        )

    def _retry(self, attempt: Callable[[], T], rewind: Callable[[], object]) -> T:
        """Call `attempt`, and again after `rewind`.

        The client itself repeats no request whose bytes have begun to move. After a request was given up, the next ones
        get no second attempt until the server has answered one, as in the client.
        """

        def wait(error: CtadataError, seconds: float) -> None:
            if fibers.wait_for_event(self._stop, seconds):
                raise error
            rewind()

        def may_retry(error: CtadataError) -> bool:
            repeatable = isinstance(error, (TemporaryError, TimedOut, IntegrityError))
            error.given_up = error.given_up or (repeatable and self._has_given_up)
            return repeatable and not error.given_up

        try:
            result = retry(attempt, self._retries, may_retry=may_retry, wait=wait)
        except CtadataError as error:
            self._has_given_up = self._has_given_up or error.given_up
            raise
        self._has_given_up = False
        return result

    def region_of(self, bucket: str) -> str:
        """Return the region that requests to a bucket are signed for."""
        return self.quirks.regions.get(bucket) or self.quirks.server_region or self.endpoint.region

    def signing_key(self, bucket: str) -> SigningKey | None:
        """Return the key that would sign a request to the bucket now; None for requests without a signature."""
        return self._keys.current(self.region_of(bucket))

    def retry_in_region(self, bucket: str, attempt: Callable[[], T], rewind: Callable[[], object] | None = None) -> T:
        """Call `attempt`; if the server names another region for the bucket, remember it and call `attempt` once more.

        Args:
            bucket: The bucket that the request is about.
            attempt: Sends the request.
            rewind: Brings the body back to its first byte before the second attempt; None for a request without a body.

        Raises:
            WrongRegion: The server does not name the region, or names the one that was signed for.
            LoginNeeded: The server does not accept the session token.
        """
        signed = self.region_of(bucket)
        try:
            return self._explain_refusal(bucket, attempt)
        except WrongRegion as error:
            if error.region is None or error.region == signed:
                error.what += f"; the request was signed for {signed}"
                raise
            self.quirks.regions[bucket] = error.region
            if not self.endpoint.is_aws:  # such a server has one region
                self.quirks.server_region = error.region
        if rewind:
            rewind()
        return self._explain_refusal(bucket, attempt)

    def _explain_refusal(self, bucket: str, attempt: Callable[[], T]) -> T:
        """Call `attempt`; raise a refusal that the access key explains with words about the key."""
        try:
            return attempt()
        except Forbidden as error:
            if self.signing_key(bucket) is None:
                raise without_key(error) from error
            raise
        except CtadataError as error:
            # Ceph answers 400 InvalidArgument if it cannot read the session token
            key = self.signing_key(bucket) if error.status == 400 and "InvalidArgument" in error.what else None
            if key is None or key.token is None:
                raise
            what = f"the server does not accept the session token: {error.what}"
            raise LoginNeeded(what, hint=RENEW_HINT, path=error.path, status=error.status) from error

    # The control plane

    def call(self, operation: str, **arguments: Any) -> Any:
        """Call one operation of S3 through boto3.

        Args:
            operation: The name of the method of boto3's S3 client, for example `list_buckets`.
            arguments: Its arguments in boto3's spelling, `Bucket` among them.

        Returns:
            The parsed response as boto3 gives it.

        Raises:
            CtadataError: The error that the server's answer means; boto3's own errors are translated.
            ConfigError: boto3 is not installed.
        """
        return self.retry_in_region(
            str(arguments.get("Bucket", "")), lambda: call_operation(getattr(self.api, operation), arguments)
        )

    @property
    def api(self) -> Any:
        """boto3's S3 client, created at the first use; raises ConfigError if boto3 is not installed."""
        with self._lock:
            if self._api is None:
                self._api = create_client(self.endpoint)
                self._api.meta.events.register_first("before-send.s3", self._send_for_boto3)
            return self._api

    def _send_for_boto3(self, request: Any, **_: object) -> Any:
        """Send the request that boto3 prepared, and return the response in botocore's form."""
        name, query, body = parse_request(request)
        received = bytearray()

        def accept(response: Response) -> Consumer:  # noqa: ARG001
            return lambda block: _append_block(received, block)

        sign = self._keys.current(self.region_of(name.bucket))
        response = self.client.send(
            request.method,
            self.endpoint.url(name, query, self.quirks.regions.get(name.bucket)),
            headers={**self.endpoint.payer, **headers_to_send(request.headers, body, signed=sign is not None)},
            body=body,
            accept=accept,
            sign=sign,
        )
        if b"<ListBucketResult" in received[:200]:  # no operation here asks for the objects of a bucket
            raise Unsupported("this server cannot do this: it answers with a list of objects")
        return response_for_boto3(response, bytes(received))

    def clean_up(self, action: Callable[[], object]) -> None:
        """Call `action` to tidy up at the server; its failure is ignored.

        If the requests are being stopped, `close` calls it instead.
        """
        if self._stop.is_set():
            self._deferred_cleanups.append(action)
            return
        with contextlib.suppress(CtadataError):
            action()

    def close(self) -> None:
        """Do the deferred clean-up, and close the connections."""
        if self._deferred_cleanups:
            self._stop.clear()  # the stop is over
        while self._deferred_cleanups:
            self.clean_up(self._deferred_cleanups.pop())
        self.client.close()


def _append_block(received: bytearray, block: memoryview) -> None:
    if len(received) + len(block) > MAX_RESPONSE:
        raise ServerTrouble(f"the server's answer is longer than {MAX_RESPONSE >> 20} MiB")
    received += block
