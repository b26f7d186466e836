"""boto3's S3 client for the control plane: its creation, its requests and its responses in botocore's form.

The client gets neither a credential nor the user's AWS configuration. It sends nothing itself: `Connection` sends its
requests from botocore's event `before-send`.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from ctadata.errors import ConfigError, ServerTrouble, UsageError
from ctadata.http.messages import Response, split_url
from ctadata.http.redaction import sanitize
from ctadata.stores.s3.address import Endpoint, Name
from ctadata.stores.s3.errors import error_of_code

_BOTO3_HEADERS = ("user-agent", "host", "content-length", "expect", "amz-sdk", "x-amz-user-agent", "accept-encoding")


_REQUIRED = {
    "Buckets": ("Name",),
    "DeleteMarkers": ("Key", "VersionId"),
    "Deleted": ("Key",),
    "Parts": ("PartNumber", "Size", "ETag"),
    "TagSet": ("Key", "Value"),
    "Uploads": ("Key", "UploadId"),
    "Versions": ("Key", "VersionId"),
}
"""The lists of answers, and what each of their members must have to be of use."""


def parse_request(request: Any) -> tuple[Name, str, bytes | None]:
    """Return the object or bucket of a request that boto3 prepared, its query, and its body (None without one)."""
    path, _, query = split_url(request.url)[1].partition("?")
    bucket, _, key = path[1:].partition("/")
    body = request.body if isinstance(request.body, bytes) else (request.body or "").encode() or None
    return Name(_unquote(bucket), _unquote(key)), query, body


def _unquote(text: str) -> str:
    return unquote(text, errors="surrogateescape")


def response_for_boto3(response: Response, body: bytes) -> Any:
    """Return a response and its body in the form that botocore parses."""
    from botocore.awsrequest import AWSResponse

    return AWSResponse(response.url, response.status, dict(response.headers.items()), _RawBody(body))


def headers_to_send(prepared: Mapping[str, Any], body: bytes | None, *, signed: bool) -> dict[str, str]:
    """Return the headers that boto3 prepared without those that libcurl sets, and add digests of the body.

    Older servers require Content-MD5.
    """
    headers = {
        name: value.decode() if isinstance(value, bytes) else str(value)
        for name, value in prepared.items()
        if not name.lower().startswith(_BOTO3_HEADERS)
    }
    if body is not None:
        md5 = hashlib.md5(body, usedforsecurity=False).digest()
        headers.setdefault("Content-MD5", base64.b64encode(md5).decode())
    if signed:
        headers["x-amz-content-sha256"] = hashlib.sha256(body or b"").hexdigest()
    return headers


def call_operation(operation: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call an operation of boto3, and translate the errors that boto3 itself raises.

    boto3 raises for an error in the body of a 200 response, for a response that it cannot parse, and for arguments that
    make no valid request.

    Raises:
        ServerTrouble: The answer cannot be parsed, or a member of a list in it lacks what it must have.
        UsageError: The arguments make no valid request.
        CtadataError: The error of the answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        answer = operation(**arguments)
    except ClientError as error:
        fields = error.response.get("Error", {})
        # such a 200 answers an operation that writes, and the operation changed nothing
        raise error_of_code(str(fields.get("Code", "")), str(fields.get("Message", "")), 500, "POST") from None
    except BotoCoreError as error:
        raise UsageError(f"boto3 cannot build the request: {error}") from None
    except (ResponseParserError, ValueError) as error:
        raise ServerTrouble(f"the answer cannot be read: {sanitize(str(error))}") from None
    for each, names in _REQUIRED.items():
        for member in answer.get(each, ()):
            if lacking := [name for name in names if name not in member]:
                raise ServerTrouble(f"the answer is no valid one: a member of {each} has no {lacking[0]}")
    return answer


class _RawBody:
    """A response body in the form that botocore reads."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: object, **__: object) -> list[bytes]:
        return [self._content]


_client_creation = threading.Lock()


def create_client(endpoint: Endpoint) -> Any:
    """Return a new S3 client of boto3 that signs nothing and retries nothing.

    Raises:
        ConfigError: boto3 is not installed.
    """
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
    with _client_creation:
        return _session_without_user_config().create_client(
            "s3", region_name=endpoint.region, endpoint_url=str(endpoint.origin), config=config
        )


@functools.cache
def _session_without_user_config() -> Any:
    """Return a session with botocore's description of S3, read once, and without the user's AWS configuration."""
    import botocore.session

    no_profile = {"profile": (None, None, None, None)}
    files = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    return botocore.session.Session(session_vars={**no_profile, **files})
