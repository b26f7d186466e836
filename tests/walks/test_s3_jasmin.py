"""An institute's object store with its own file of credentials, plain http inside (JASMIN's)."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from servers.rgw import Rgw
from servers.s3_client import Keys
from servers.s3_servers import S3Server
from servers.s3_stub import s3_stub
from walks.s3_user import Person


def credentials(me: Person, keys: Keys, store: str = "http://my-os-tenancy-o.s3.jc.rl.ac.uk") -> None:
    """`~/.credentials/jos-credentials.json`, as the portal gives it, and the store that its own client looks for."""
    told = {"token": keys.access, "secret": keys.secret, "store_url": store}
    me.write(".credentials/jos-credentials.json", json.dumps(told).encode()).chmod(0o600)


def profile(name: str, endpoint: str, **more: str) -> str:
    lines = [f"[profiles.{name}]", 'kind = "s3"', f'endpoint = "{endpoint}"', 'addressing = "path"']
    return "\n".join([*lines, *(f'{key} = "{value}"' for key, value in more.items()), ""])


def test_the_whole_sequence_of_its_script(rgw: Rgw | S3Server, tmp_path: Path) -> None:
    """make_bucket, list_buckets, fput_object, list_objects, fget_object, remove_objects, remove_bucket."""
    keys, bucket = rgw.new_user(), f"test-{uuid.uuid4().hex[:10]}"
    me = Person(tmp_path / "me")
    credentials(me, keys)
    me.settle(profile("inside", rgw.http) + profile("outside", rgw.https, ca=str(rgw.ca)))
    assert f"{keys.access} from" in me.run("credentials", "show").out

    me.run("exists", f"s3://{bucket}/", code=3)
    me.run("make-bucket", bucket)
    me.run("exists", f"s3://{bucket}/")
    assert bucket in me.run("buckets").lines
    assert f"{bucket}" in me.run("buckets", "-l").out
    assert f"{bucket}/" in me.run("list").lines  # nobody has named a bucket: these are they

    content = bytes(range(256)) * 40
    me.run("put", me.write("file.nc", content), f"s3://{bucket}/a/file.nc")
    me.run("put", "file.nc", f"/{bucket}/b.nc")
    assert sorted(me.run("list", "-r", f"s3://{bucket}/").lines) == sorted(
        [f"{bucket}/a/", f"{bucket}/a/file.nc", f"{bucket}/b.nc"]
    )
    me.run("get", f"outside:{bucket}/a/file.nc", "back.nc")  # the same data, from outside and over TLS
    assert me.read("back.nc") == content

    assert "not empty" in me.run("remove-bucket", bucket, code=2).err
    me.run("remove-bucket", "-r", "--yes", bucket)
    assert bucket not in me.run("buckets").lines


def test_the_store_that_its_file_names(rgw: Rgw, tmp_path: Path) -> None:
    keys, bucket = rgw.new_user(), f"test-{uuid.uuid4().hex[:10]}"
    me = Person(tmp_path / "me")
    credentials(me, keys, f"{rgw.http}/")
    me.settle('[profiles.jasmin]\nkind = "s3"\naddressing = "path"\n')
    me.run("make-bucket", bucket)
    me.run("put", me.write("a", b"content"), f"/{bucket}/a")
    assert me.run("cat", f"s3://{bucket}/a").out == "content"
    assert "jos-credentials.json" in next(line for line in me.run("config").lines if line.startswith("endpoint"))


def test_a_shared_bucket_that_is_not_listed_is_named(rgw: Rgw, tmp_path: Path) -> None:
    owner, guest, bucket = rgw.new_user(), rgw.new_user(), f"test-{uuid.uuid4().hex[:10]}"
    client = rgw.client(owner)
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="a", Body=b"shared")
    everybody = {"Effect": "Allow", "Principal": "*", "Action": ["s3:ListBucket", "s3:GetObject"]}
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    policy = {"Version": "2012-10-17", "Statement": [{**everybody, "Resource": resources}]}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    me = Person(tmp_path / "me")
    credentials(me, guest)
    me.settle(profile("inside", rgw.http) + profile("public", rgw.http) + "anonymous = true\n")
    assert me.run("buckets").lines == []
    assert me.run("list", f"s3://{bucket}/").lines == [f"{bucket}/a"]
    assert me.run("cat", f"public:{bucket}/a").out == "shared"
    me.run("put", me.write("b", b"b"), f"s3://{bucket}/b", code=4)


def test_a_full_store_that_takes_no_bulk_deletion(rgw: Rgw, tmp_path: Path) -> None:
    """It then refuses the one request for many, and takes the many for one each (its help)."""
    keys, bucket = rgw.new_user(), f"test-{uuid.uuid4().hex[:10]}"
    client = rgw.client(keys)
    client.create_bucket(Bucket=bucket)
    for i in range(5):
        client.put_object(Bucket=bucket, Key=f"run/{i}", Body=b"x")
    me = Person(tmp_path / "me")
    credentials(me, keys)
    with s3_stub(rgw.http) as stub:
        stub.answer("POST", "delete", 403, "QuotaExceeded")
        stub.answer("PUT", "/new", 403, "QuotaExceeded")
        me.settle(profile("full", stub.url))
        assert "a quota is used up" in me.run("put", me.write("new", b"x"), f"s3://{bucket}/new", code=11).err
        assert me.run("cat", f"s3://{bucket}/run/1").out == "x"
        me.run("rm", "-r", "--yes", f"s3://{bucket}/run")
        assert len(stub.requests("POST", "delete")) == 1
        assert len(stub.requests("DELETE", "/run/")) == 5
        me.run("remove-bucket", "-r", "--yes", bucket)
    assert client.list_buckets()["Buckets"] == []
