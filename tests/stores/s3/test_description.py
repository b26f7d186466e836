"""What a store says about an object beside its bytes."""

from __future__ import annotations

import pytest

from ctadata.errors import Unsupported
from ctadata.paths import RemotePath
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.description import get_tags


@pytest.mark.parametrize("content", [b"first", b"<html></html>", bytes(1 << 20)], ids=["text", "page", "large"])
def test_a_server_that_answers_with_the_file_tells_no_tags(at_moto, content):
    """As `rclone serve s3` does, which overlooks `?tagging`."""
    bucket = at_moto.bucket()
    at_moto.put(bucket, "a", content)
    at_moto.stub.answer("GET", "tagging", 200, body=content)
    with pytest.raises(Unsupported, match="tags"):
        get_tags(at_moto.store.connection, Name(bucket, "a"))
    _, described = at_moto.store.describe(at_moto.store.info(RemotePath((bucket, "a"))))
    assert "tags" not in described


def test_tags_are_read(at_moto):
    bucket = at_moto.bucket()
    at_moto.put(bucket, "a", b"a")
    tags = [{"Key": "run", "Value": "a b=c"}, {"Key": "empty", "Value": ""}]
    at_moto.client.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": tags})
    assert get_tags(at_moto.store.connection, Name(bucket, "a")) == {"run": "a b=c", "empty": ""}
