"""A data store that hands out temporary credentials for one dataset (Provena's)."""

from __future__ import annotations

import json
import random
import ssl
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers.rgw import Rgw
from servers.s3_client import Keys
from servers.s3_servers import S3Server
from servers.s3_stub import S3Stub, s3_stub
from walks.places import files_below
from walks.s3_user import Person

HANDLE = "10378-1-1234567"


@dataclass(frozen=True)
class Dataset:
    """A bucket with datasets, and who may do what in one of them."""

    bucket: str
    owner: Keys
    session: Keys

    @property
    def place(self) -> str:
        return f"/{self.bucket}/datasets/{HANDLE}/"


def pasted(keys: Keys, form: str) -> str:
    """What the page shows, for each shell."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return "".join(
        form.format(name, value) + "\n"
        for name, value in zip(names, (keys.access, keys.secret, keys.token), strict=True)
    )


@pytest.fixture
def dataset(rgw: Rgw) -> Dataset:
    return new_dataset(rgw)


def new_dataset(rgw: Rgw | S3Server) -> Dataset:
    """A bucket with two datasets, and temporary keys for one of them."""
    name, bucket = f"user-{uuid.uuid4().hex[:10]}", f"store-{uuid.uuid4().hex[:10]}"
    owner = rgw.new_user(name=name)
    rgw.client(owner).create_bucket(Bucket=bucket)
    rgw.client(owner).put_object(Bucket=bucket, Key=f"datasets/{HANDLE}/metadata.json", Body=b"{}")
    rgw.client(owner).put_object(Bucket=bucket, Key="datasets/10378-1-7654321/secret", Body=b"not yours")
    reach = f"arn:aws:s3:::{bucket}/datasets/{HANDLE}"
    allowed = [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject*", "s3:PutObject", "s3:DeleteObject*", "s3:AbortMultipartUpload"],
            "Resource": [reach, f"{reach}/", f"{reach}/*"],
        },
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads"],
            "Resource": [f"arn:aws:s3:::{bucket}"],
        },
    ]
    session = rgw.session(owner, name, {"Version": "2012-10-17", "Statement": allowed})
    return Dataset(bucket, owner, session)


@pytest.fixture
def me(tmp_path: Path, rgw: Rgw) -> Person:
    return new_user_of(rgw, tmp_path)


def new_user_of(rgw: Rgw | S3Server, tmp_path: Path) -> Person:
    """Somebody with a profile for this server."""
    me = Person(tmp_path / "me")
    me.settle(f'[profiles.mds]\nkind = "s3"\nendpoint = "{rgw.https}"\nca = "{rgw.ca}"\n')
    return me


@pytest.mark.parametrize("form", ['export {}="{}"', "SET {}={}", '$Env:{}="{}"'], ids=["bash", "cmd", "PowerShell"])
def test_what_the_page_shows_is_taken_as_it_is(me: Person, dataset: Dataset, form: str) -> None:
    said = me.run("credentials", "import", "--lifetime", "8h", stdin=pasted(dataset.session, form)).err
    assert dataset.session.access in said
    assert dataset.session.secret not in said
    kept = [path for path in me.home.rglob("*") if path.is_file() and dataset.session.secret in path.read_text()]
    assert [path.stat().st_mode & 0o777 for path in kept] == [0o600]
    assert me.run("list", dataset.place).lines == [f"{dataset.bucket}/datasets/{HANDLE}/metadata.json"]
    me.run("buckets", code=4)


def test_from_the_pasted_credentials_to_the_verified_files(
    rgw: Rgw | S3Server, me: Person, dataset: Dataset, tree: Path, tmp_path: Path
) -> None:
    me.run("credentials", "import", "--lifetime", "8h", stdin=pasted(dataset.session, 'export {}="{}"'))
    s3 = f"s3://{dataset.bucket}/datasets/{HANDLE}/"

    # both spellings of the place; files, folders, and both ways of a sync
    me.run("put", me.write("a.csv", b"1,2\n"), s3)
    me.run("put", "-r", tree, dataset.place)
    me.run("get", "-r", f"{dataset.place}night 1/", "back")
    assert files_below(me.home / "back") == files_below(tree)
    me.run("sync", f"mds:{dataset.place}", "mirror")
    assert {"metadata.json", "a.csv"} < set(files_below(me.home / "mirror"))
    me.write("mirror/b.csv", b"3,4\n")
    me.run("sync", "mirror", f"mds:{dataset.place}")
    client = rgw.client(dataset.owner)
    assert client.get_object(Bucket=dataset.bucket, Key=f"datasets/{HANDLE}/b.csv")["Body"].read() == b"3,4\n"
    assert client.get_object(Bucket=dataset.bucket, Key=f"datasets/{HANDLE}/metadata.json")["Body"].read() == b"{}"

    # in parts, each with the session's token
    large = random.Random(2).randbytes(11_000_000)
    me.run("put", me.write("large", large), s3, env={"CTADATA_PART_SIZE": "5MiB"})
    key = f"datasets/{HANDLE}/large"
    assert client.get_object(Bucket=dataset.bucket, Key=key)["Body"].read() == large
    if rgw.counts_parts:
        assert client.head_object(Bucket=dataset.bucket, Key=key)["ETag"].endswith('-3"')

    # a link that carries it too
    link = me.run("share", "--expires", "3h", f"{s3}a.csv").out.strip()
    assert "X-Amz-Security-Token=" in link
    context = ssl.create_default_context(cafile=str(rgw.ca))
    with urllib.request.urlopen(link, context=context) as answer:
        assert answer.read() == b"1,2\n"

    # nothing outside of the dataset
    assert "not allowed" in me.run("cat", f"/{dataset.bucket}/datasets/10378-1-7654321/secret", code=4).err
    me.run("put", "a.csv", f"/{dataset.bucket}/datasets/a.csv", code=4)


def test_nobody_is_asked_for_buckets_or_their_place(rgw: Rgw, me: Person, dataset: Dataset) -> None:
    with s3_stub(rgw.http) as stub:
        me.settle(f'[profiles.mds]\nkind = "s3"\nendpoint = "{stub.url}"\n')
        me.run("credentials", "import", stdin=pasted(dataset.session, 'export {}="{}"'))
        me.write("d/a", b"a")
        me.run("put", "-r", "d", dataset.place)
        me.run("list", "-r", dataset.place)
        me.run("get", "-r", f"{dataset.place}d", "back")
        me.run("stat", f"{dataset.place}d/a")
        assert stub.asked
        for asked in stub.asked:
            path, _, query = asked.target.partition("?")
            assert path not in ("", "/"), "the list of buckets"
            assert not query.startswith("location")
            assert not (asked.method == "HEAD" and path.rstrip("/") == f"/{dataset.bucket}")
            assert asked.headers["x-amz-security-token"] == dataset.session.token
            assert "x-amz-security-token" in asked.headers["authorization"]


def expired(stub: S3Stub, code: str) -> None:
    for method in ("GET", "HEAD", "PUT", "POST"):
        stub.answer(method, "/", 400, code)


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidToken"])
def test_expired_credentials_are_told_and_asked_once(rgw: Rgw, me: Person, dataset: Dataset, code: str) -> None:
    with s3_stub(rgw.http) as stub:
        expired(stub, code)
        me.settle(f'[profiles.mds]\nkind = "s3"\nendpoint = "{stub.url}"\n')
        me.run("credentials", "import", stdin=pasted(dataset.session, 'export {}="{}"'))
        said = me.run("list", dataset.place, code=4).err
        assert "have expired" in said
        assert "credentials import" in said
        assert [asked.method for asked in stub.asked] == ["GET"]
        assert dataset.session.token not in said


def test_a_token_that_was_cut_while_copying(rgw: Rgw, me: Person, dataset: Dataset) -> None:
    """What Ceph itself says of one that it cannot read, 400 InvalidArgument, is no riddle to the user."""
    other = Keys(dataset.session.access, dataset.session.secret, "cut!")
    me.run("credentials", "import", stdin=pasted(other, 'export {}="{}"'))
    assert "credentials import" in me.run("list", dataset.place, code=4).err


def test_a_stricter_site_lists_the_data_set_alone(rgw: Rgw, me: Person, dataset: Dataset, tree: Path) -> None:
    """There 403 is the answer for every name that does not exist, and for all that lies above."""
    name = f"guest-{uuid.uuid4().hex[:10]}"
    guest, who = rgw.new_user(name=name), {"AWS": [f"arn:aws:iam:::user/{name}"]}
    reach = f"datasets/{HANDLE}/"
    allowed = [
        {
            "Effect": "Allow", "Principal": who, "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            "Resource": [f"arn:aws:s3:::{dataset.bucket}/{reach}*"],
        },
        {
            "Effect": "Allow", "Principal": who, "Action": ["s3:ListBucket"],
            "Resource": [f"arn:aws:s3:::{dataset.bucket}"], "Condition": {"StringLike": {"s3:prefix": [f"{reach}*"]}},
        },
    ]  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    rgw.client(dataset.owner).put_bucket_policy(Bucket=dataset.bucket, Policy=policy)
    me.run("credentials", "import", stdin=pasted(guest, 'export {}="{}"'))
    me.run("list", f"/{dataset.bucket}", code=4)
    me.run("exists", f"{dataset.place}new.csv", code=3)
    me.run("put", me.write("a.csv", b"1,2\n"), f"{dataset.place}new.csv")
    assert me.run("cat", f"{dataset.place}new.csv").out == "1,2\n"
    me.run("put", "-r", tree, dataset.place)
    me.run("get", "-r", f"{dataset.place}night 1/", "back")
    assert files_below(me.home / "back") == files_below(tree)
    me.run("rm", "-r", "--yes", f"{dataset.place}night 1")
    assert me.run("list", dataset.place).lines == [
        f"{dataset.bucket}/{reach}metadata.json", f"{dataset.bucket}/{reach}new.csv"
    ]  # fmt: skip
