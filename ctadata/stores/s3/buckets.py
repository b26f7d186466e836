"""Create, list and remove buckets; let everybody read a bucket's objects; serve a bucket as a website.

Public reading is granted by a bucket policy and not by access control lists, because AWS buckets created since April
2023 refuse ACLs (Amazon S3 User Guide, "Controlling ownership of objects and disabling ACLs").
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
    Unsupported,
    UsageError,
)
from ctadata.printable import escape_unprintable
from ctadata.stores.s3.address import DEFAULT_REGION, Name, s3_address
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.head import head_bucket
from ctadata.stores.s3.listing import list_keys
from ctadata.stores.s3.object_ops import delete_keys
from ctadata.stores.s3.pages import PAGE
from ctadata.stores.s3.pending_uploads import list_pending
from ctadata.stores.s3.versions import list_versions

PUBLIC = "PublicRead"
"""The Sid (name) of our statement in a bucket's policy; a Sid holds letters and digits only."""

INDEX = "index.html"
"""The file that a website shows for a directory; S3 requires it in a website's configuration."""

_REFUSED_PLACES = ("InvalidLocationConstraint", "IllegalLocationConstraint")
_TAKEN = ("BucketAlreadyExists", "BucketAlreadyOwnedByYou")
_NAME = re.compile("[A-Za-z0-9._-]{1,255}")  # boto3 refuses other names unsent; servers are stricter


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of the caller.

    Attributes:
        name: Its name.
        created: When it was created, in seconds since 1970 UTC; None if the server does not say.
    """

    name: str
    created: float | None


def list_buckets(connection: Connection) -> Iterator[Bucket]:
    """Yield the buckets that the caller owns.

    Raises:
        Forbidden: The key may read its own bucket and list no others, which is common.
    """
    try:
        response = connection.call("list_buckets")
    except Forbidden as error:
        error.hint = "name a bucket: s3://bucket/"
        raise
    for bucket in response.get("Buckets", ()):
        created = bucket.get("CreationDate")
        yield Bucket(bucket["Name"], created and created.timestamp())


def make_bucket(
    connection: Connection, bucket: str, *, website: bool = False, public: bool = False, versioning: bool = False
) -> None:
    """Create a bucket, and open it to everybody if the caller asks for that.

    An existing bucket of the caller is changed too, if `website`, `public` or `versioning` is set.

    Args:
        connection: The server.
        bucket: The name.
        website: Whether the server serves the bucket as a website.
        public: Whether everybody may read the objects. Nobody else may list them.
        versioning: Whether the bucket keeps old versions of its objects.

    Raises:
        AlreadyExists: The caller has this bucket already and asks for nothing else, or another user has it.
        Forbidden: The key may not do this.
        Unsupported: The server has no policies or no websites.
    """
    with _about(bucket):
        if not _exists(connection, bucket):
            _create(connection, bucket)
        elif not (website or public or versioning):
            raise AlreadyExists("the bucket exists already")
        if versioning:
            connection.call("put_bucket_versioning", Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        if public:
            _allow_public_read(connection, bucket)
        if website:
            _serve_as_website(connection, bucket)


def _exists(connection: Connection, bucket: str) -> bool:
    """Return whether the caller sees the bucket. A key that may only create buckets does not; then creation decides."""
    try:
        head_bucket(connection, bucket)
    except (NotFound, Forbidden, Unsupported):
        return False
    return True


def _create(connection: Connection, bucket: str) -> None:
    region = connection.region_of(bucket)
    place = {} if region == DEFAULT_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        connection.call("create_bucket", Bucket=bucket, **place)
    except CtadataError as error:
        if not any(code in error.what for code in _REFUSED_PLACES):
            raise
        if not place or "Illegal" in error.what:
            error.what += f"; it was asked for {region}"
            raise
        connection.call("create_bucket", Bucket=bucket)  # this server knows its region in signatures only


def _allow_public_read(connection: Connection, bucket: str) -> None:
    policy = add_public_read(_get_policy(connection, bucket), bucket)
    if policy is None:
        return
    try:
        with _unsupported_if("MalformedXML", *_TAKEN):
            connection.call("put_bucket_policy", Bucket=bucket, Policy=policy)
    except Forbidden as error:
        error.hint = "on AWS, switch off Block Public Access for this bucket first"
        raise
    if add_public_read(_get_policy(connection, bucket), bucket) is not None:
        raise _unsupported("it does not keep the policy of a bucket")


def _serve_as_website(connection: Connection, bucket: str) -> None:
    settings = {"IndexDocument": {"Suffix": INDEX}}
    with _unsupported_if("MalformedXML", *_TAKEN, "NoSuchWebsiteConfiguration"):
        connection.call("put_bucket_website", Bucket=bucket, WebsiteConfiguration=settings)
        stored = connection.call("get_bucket_website", Bucket=bucket)
    if not stored.get("IndexDocument"):
        raise _unsupported("it does not keep the website of a bucket")


def _unsupported(why: str) -> Unsupported:
    return Unsupported(f"this server cannot do this: {why}", hint="the bucket itself exists")


@contextlib.contextmanager
def _unsupported_if(*codes: str) -> Iterator[None]:
    """Raise Unsupported if a server misunderstands a request, and answers with one of these codes.

    MinIO takes the settings of a website for something else (MalformedXML). `rclone serve s3` ignores the name of the
    setting, and so is asked to create the bucket (BucketAlreadyExists).
    """
    try:
        yield
    except CtadataError as error:
        code = next((code for code in codes if code in error.what), None)
        if code is None:
            raise
        raise _unsupported(f"it answers {error.status} {code}") from error


def _get_policy(connection: Connection, bucket: str) -> str | None:
    try:
        response = connection.call("get_bucket_policy", Bucket=bucket)
    except NotFound:
        return None
    policy = str(response.get("Policy", ""))
    try:
        is_policy = "Statement" in json.loads(policy)
    except (ValueError, TypeError, RecursionError):
        is_policy = False
    if not is_policy:
        raise _unsupported("it answers with something else in place of the policy")
    return policy


def add_public_read(policy: str | None, bucket: str) -> str | None:
    """Add to a bucket's policy the statement that lets everybody read its objects, but not list them.

    Args:
        policy: The present policy as JSON, None if the bucket has none. Its other statements stay.
        bucket: The name of the bucket.

    Returns:
        The new policy as JSON; None if the policy holds our statement already.
    """
    document = json.loads(policy) if policy else {"Version": "2012-10-17", "Statement": []}
    statement_or_list: Any = document["Statement"]
    statements = [statement_or_list] if isinstance(statement_or_list, dict) else statement_or_list
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
    """Remove a bucket.

    Args:
        connection: The server.
        bucket: The name.
        recursive: Whether to delete first all that it holds: objects, their old versions, unfinished uploads.

    Raises:
        NotFound: There is no such bucket.
        UsageError: The bucket is not empty, and `recursive` is False.
        PartialFailure: The server kept some of the objects.
    """
    with _about(bucket):
        if not recursive:
            _delete_bucket(connection, bucket)
            return
        _raise_failures(*delete_keys(connection, bucket, list_keys(connection, Name(bucket, ""))))
        try:
            _delete_bucket(connection, bucket)
        except CtadataError as error:
            if "BucketNotEmpty" not in error.what:
                raise
            _raise_failures(*_delete_hidden(connection, bucket))
            _delete_bucket(connection, bucket)


def _delete_bucket(connection: Connection, bucket: str) -> None:
    connection.call("delete_bucket", Bucket=bucket)


def _raise_failures(failures: list[CtadataError], done: int) -> None:
    if failures:
        raise PartialFailure(failures, [None] * done)


def _delete_hidden(connection: Connection, bucket: str) -> tuple[list[CtadataError], int]:
    """Delete what a listing of objects hides: old versions with their delete markers, and unfinished uploads."""
    failures: list[CtadataError] = []
    done = 0
    everything = Name(bucket, "")
    versions = list_versions(connection, everything, recursive=True)
    hidden = itertools.chain(
        ((Name(bucket, each.key, each.id), "") for each in versions),
        ((each.name, f"uploadId={quote(each.id, safe='')}") for each in list_pending(connection, everything)),
    )
    while batch := list(itertools.islice(hidden, PAGE)):
        for name, query in batch:
            try:
                connection.send("DELETE", name, query=query)
                done += 1
            except (LoginNeeded, Stopped):
                raise
            except CtadataError as error:
                error.path = s3_address(name.bucket, name.key)
                failures.append(error)
    return failures, done


@contextlib.contextmanager
def _about(bucket: str) -> Iterator[None]:
    try:
        if not _NAME.fullmatch(bucket):
            raise UsageError("no bucket can have this name", hint="it has 3 to 63 lower-case letters, digits, - and .")
        yield
    except CtadataError as error:
        error.path = error.path or f"s3://{escape_unprintable(bucket)}"
        raise
