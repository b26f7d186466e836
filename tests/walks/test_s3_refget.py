"""Public reference sequences under many names, written by one and read by anybody (GA4GH refget's data sources)."""

from __future__ import annotations

import hashlib
import random
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers.rgw import Rgw
from servers.s3_servers import S3Server
from servers.s3_stub import s3_stub
from stores.s3.connections import FixedKey, opened_s3
from stores.suite import get
from walks.s3_user import Person

from ctadata.paths import RemotePath

PLAIN = "text/vnd.ga4gh.refget.v1.0.0+plain"
JSON = "application/vnd.ga4gh.refget.v1.0.0+json"

PROFILES = """
[profiles.loader]
kind = "s3"
endpoint = "{endpoint}"
ca = "{ca}"

[profiles.public]
kind = "s3"
endpoint = "{endpoint}"
ca = "{ca}"
root = "/{bucket}"
anonymous = true

[profiles.site]
kind = "s3"
endpoint = "{website}"
addressing = "website"
"""


@dataclass(frozen=True)
class Sequence:
    """A sequence, and the names that it has."""

    bases: bytes

    @property
    def primary(self) -> str:
        return hashlib.sha512(self.bases).digest()[:24].hex()

    @property
    def aliases(self) -> list[str]:
        return [hashlib.md5(self.bases).hexdigest(), f"ga4gh:SQ.{self.primary[:32]}"]


@pytest.fixture
def sequences() -> list[Sequence]:
    return new_sequences()


def new_sequences() -> list[Sequence]:
    """Six of them."""
    rng = random.Random(3)
    return [Sequence(bytes(rng.choices(b"ACGT", k=1000 + i))) for i in range(6)]


def test_from_the_empty_bucket_to_the_verified_sequence(
    rgw: Rgw | S3Server, tmp_path: Path, sequences: list[Sequence]
) -> None:
    keys = rgw.new_user()
    bucket = f"refget-{uuid.uuid4().hex[:10]}"
    me = Person(tmp_path / "me")
    me.settle(PROFILES.format(endpoint=rgw.https, ca=rgw.ca, bucket=bucket, website=rgw.website(bucket)))
    me.run("credentials", "import", stdin=f"AWS_ACCESS_KEY_ID={keys.access}\nAWS_SECRET_ACCESS_KEY={keys.secret}\n")
    client = rgw.client(keys)

    # the bucket, open to everybody, and served as a website
    me.run("make-bucket", "--website", "--public-read", bucket)

    # sequences and metadata by their primary names, each with its type
    lines = []
    for each in sequences:
        me.write(f"sequence/{each.primary}", each.bases)
        me.write(f"metadata/{each.primary}.json", b'{"length": %d}' % len(each.bases))
        for kind, end in (("sequence/", ""), ("metadata/json/", ".json")):
            names = (each.primary, *each.aliases)
            lines.append("\t".join(f"s3://{bucket}/{kind}{name}{end}" for name in names))
    me.run("put", "-r", "--content-type", PLAIN, "sequence/", f"s3://{bucket}/sequence")
    me.run("put", "-r", "--content-type", JSON, "metadata/", f"s3://{bucket}/metadata/json")
    first = sequences[0]
    head = client.head_object(Bucket=bucket, Key=f"sequence/{first.primary}")
    assert (head["ContentType"], head["ContentLength"]) == (PLAIN, len(first.bases))

    # every other name, from one list; what fails is counted, and the list done again does only what is missing
    broken = [*lines, f"s3://{bucket}/sequence/gone\ts3://{bucket}/sequence/x"]
    me.write("aliases.tsv", "".join(f"{line}\n" for line in broken).encode())
    failed = me.run("alias", "--from", "aliases.tsv", code=6).err
    assert "24 " in failed
    assert "1 file failed" in failed
    me.write("aliases.tsv", "".join(f"{line}\n" for line in lines).encode())
    assert "24 files skipped" in me.run("alias", "--from", "aliases.tsv").err
    there = client.head_object(Bucket=bucket, Key=f"sequence/{first.aliases[1]}")
    assert (there["ContentLength"], there["WebsiteRedirectLocation"]) == (0, f"/sequence/{first.primary}")

    # anybody reads any name of it, at the store and at the website
    for profile in ("public", "site"):
        for name in (first.primary, *first.aliases):
            me.run("get", f"{profile}:sequence/{name}", "back")
            assert me.read("back") == first.bases
            (me.home / "back").unlink()
    assert me.run("cat", f"site:metadata/json/{first.aliases[0]}.json").out == '{"length": 1000}'
    me.run("-P", "public", "list", code=4)

    # a whole tree of names comes down with its bytes, and goes up again without an alias lost
    me.run("get", "-r", f"s3://{bucket}/sequence", "down")
    for each in sequences:
        for name in (each.primary, *each.aliases):
            assert me.read(f"down/sequence/{name}") == each.bases
    assert "18 files skipped" in me.run("put", "-r", "down/sequence/", f"s3://{bucket}/sequence").err
    assert client.head_object(Bucket=bucket, Key=f"sequence/{first.aliases[0]}")["ContentLength"] == 0


def test_a_part_of_a_sequence_by_any_of_its_names(rgw: Rgw, sequences: list[Sequence]) -> None:
    keys = rgw.new_user()
    bucket, each = f"refget-{keys.access.lower()}", sequences[0]
    client = rgw.client(keys)
    client.create_bucket(Bucket=bucket, ACL="public-read")
    client.put_object(Bucket=bucket, Key="sequence/a", Body=each.bases, ACL="public-read")
    client.put_object(Bucket=bucket, Key="sequence/b", WebsiteRedirectLocation="/sequence/a", ACL="public-read")
    index = {"IndexDocument": {"Suffix": "index.html"}}
    client.put_bucket_website(Bucket=bucket, WebsiteConfiguration=index)
    alias = RemotePath(("sequence", "b"))
    for url, root, more in (
        (rgw.https, f"/{bucket}", {}),
        (rgw.website(bucket), "/", {"addressing": "website"}),
    ):
        with opened_s3(url, FixedKey(), root=root, ca=rgw.ca, **more) as store:
            assert get(store, alias, 10, 20) == each.bases[10:20]


def test_a_server_without_aliases_says_so(rgw: Rgw, tmp_path: Path) -> None:
    """OpenStack Swift's answer: 501, to the header and to the website."""
    keys = rgw.new_user()
    bucket = f"refget-{keys.access.lower()}"
    rgw.client(keys).create_bucket(Bucket=bucket)
    rgw.client(keys).put_object(Bucket=bucket, Key="a", Body=b"ACGT")
    me = Person(tmp_path / "me")
    env = {"AWS_ACCESS_KEY_ID": keys.access, "AWS_SECRET_ACCESS_KEY": keys.secret}
    with s3_stub(rgw.http) as stub:
        stub.answer("PUT", "/alias", 501, "NotImplemented")
        stub.answer("PUT", "website", 501, "NotImplemented")
        me.settle(f'[profiles.swift]\nkind = "s3"\nendpoint = "{stub.url}"\n')
        for words in (["alias", f"s3://{bucket}/a", f"s3://{bucket}/alias"], ["make-bucket", "--website", bucket]):
            assert "this server does not support that" in me.run(*words, code=2, env=env).err
    assert [found["Key"] for found in rgw.client(keys).list_objects_v2(Bucket=bucket)["Contents"]] == ["a"]
