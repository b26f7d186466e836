"""The embedded S3 server does what the tests rely on."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from servers.moto import Key


def test_there_and_back(moto_s3):
    bucket = moto_s3.bucket()
    client = moto_s3.client()
    client.put_object(Bucket=bucket, Key="a/b", Body=b"x", WebsiteRedirectLocation="/c")
    found = client.head_object(Bucket=bucket, Key="a/b")
    assert (found["ContentLength"], found["WebsiteRedirectLocation"]) == (1, "/c")


def test_signatures_tokens_and_policies_count_where_they_are_checked(moto_s3):
    bucket = moto_s3.bucket()
    only_read = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": "*"}],
    }
    reader, session = moto_s3.user(only_read), moto_s3.session()
    with moto_s3.checked():
        for key in (moto_s3.key, session):
            moto_s3.client(key).put_object(Bucket=bucket, Key="a", Body=b"x")
        assert moto_s3.client(reader).list_objects_v2(Bucket=bucket)["KeyCount"] == 1
        for key, code in (
            (reader, "AccessDenied"),
            (Key(reader.id, "wrong"), "SignatureDoesNotMatch"),
            (Key(session.id, session.secret, "wrong"), "InvalidToken"),
            (Key("B" * 20, "wrong"), "InvalidAccessKeyId"),
        ):
            with pytest.raises(ClientError) as caught:
                moto_s3.client(key).put_object(Bucket=bucket, Key="b", Body=b"x")
            assert caught.value.response["Error"]["Code"] == code
