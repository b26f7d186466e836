"""A research store with one bucket, a key that reads and a key that writes (Coscine's S3 resources)."""

from __future__ import annotations

import random
import re
import ssl
import urllib.request
import uuid
from pathlib import Path

import pytest
from servers.rgw import Rgw
from servers.s3_servers import S3Server
from servers.s3_stub import s3_stub
from walks.places import files_below
from walks.s3_user import Person

PROFILES = """
[profiles.read]
kind = "s3"
endpoint = "{endpoint}"
root = "/{bucket}"
addressing = "{addressing}"
ca = "{ca}"

[profiles.write]
kind = "s3"
endpoint = "{endpoint}"
root = "/{bucket}"
addressing = "{addressing}"
ca = "{ca}"
part_size = "5MiB"
"""


@pytest.mark.parametrize("addressing", ["path", "virtual"])
def test_from_the_two_keys_to_the_verified_file(
    rgw: Rgw | S3Server, tree: Path, tmp_path: Path, addressing: str
) -> None:
    owner, bucket = f"user-{uuid.uuid4().hex[:10]}", str(uuid.uuid4())
    write = rgw.new_user(name=owner)
    client = rgw.client(write)
    client.create_bucket(Bucket=bucket)
    read = rgw.read_only(owner, bucket)
    me = Person(tmp_path / "me")
    endpoint = rgw.https if addressing == "path" else rgw.named(rgw.https)
    me.settle(PROFILES.format(endpoint=endpoint, bucket=bucket, ca=rgw.ca, addressing=addressing))
    for profile, keys in (("read", read), ("write", write)):
        pasted = f"export AWS_ACCESS_KEY_ID={keys.access}\nexport AWS_SECRET_ACCESS_KEY={keys.secret}\n"
        assert keys.access in me.run("-P", profile, "credentials", "import", stdin=pasted).err

    # the key that reads, and a clear word where it may not write
    assert me.run("list").out == ""
    refused = me.run("put", me.write("a.txt", b"a"), "a.txt", code=4).err
    assert "this key may not write here" in refused

    # one file, a tree, all of it again, and a new version
    me.run("put", "a.txt", "write:a.txt")
    me.run("put", "-r", tree, "write:runs/")
    assert "66 files skipped" in me.run("put", "-r", tree, "write:runs/").err
    me.write("a.txt", b"another")
    me.run("put", "a.txt", "write:a.txt")
    assert me.run("cat", "read:a.txt").out == "another"
    assert me.run("stat", "read:a.txt").out.splitlines()[0] == "a.txt"
    assert "runs/night 1/large.bin" in me.run("list", "-r", "read:").lines

    # down again, with the other key, and nothing left to do the next time
    me.run("get", "-r", "read:runs/night 1/", "back")
    assert files_below(me.home / "back") == files_below(tree)
    assert "66 files skipped" in me.run("get", "-r", "read:runs/night 1/", "back").err

    # more than one part; the tag of such an object is made of its parts
    large = random.Random(1).randbytes(12_000_000)
    me.write("large", large)
    said = me.run("-v", "put", "large", "write:large").err
    said += me.run("-v", "get", "read:large", "large.back").err
    if rgw.counts_parts:
        assert said.count("md5-of-parts") >= 2
        assert client.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-3"')
    assert me.read("large.back") == large

    # a link for somebody without a key, as Coscine's own: SigV4
    link = me.run("share", "read:a.txt").out.strip()
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link
    if addressing == "path":  # Python resolves no *.localhost
        context = ssl.create_default_context(cafile=str(rgw.ca))
        with urllib.request.urlopen(link, context=context) as answer:
            assert answer.read() == b"another"

    # away with it
    me.run("rm", "write:a.txt")
    me.run("rm", "-r", "--yes", "write:runs")
    assert me.run("list", "-r", "read:").lines == ["large"]


def test_only_what_a_key_for_one_bucket_may_is_asked(rgw: Rgw, tmp_path: Path) -> None:
    keys, bucket = rgw.new_user(), str(uuid.uuid4())
    rgw.client(keys).create_bucket(Bucket=bucket)
    me = Person(tmp_path / "me")
    env = {"AWS_ACCESS_KEY_ID": keys.access, "AWS_SECRET_ACCESS_KEY": keys.secret}
    with s3_stub(rgw.http) as stub:
        me.settle(f'[profiles.one]\nkind = "s3"\nendpoint = "{stub.url}"\nroot = "/{bucket}"\n')
        me.write("d/a", b"a")
        for words in (
            ["put", "-r", "d", "/"], ["list", "-r"], ["stat", "d/a"], ["exists", "d/a"], ["du", "d"], ["find", "d"],
            ["get", "d/a", "b"],
            ["mv", "d/a", "d/b"], ["checksum", "d/b"], ["sync", ":d", "e"], ["rm", "-r", "--yes", "d"],
        ):  # fmt: skip
            me.run(*words, env=env)
        allowed = re.compile(rf"/{bucket}(/|\?delete\b|\?([^&]+&)*list-type=2\b)")
        assert [a.target for a in stub.asked if not allowed.match(a.target)] == []
        assert not [a for a in stub.asked if any(name.startswith("x-amz-acl") for name in a.headers)]
        assert all(f":{stub.url.rpartition(':')[2]}" in a.headers["host"] for a in stub.asked)


def test_a_full_bucket_is_a_full_storage(rgw: Rgw, tmp_path: Path) -> None:
    keys, bucket = rgw.new_user(max_size=100_000), str(uuid.uuid4())
    rgw.client(keys).create_bucket(Bucket=bucket)
    me = Person(tmp_path / "me")
    env = {"AWS_ACCESS_KEY_ID": keys.access, "AWS_SECRET_ACCESS_KEY": keys.secret}
    me.settle(f'[profiles.one]\nkind = "s3"\nendpoint = "{rgw.https}"\nroot = "/{bucket}"\nca = "{rgw.ca}"\n')
    me.run("put", me.write("a", bytes(90_000)), "a", env=env)
    said = me.run("put", me.write("b", bytes(90_000)), "b", code=11, env=env).err
    assert "a quota is used up" in said
    assert me.run("list", env=env).lines == ["a"]
