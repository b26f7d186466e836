"""Buckets, content types and aliases of an S3 store; most commands run in this process."""

from __future__ import annotations

import json
import signal
import subprocess
import uuid

import pytest

from ctadata.tokens.profile_files import ProfileFiles


@pytest.fixture
def at_s3(run, s3_site, monkeypatch):
    """The command `run`, with moto as its site."""
    for variable, value in s3_site.items():
        monkeypatch.setenv(variable, value)
    return run


@pytest.fixture
def s3_site(moto_s3, tmp_path):
    """The environment variables that point to moto."""
    settings = tmp_path / "s3.toml"
    settings.write_text(
        f'default = "store"\n[profiles.store]\nkind = "s3"\nendpoint = "{moto_s3.url}"\nregion = "{moto_s3.region}"\n'
    )
    keys = {"AWS_ACCESS_KEY_ID": moto_s3.key.id, "AWS_SECRET_ACCESS_KEY": moto_s3.key.secret}
    return {"CTADATA_CONFIG": str(settings), **keys}


@pytest.fixture
def name() -> str:
    return f"bucket-{uuid.uuid4().hex[:10]}"


def test_a_bucket_is_made_listed_and_removed(at_s3, moto_s3, name):
    at_s3("make-bucket", name, check=0)
    assert "exists already" in at_s3("make-bucket", name, check=8).err
    at_s3("make-bucket", "--website", "--public-read", f"s3://{name}/", check=0)
    assert moto_s3.client().get_bucket_website(Bucket=name)["IndexDocument"]
    assert name in at_s3("buckets", check=0).out.splitlines()
    rows = [json.loads(line) for line in at_s3("buckets", "--json", check=0).out.splitlines()]
    assert next(row["created"] for row in rows if row["bucket"] == name).endswith("Z")
    moto_s3.client().put_object(Bucket=name, Key="a/b", Body=b"x")
    assert "not empty" in at_s3("remove-bucket", name, check=2).err
    assert "--yes" in at_s3("remove-bucket", "-r", name, check=2).err
    at_s3("remove-bucket", "-r", "--yes", name, check=0)
    assert at_s3("remove-bucket", name, check=3).err.startswith(f"cta-data-direct: s3://{name}: ")


def test_a_terminal_asks_before_it_removes_objects(cli, s3_site, moto_s3, name):
    moto_s3.client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": moto_s3.region})
    terminal = cli.terminal("remove-bucket", "-r", name, env=s3_site)
    terminal.expect(f"s3://{name}/ with all it holds\n.*1 bucket")
    terminal.send("n\n")
    assert terminal.end() == 1
    assert moto_s3.client().head_bucket(Bucket=name)


def test_a_pasted_access_key_is_not_shown(cli, s3_site):
    terminal = cli.terminal("credentials", "import", env=s3_site)
    terminal.expect("paste the credentials")
    token = "t0ken" * 1200  # more than a terminal takes in one line
    terminal.send('export AWS_ACCESS_KEY_ID="AKIA1"\nexport AWS_SECRET_ACCESS_KEY="5ecret"\n')
    terminal.send(f'export AWS_SESSION_TOKEN="{token}"\n\x04')
    terminal.expect("access key AKIA1 kept for the profile store")
    assert terminal.end() == 0
    assert "5ecret" not in terminal.text
    assert "t0ken" not in terminal.text
    assert token in ProfileFiles.of("store").access_key.read_text()


def test_put_sets_content_type_and_redirect(at_s3, moto_s3, name, tmp_path):
    client = moto_s3.client()
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": moto_s3.region})
    (tmp_path / "seq").write_bytes(b"ACGT")
    (tmp_path / "empty").touch()
    put = ("put", tmp_path / "seq", f"s3://{name}/sequence/a")
    at_s3(*put, "--content-type", "text/plain", check=0)
    assert client.head_object(Bucket=name, Key="sequence/a")["ContentType"] == "text/plain"
    assert "1 file skipped" in at_s3(*put, "--content-type", "text/plain", check=0).err
    at_s3(*put, "--content-type", "text/x-other", "--redirect-to", "/elsewhere", check=0)
    found = client.head_object(Bucket=name, Key="sequence/a")
    assert (found["ContentType"], found["WebsiteRedirectLocation"]) == ("text/x-other", "/elsewhere")
    for wrong in ("plain", "text/plain\r\nx-amz-acl: public-read"):
        assert "no media type" in at_s3(*put, "--content-type", wrong, check=2).err
    assert "redirected" in at_s3(*put, "--redirect-to", "a b", check=2).err
    assert "alias" in at_s3("put", tmp_path / "empty", f"s3://{name}/e", "--redirect-to", "/sequence/a", check=2).err


def test_aliases_one_by_one_and_by_a_list(at_s3, moto_s3, name):
    client = moto_s3.client()
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": moto_s3.region})
    for key in ("a", "b"):
        client.put_object(Bucket=name, Key=key, Body=key.encode() * 3)
    root = f"s3://{name}"
    assert "2 files" in at_s3("alias", f"{root}/a", f"{root}/x", f"{root}/y z", check=0).err
    assert at_s3("cat", f"{root}/y z", check=0).out == "aaa"
    assert "--replace" in at_s3("alias", f"{root}/b", f"{root}/x", check=8).err
    at_s3("alias", "--replace", f"{root}/b", f"{root}/x", check=0)
    assert at_s3("cat", f"{root}/x", check=0).out == "bbb"
    lines = [f"{name}/a\t{name}/y z\t{name}/one", f"{name}/b\t{name}/two", f"{name}/gone\t{name}/three", ""]
    ended = at_s3("alias", "--from", "-", "--json", stdin="\n".join(lines).encode(), check=6)
    states = {row["path"].rpartition("/")[2]: row["state"] for row in map(json.loads, ended.out.splitlines())}
    assert states == {"y z": "skipped", "one": "done", "two": "done", "three": "failed"}
    assert client.head_object(Bucket=name, Key="two")["WebsiteRedirectLocation"] == "/b"
    named = f"store:{name}/a\tstore:{name}/three\n".encode()
    at_s3("alias", "--from", "-", stdin=named, check=0)
    assert "the profile cscs" in at_s3("alias", "--from", "-", stdin=b"cscs:a/b\ta/c\n", check=2).err
    assert "line 1" in at_s3("alias", "--from", "-", stdin=b"no tab\n", check=2).err


def test_a_store_other_than_s3_has_no_buckets(run, box, use_sandbox):
    use_sandbox(box)
    for command in (["buckets"], ["alias", "a", "b"], ["put", "--content-type", "text/plain", __file__, "a"]):
        assert "no S3 store" in run(*command, check=2).err


def test_one_signal_ends_the_wait_for_a_list_of_aliases(cli, s3_site, moto_s3, name):
    client = moto_s3.client()
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": moto_s3.region})
    client.put_object(Bucket=name, Key="a", Body=b"content")
    process = cli.start("alias", "--from", "-", "--json", env=s3_site, stdin=subprocess.PIPE)
    process.stdin.write(f"{name}/a\t{name}/one\n")
    process.stdin.flush()
    assert "/one" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143  # the list is still open
    err = process.communicate()[1]
    assert "1 file done" in err
    assert err.count("stopping; ") == err.count("cta-data-direct: stopped") == 1
