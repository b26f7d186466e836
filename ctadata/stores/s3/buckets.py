"""Buckets, and what they are to everybody: made, listed, removed; open to be read, served as a website.

What everybody may read is said by a bucket policy, not by access lists: buckets of AWS made since April 2023 refuse
those (Amazon S3 user guide, "Controlling ownership of objects and disabling ACLs").
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ctadata.errors import (
    AlreadyExists,
    CtadataError,
    Forbidden,
    LoginNeeded,
    NotFound,
    PartialFailure,
    Stopped,
    UsageError,
)
from ctadata.paths import escape_unprintable
from ctadata.stores.s3.address import USUAL_REGION, Name
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.listing import keys_below
from ctadata.stores.s3.object_ops import delete_keys
from ctadata.stores.s3.pages import PAGE

PUBLIC = "PublicRead"
"""The name of our statement in a bucket's policy; letters and digits alone may stand there."""

INDEX = "index.html"
"""What a website shows of a directory; it has to be told."""

_NAME = re.compile("[A-Za-z0-9._-]{1,255}")  # boto3 asks no server for another one; new ones are held to more by it


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of ours; created: seconds since 1970."""

    name: str
    created: float | None


def buckets(connection: Connection) -> Iterator[Bucket]:
    """The buckets of whoever asks; Forbidden, which one that may read its own bucket alone often gets."""
    told = connection.call("list_buckets")
    for bucket in told.get("Buckets", ()):
        created = bucket.get("CreationDate")
        yield Bucket(bucket["Name"], created and created.timestamp())


def make_bucket(connection: Connection, bucket: str, *, website: bool = False, public: bool = False) -> None:
    """Make a bucket, and open it; one of ours that is there is opened, where anything of that is asked for.

    public: everybody may read its objects; not list them.   website: it is served as one.
    AlreadyExists; Forbidden, Unsupported.
    """
    with _about(bucket):
        if not _exists(connection, bucket):
            _create(connection, bucket)
        elif not (website or public):
            raise AlreadyExists("the bucket is there already")
        if public:
            _open_to_read(connection, bucket)
        if website:
            settings = {"IndexDocument": {"Suffix": INDEX}}
            connection.call("put_bucket_website", Bucket=bucket, WebsiteConfiguration=settings)


def _exists(connection: Connection, bucket: str) -> bool:
    try:
        connection.send("HEAD", Name(bucket, ""))
    except NotFound:
        return False
    except Forbidden as error:
        raise AlreadyExists("the bucket is somebody else's", status=error.status) from error
    return True


def _create(connection: Connection, bucket: str) -> None:
    region = connection.endpoint.region
    place = {} if region == USUAL_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        connection.call("create_bucket", Bucket=bucket, **place)
    except CtadataError as error:
        if not place or "InvalidLocationConstraint" not in error.what:
            raise
        connection.call("create_bucket", Bucket=bucket)  # a server where regions are only signed for


def _open_to_read(connection: Connection, bucket: str) -> None:
    policy = public_read(_policy(connection, bucket), bucket)
    if policy is None:
        return
    try:
        connection.call("put_bucket_policy", Bucket=bucket, Policy=policy)
    except Forbidden as error:
        error.hint = "the bucket is yours to open only where nothing blocks it: on AWS, Block Public Access does"
        raise


def _policy(connection: Connection, bucket: str) -> str | None:
    try:
        told = connection.call("get_bucket_policy", Bucket=bucket)
    except NotFound:
        return None
    return str(told["Policy"])


def public_read(policy: str | None, bucket: str) -> str | None:
    """The policy with one statement more, by which everybody may read objects; None where it has that already.

    Whatever else it says stays. Listing is not part of it.
    """
    document = json.loads(policy) if policy else {"Version": "2012-10-17", "Statement": []}
    said: Any = document["Statement"]
    statements = [said] if isinstance(said, dict) else said
    if any(statement.get("Sid") == PUBLIC for statement in statements):
        return None
    ours = {
        "Sid": PUBLIC,
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    return json.dumps({**document, "Statement": [*statements, ours]})


def remove_bucket(connection: Connection, bucket: str, *, recursive: bool = False) -> None:
    """Remove a bucket; with `recursive` all it holds first: objects, their old versions, uploads under way.

    NotFound; UsageError where it is not empty; PartialFailure where the server kept some of it.
    """
    with _about(bucket):
        if not recursive:
            _delete(connection, bucket)
            return
        _check(*delete_keys(connection, bucket, keys_below(connection, Name(bucket, ""))))
        try:
            _delete(connection, bucket)
        except CtadataError as error:
            if "BucketNotEmpty" not in error.what:
                raise
            _check(*_delete_hidden(connection, bucket))
            _delete(connection, bucket)


def _delete(connection: Connection, bucket: str) -> None:
    connection.call("delete_bucket", Bucket=bucket)


def _check(failures: list[CtadataError], done: int) -> None:
    if failures:
        raise PartialFailure(failures, [None] * done)


def _delete_hidden(connection: Connection, bucket: str) -> tuple[list[CtadataError], int]:
    """Delete what no listing shows: old versions with their marks, and uploads that were never ended."""
    failures: list[CtadataError] = []
    done = 0
    hidden = itertools.chain(_versions(connection, bucket), _uploads(connection, bucket))
    while batch := list(itertools.islice(hidden, PAGE)):
        for key, query in batch:
            try:
                connection.send("DELETE", Name(bucket, key), query=query)
                done += 1
            except (LoginNeeded, Stopped):
                raise
            except CtadataError as error:
                error.path = escape_unprintable(f"s3://{bucket}/{key}")
                failures.append(error)
    return failures, done


def _versions(connection: Connection, bucket: str) -> Iterator[tuple[str, str]]:
    for page in _pages(connection, bucket, "list_object_versions", ("KeyMarker", "VersionIdMarker")):
        for item in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            yield item["Key"], f"versionId={quote(item['VersionId'], safe='')}"


def _uploads(connection: Connection, bucket: str) -> Iterator[tuple[str, str]]:
    for page in _pages(connection, bucket, "list_multipart_uploads", ("KeyMarker", "UploadIdMarker")):
        for item in page.get("Uploads", ()):
            yield item["Key"], f"uploadId={quote(item['UploadId'], safe='')}"


def _pages(connection: Connection, bucket: str, verb: str, markers: tuple[str, str]) -> Iterator[Any]:
    asked: dict[str, str] = {"Bucket": bucket}
    while True:
        page = connection.call(verb, **asked)
        yield page
        if not page.get("IsTruncated"):
            return
        asked.update({marker: page[f"Next{marker}"] for marker in markers if page.get(f"Next{marker}")})


@contextlib.contextmanager
def _about(bucket: str) -> Iterator[None]:
    try:
        if not _NAME.fullmatch(bucket):
            raise UsageError("no bucket can have this name", hint="it has 3 to 63 lower-case letters, digits, - and .")
        yield
    except CtadataError as error:
        error.path = error.path or f"s3://{escape_unprintable(bucket)}"
        raise
