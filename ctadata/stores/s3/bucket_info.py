"""What a server says about a bucket: its region, versioning, lifecycle, CORS, policy, website, encryption and tags."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ctadata.errors import CtadataError, Forbidden, LoginNeeded, NotFound, Stopped
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.head import head_bucket

NOT_ALLOWED, NOT_SUPPORTED = "not allowed", "not supported"
"""The words for a setting that the key may not read, and for one that the server does not know."""

_QUESTIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "versioning": ("get_bucket_versioning", lambda answer: answer.get("Status")),
    "lifecycle": ("get_bucket_lifecycle_configuration", lambda answer: answer.get("Rules")),
    "cors": ("get_bucket_cors", lambda answer: answer.get("CORSRules")),
    "policy": ("get_bucket_policy", lambda answer: json.loads(answer["Policy"]) if answer.get("Policy") else None),
    "website": ("get_bucket_website", lambda answer: _without_metadata(answer) or None),
    "encryption": (
        "get_bucket_encryption",
        lambda answer: answer.get("ServerSideEncryptionConfiguration", {}).get("Rules"),
    ),
    "tags": (
        "get_bucket_tagging",
        lambda answer: {pair["Key"]: pair["Value"] for pair in answer.get("TagSet", ())} or None,
    ),
}


def bucket_info(connection: Connection, bucket: str) -> dict[str, Any]:
    """Return the settings of a bucket, each as the server says it.

    Args:
        connection: The server.
        bucket: The name of the bucket.

    Returns:
        A value for `region`, `versioning`, `lifecycle`, `cors`, `policy`, `website`, `encryption` and `tags`, as JSON
        has it. None means that the bucket has no such setting; `NOT_ALLOWED` and `NOT_SUPPORTED`, that the server does
        not tell.

    Raises:
        NotFound: There is no such bucket.
    """
    try:
        head_bucket(connection, bucket)
    except Forbidden:  # a key may read a setting, and not the bucket
        pass
    except NotFound:
        raise NotFound("there is no such bucket", path=f"s3://{bucket}", status=404) from None
    settings = {word: _ask(connection, bucket, *question) for word, question in _QUESTIONS.items()}
    return {"region": connection.region_of(bucket), **settings}


def _ask(connection: Connection, bucket: str, operation: str, read: Callable[[Any], Any]) -> Any:
    try:
        answer = read(connection.call(operation, Bucket=bucket))
        return json.loads(json.dumps(answer, default=str))  # rules of a lifecycle hold dates
    except (LoginNeeded, Stopped):
        raise
    except NotFound:  # NoSuchLifecycleConfiguration, NoSuchBucketPolicy and so on
        return None
    except Forbidden:
        return NOT_ALLOWED
    except (CtadataError, ValueError, KeyError, AttributeError):  # some servers answer such a question with a listing
        return NOT_SUPPORTED


def _without_metadata(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
