"""The jobs with large and many files, buckets and keys that the matrix of S3 servers does; and the four walks."""

from __future__ import annotations

import hashlib
import json
import random
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from servers.s3_jobs import PART, Job, Visit
from servers.s3_stub import S3Stub, s3_stub
from walks import test_s3_coscine, test_s3_jasmin, test_s3_provena, test_s3_refget

LARGE = 300 << 20
MANY = 5000


@contextmanager
def watched(at: Visit) -> Iterator[S3Stub]:
    """A stub before the server, which notes what the commands of this block ask."""
    with s3_stub(at.site.http) as stub:
        at.settle(stub.url)
        try:
            yield stub
        finally:
            at.settle(at.site.http)


def large_file(at: Visit, size: int = LARGE) -> str:
    """Write it; return its SHA-256."""
    rng, digest = random.Random(11), hashlib.sha256()
    with (at.home / "large").open("wb") as file:
        for _ in range(size >> 20):
            block = rng.randbytes(1 << 20)
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def put_resumed(at: Visit, size: int = LARGE) -> None:
    """Killed when most parts have been sent; the next run sends only those that the store does not have."""
    at.notes["sha"], parts = large_file(at, size), size // PART

    def sent_most() -> bool:
        """Of one upload: where tags are no MD5, the client begins a second one."""
        uploads = Counter(asked.target.partition("uploadId=")[2] for asked in stub.requests("PUT", "partNumber="))
        return max(uploads.values(), default=0) >= parts * 2 // 3

    with watched(at) as stub:
        at.kill(["put", "large", "@large"], sent_most)
        stub.forget()
        at.run("put", "large", "@large")
        sent = len(stub.requests("PUT", "partNumber="))
    assert at.sha("large") == at.notes["sha"], "other bytes"
    assert sent < parts * 3 // 4, f"all {parts} parts are sent again"


def get_resumed(at: Visit) -> None:
    """Killed when 100 MiB have come; the next run says how much it has already."""
    at.home.joinpath("down-large").mkdir()
    folder = at.home / "down-large"

    def there() -> bool:
        return sum(path.stat().st_blocks * 512 for path in folder.glob(".ctadata-*.part")) > 100 << 20

    at.kill(["get", "@large", "down-large/"], there)
    at.run("get", "@large", "down-large/")
    assert "already here" in at.notes["said"], "began anew"
    digest = hashlib.sha256((folder / "large").read_bytes()).hexdigest()
    assert digest == at.notes["sha"], "other bytes"


def unfinished_by_boto3(at: Visit) -> None:
    """Nobody resumes an upload at a server that does not tell which parts it has."""
    upload = at.boto3.create_multipart_upload(Bucket=at.bucket, Key="theirs")["UploadId"]
    assert at.boto3.list_multipart_uploads(Bucket=at.bucket, Prefix="theirs").get("Uploads"), "no upload is listed"
    at.boto3.list_parts(Bucket=at.bucket, Key="theirs", UploadId=upload)


def large_by_boto3(at: Visit) -> None:
    at.boto3.upload_file(str(at.home / "large"), at.bucket, "large")
    assert at.sha("large") == at.notes["sha"]


def many(at: Visit) -> None:
    for number in range(MANY):
        at.write(f"many/{number:05d}", b"%d" % number)
    at.run("put", "-r", "many", "@")
    with watched(at) as stub:
        found = at.run("list", "@many").splitlines()
        asked = len(stub.requests("GET", "list-type"))
    assert len(found) == MANY, f"{len(found)} of {MANY} are listed"
    assert asked <= MANY // 1000 + 1, f"{asked} requests for a list"
    at.run("get", "-r", "@many", "back-many")
    assert (at.home / "back-many/many/04999").read_bytes() == b"4999", "other bytes"
    at.run("rm", "-r", "--yes", "@many")
    assert at.keys_below("many") == [], "still there"


def many_by_boto3(at: Visit) -> None:
    client = at.boto3
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: client.put_object(Bucket=at.bucket, Key=f"5000/{i:05d}", Body=b"x"), range(MANY)))
    assert len(at.keys_below("5000/")) == MANY


def buckets(at: Visit) -> None:
    name = f"{at.bucket}-2"
    at.run("make-bucket", name)
    assert name in at.run("buckets").splitlines(), "not listed"
    at.write("a", b"a")
    at.run("put", "a", f"/{name}/a")
    assert at.refused("remove-bucket", name), "a full bucket was removed"
    at.run("remove-bucket", "-r", "--yes", name)
    assert name not in at.run("buckets").splitlines(), "still listed"


def buckets_by_boto3(at: Visit) -> None:
    name = f"{at.bucket}-3"
    at.boto3.create_bucket(Bucket=name)
    assert name in [each["Name"] for each in at.boto3.list_buckets()["Buckets"]]
    at.boto3.delete_bucket(Bucket=name)


def aliases(at: Visit) -> None:
    at.boto3.put_object(Bucket=at.bucket, Key="real", Body=b"real")
    at.run("alias", "@real", "@other")
    assert at.run("cat", "@other") == "real", "other bytes"


def aliases_by_boto3(at: Visit) -> None:
    at.boto3.put_object(Bucket=at.bucket, Key="theirs", WebsiteRedirectLocation="/real")
    found = at.boto3.head_object(Bucket=at.bucket, Key="theirs")
    assert found.get("WebsiteRedirectLocation") == "/real", "the redirect is not kept"


def public(at: Visit) -> None:
    name = f"{at.bucket}-public"
    at.run("make-bucket", "--public-read", name)
    at.write("open", b"public")
    at.run("put", "open", f"/{name}/a")
    assert at.run("cat", f"public:{name}/a") == "public", "other bytes"


def public_by_boto3(at: Visit) -> None:
    name = f"open-{uuid4().hex[:10]}"
    reads = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{name}/*"]}
    at.boto3.create_bucket(Bucket=name)
    at.boto3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [reads]}))
    at.boto3.put_object(Bucket=name, Key="open", Body=b"public")
    with urllib.request.urlopen(f"{at.site.http}/{name}/open") as answer:
        assert answer.read() == b"public", "other bytes"


def website(at: Visit) -> None:
    at.run("make-bucket", "--website", f"{at.bucket}-site")
    website_by_boto3(at, look=f"{at.bucket}-site")


def website_by_boto3(at: Visit, look: str = "") -> None:
    if not look:
        index = {"IndexDocument": {"Suffix": "index.html"}}
        at.boto3.put_bucket_website(Bucket=at.bucket, WebsiteConfiguration=index)
    assert "IndexDocument" in at.boto3.get_bucket_website(Bucket=look or at.bucket), "no website"


def walk(go: Callable[[Visit, Path], object], boto3: Callable[[Visit], object], name: str) -> Job:
    """A walk of tests/walks, begun at this server."""

    def ours(at: Visit) -> None:
        folder = at.home / name
        folder.mkdir()
        go(at, folder)

    return Job(f"the walk of {name}", ours, boto3)


def coscine(at: Visit, folder: Path) -> None:
    for name, content in (
        ("plain.txt", b"plain\n"),
        ("sub/größe ∑ 日本.txt", b"unicode"),
        ("large.bin", bytes(3 << 20)),
    ):
        at.write(f"night 1/{name}", content)
    for i in range(63):
        at.write(f"night 1/sub/deeper/{i:03d}", b"%d" % i)
    test_s3_coscine.test_from_the_two_keys_to_the_verified_file(at.site, at.home / "night 1", folder, "path")


def jasmin(at: Visit, folder: Path) -> None:
    test_s3_jasmin.test_the_whole_sequence_of_its_script(at.site, folder)


def provena(at: Visit, folder: Path) -> None:
    dataset, me = test_s3_provena.new_dataset(at.site), test_s3_provena.new_user_of(at.site, folder)
    at.write("night 1/sub/a", b"a")
    test_s3_provena.test_from_the_pasted_credentials_to_the_verified_files(
        at.site, me, dataset, at.home / "night 1", folder
    )


def refget(at: Visit, folder: Path) -> None:
    sequences = test_s3_refget.new_sequences()
    test_s3_refget.test_from_the_empty_bucket_to_the_verified_sequence(at.site, folder, sequences)


def two_keys_by_boto3(at: Visit) -> None:
    reader: Any = at.site.client(at.site.read_only("somebody", at.bucket))
    reader.list_objects_v2(Bucket=at.bucket)
    with pytest.raises(reader.exceptions.ClientError):
        reader.put_object(Bucket=at.bucket, Key="a", Body=b"a")
    link_by_boto3(at, reader)


def session_by_boto3(at: Visit) -> None:
    allowed = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}
    session = at.site.session(at.keys, "somebody", {"Version": "2012-10-17", "Statement": [allowed]})
    client = at.site.client(session)
    client.list_objects_v2(Bucket=at.bucket)
    link_by_boto3(at, client)


def link_by_boto3(at: Visit, client: Any) -> None:
    at.boto3.put_object(Bucket=at.bucket, Key="linked", Body=b"linked")
    asked = {"Bucket": at.bucket, "Key": "linked"}
    with urllib.request.urlopen(client.generate_presigned_url("get_object", asked)) as answer:
        assert answer.read() == b"linked"


def open_website_by_boto3(at: Visit) -> None:
    website_by_boto3(at)
    aliases_by_boto3(at)
    public_by_boto3(at)


JOBS = (
    Job("300 MiB up, killed and resumed", put_resumed, unfinished_by_boto3),
    Job("300 MiB down, killed and resumed", get_resumed, large_by_boto3),
    Job("5,000 files up, listed, down, deleted", many, many_by_boto3),
    Job("`buckets`, `make-bucket`, `remove-bucket`", buckets, buckets_by_boto3),
    Job("`alias`", aliases, aliases_by_boto3),
    Job("`make-bucket --public-read`", public, public_by_boto3),
    Job("`make-bucket --website`", website, website_by_boto3),
    walk(coscine, two_keys_by_boto3, "Coscine"),
    walk(jasmin, buckets_by_boto3, "JASMIN"),
    walk(provena, session_by_boto3, "Provena"),
    walk(refget, open_website_by_boto3, "refget"),
)
