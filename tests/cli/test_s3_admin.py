"""What the owner of a bucket asks: its settings, its size, its unfinished uploads."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def at_s3(run, moto_s3, tmp_path, monkeypatch):
    """The command, with moto as the site of the profile st."""
    settings = tmp_path / "s3.toml"
    settings.write_text(f'[profiles.st]\nkind = "s3"\nendpoint = "{moto_s3.url}"\nregion = "{moto_s3.region}"\n')
    variables = {"CTADATA_CONFIG": str(settings), "CTADATA_PROFILE": "st", "AWS_ACCESS_KEY_ID": moto_s3.key.id}
    for name, value in {**variables, "AWS_SECRET_ACCESS_KEY": moto_s3.key.secret}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return run


def test_the_settings_of_a_bucket_are_shown(at_s3, moto_s3):
    bucket, client = moto_s3.bucket(), moto_s3.client()
    plain = json.loads(at_s3("bucket-info", "--json", bucket, check=0).out)
    assert (plain["region"], plain["versioning"]) == (moto_s3.region, None)
    assert (plain["lifecycle"], plain["policy"]) == (None, None)
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "raw/"}, "Expiration": {"Days": 30}}
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    cors = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://a.example"]}
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [cors]})
    at_s3("make-bucket", "--versioning", "--public-read", "--website", bucket, check=0)
    info = json.loads(at_s3("bucket-info", "--json", f"s3://{bucket}/", check=0).out)
    assert (info["versioning"], info["lifecycle"], info["cors"]) == ("Enabled", [rule], [cors])
    assert info["policy"]["Statement"][0]["Sid"] == "PublicRead"
    assert info["website"] == {"IndexDocument": {"Suffix": "index.html"}}
    words = [line.split()[:2] for line in at_s3("bucket-info", bucket, check=0).out.splitlines()]
    assert ["versioning", "Enabled"] in words
    assert ["tags", "none"] in words
    assert "no such bucket" in at_s3("bucket-info", "missing-bucket", check=3).err
    only = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetBucketCORS", "Resource": "*"}]}
    key = moto_s3.user(only)
    with pytest.MonkeyPatch.context() as env, moto_s3.checked():
        env.setenv("AWS_ACCESS_KEY_ID", key.id)
        env.setenv("AWS_SECRET_ACCESS_KEY", key.secret)
        info = json.loads(at_s3("bucket-info", "--json", bucket, check=0).out)
    assert (info["cors"], info["policy"], info["versioning"]) == ([cors], "not allowed", "not allowed")


def test_buckets_have_sizes(at_s3, moto_s3):
    bucket = moto_s3.bucket()
    for key in ("a", "b//c"):
        moto_s3.client().put_object(Bucket=bucket, Key=key, Body=b"xyz")
    rows = [json.loads(line) for line in at_s3("buckets", "--du", "--json", check=0).out.splitlines()]
    assert next((row["files"], row["size"]) for row in rows if row["bucket"] == bucket) == (2, 6)
    assert f"{'2':>9}  {'6':>14}  {bucket}\n" in at_s3("buckets", "--du", check=0).out


def test_unfinished_uploads_are_listed_and_aborted(at_s3, moto_s3):
    bucket, client = moto_s3.bucket(), moto_s3.client()
    ids = {}
    for key in ("run/a b", "run/sub/c", "run-2/d"):
        ids[key] = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    client.upload_part(Bucket=bucket, Key="run/a b", UploadId=ids["run/a b"], PartNumber=1, Body=b"12345")
    rows = [
        json.loads(line)
        for line in at_s3("multipart", "list", "--json", f"s3://{bucket}/run", check=0).out.splitlines()
    ]
    found = {row["path"]: (row["upload_id"], row["parts"], row["size"]) for row in rows}
    assert found == {f"{bucket}/run/a b": (ids["run/a b"], 1, 5), f"{bucket}/run/sub/c": (ids["run/sub/c"], 0, 0)}
    assert ids["run-2/d"] in at_s3("multipart", "list", f"s3://{bucket}/", check=0).out
    assert at_s3("multipart", "list", "--older", "36500d", f"s3://{bucket}/", check=0).out == ""
    at_s3("multipart", "abort", "--older", "36500d", "--yes", f"s3://{bucket}/", check=0)
    assert "--yes" in at_s3("multipart", "abort", f"s3://{bucket}/run", check=2).err
    assert (
        at_s3("multipart", "abort", "-n", f"s3://{bucket}/run-2", check=0).out
        == f"abort {bucket}/run-2/d ({ids['run-2/d']})\n"
    )
    at_s3("multipart", "abort", "--upload-id", ids["run/sub/c"], "--yes", f"s3://{bucket}/run", check=0)
    assert len(client.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 2
    at_s3("multipart", "abort", "--upload-id", ids["run/sub/c"], "--yes", f"s3://{bucket}/run", check=3)
    assert "2 uploads aborted" in at_s3("multipart", "abort", "--yes", f"s3://{bucket}/", check=0).err
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
    assert "one bucket" in at_s3("multipart", "list", "/", check=2).err


def test_other_stores_have_none_of_it(run, box, use_sandbox):
    use_sandbox(box)
    for command in (("bucket-info", "a"), ("buckets", "--du"), ("multipart", "list", "/"), ("multipart", "abort", "/")):
        ended = run(*command, check=2)
        assert ("no S3 store" in ended.err, len(ended.err.splitlines())) == (True, 1)
