"""The commands at an S3 store."""

from __future__ import annotations

import io
import json
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers.moto import MotoS3
from servers.s3_stub import s3_stub

from ctadata.cli.commands import credentials
from ctadata.cli.main import run

PASTED = """export AWS_ACCESS_KEY_ID="AKIAPASTED"
export AWS_SECRET_ACCESS_KEY="5ecret/5ecret"
export AWS_SESSION_TOKEN="t0ken"
"""


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@dataclass
class Here:
    """The command in this process, in a directory of its own."""

    cwd: Path
    env: pytest.MonkeyPatch
    captured: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, check: int, stdin: str = "") -> Ended:
        self.env.setattr(sys, "stdin", io.StringIO(stdin))
        code = run(arguments)
        ended = Ended(code, *self.captured.readouterr())
        assert code == check, ended
        return ended


@pytest.fixture(scope="module")
def bucket(moto_s3: MotoS3) -> str:
    return moto_s3.bucket()


@pytest.fixture
def at_s3(moto_s3, bucket, tmp_path, monkeypatch, capsys) -> Here:
    """The command, with two profiles at one S3 server; the key is in the environment."""
    settings = tmp_path / "settings.toml"
    place = f'kind = "s3"\nendpoint = "{moto_s3.url}"\nregion = "{moto_s3.region}"\n'
    settings.write_text(f'[profiles.store]\n{place}\n[profiles.mine]\n{place}root = "/{bucket}/mine"\n')
    monkeypatch.setenv("CTADATA_CONFIG", str(settings))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_s3.key.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_s3.key.secret)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Here(tmp_path / "here", monkeypatch, capsys)


def test_every_form_of_a_path(at_s3, bucket):
    (at_s3.cwd / "a b.txt").write_text("hello")
    assert "1 file done" in at_s3("put", "a b.txt", f"store:{bucket}/forms/x/", check=0).err
    for arguments in (
        ("-P", "store", "list", f"/{bucket}/forms/x"),
        ("-P", "store", "list", f"{bucket}/forms/x/"),
        ("-P", "store", "list", f"s3://{bucket}/forms/x/"),
        ("list", f"store:{bucket}/forms/x"),
        ("list", f"store:/{bucket}/forms/x"),
    ):
        assert at_s3(*arguments, check=0).out == f"{bucket}/forms/x/a b.txt\n"
    at_s3("get", f"store:{bucket}/forms/x/a b.txt", "copy", check=0)
    assert (at_s3.cwd / "copy").read_text() == "hello"
    at_s3("sync", f"store:{bucket}/forms", "synced", check=0)
    assert (at_s3.cwd / "synced" / "x" / "a b.txt").read_text() == "hello"


def test_a_profile_may_be_one_directory(at_s3, bucket):
    (at_s3.cwd / "a").write_text("1")
    at_s3("-P", "mine", "put", "a", "run/", check=0)
    assert at_s3("list", "-r", "mine:", check=0).out.split() == ["run/", "run/a"]
    assert at_s3("-P", "mine", "list", f"s3://{bucket}/mine/run", check=0).out == "run/a\n"
    assert "outside the root" in at_s3("-P", "mine", "list", f"s3://{bucket}/other", check=2).err


def test_a_name_before_a_colon_is_a_profile_only_where_there_is_one(at_s3, bucket):
    (at_s3.cwd / "x:y").write_text("1")
    at_s3("put", "x:y", f"store:{bucket}/colons/", check=0)
    at_s3("-P", "store", "get", f"{bucket}/colons/x:y", "./mine:copy", check=0)
    assert (at_s3.cwd / "mine:copy").exists()
    assert "two profiles" in at_s3("-P", "mine", "list", "store:x", check=2).err
    assert "is no S3 store" in at_s3("-P", "cscs", "list", "s3://bucket/x", check=2).err


def test_a_tree_there_and_back_makes_no_marks_but_for_empty_directories(at_s3, moto_s3, bucket):
    (at_s3.cwd / "run" / "sub").mkdir(parents=True)
    (at_s3.cwd / "run" / "empty").mkdir()
    (at_s3.cwd / "run" / "sub" / "a").write_text("1")
    at_s3("put", "-r", "run", f"store:{bucket}/tree/", check=0)
    listing = moto_s3.client().list_objects_v2(Bucket=bucket, Prefix="tree/")
    assert [item["Key"] for item in listing["Contents"]] == ["tree/run/empty/", "tree/run/sub/a"]
    at_s3("get", "-r", f"store:{bucket}/tree/run", "back", check=0)
    assert (at_s3.cwd / "back" / "run" / "empty").is_dir()
    again = at_s3("put", "-r", "run", f"store:{bucket}/tree/", check=0)
    assert "1 file skipped, equal already" in again.err


def test_the_receipt_says_what_was_checked(at_s3, bucket):
    (at_s3.cwd / "a").write_text("1")
    up = json.loads(at_s3("put", "--json", "a", f"store:{bucket}/receipts/a", check=0).out)
    down = json.loads(at_s3("get", "--json", f"store:{bucket}/receipts/a", "b", check=0).out)
    assert (up["verified"], down["verified"]) == ("size, md5", "size, md5")
    assert (up["local"], down["local"]) == (str(at_s3.cwd / "a"), str(at_s3.cwd / "b"))


def test_an_upload_in_one_piece_and_one_in_parts_are_verified_by_their_receipt_here_and_there(
    at_s3, bucket, monkeypatch
):
    monkeypatch.setenv("CTADATA_PART_SIZE", "5MiB")
    (at_s3.cwd / "run").mkdir()
    (at_s3.cwd / "run" / "a").write_text("1")
    (at_s3.cwd / "run" / "b").write_bytes(bytes(11 << 20))
    at_s3("put", "-r", "--receipt", "receipt", "run/", f"store:{bucket}/sent", check=0)
    digests = sorted(
        json.loads(line)["digest"].split(":")[0] for line in (at_s3.cwd / "receipt").read_text().splitlines()
    )
    assert digests == ["md5", f"md5-of-parts/{5 << 20}"]
    at_s3("-P", "store", "verify", "receipt", check=0)
    at_s3("-P", "store", "verify", "--remote", "receipt", check=0)
    (at_s3.cwd / "run" / "b").write_bytes(bytes(11 << 20)[:-1] + b"x")
    assert "md5-of-parts" in at_s3("-P", "store", "verify", "receipt", check=6).err


class TestAStubBefore:
    """What is asked of the server, and what it may refuse."""

    @pytest.fixture
    def stub(self, moto_s3, at_s3, monkeypatch):
        with s3_stub(moto_s3.url) as stub:
            monkeypatch.setenv("CTADATA_ENDPOINT", stub.url)
            yield stub

    def test_a_key_that_may_write_and_not_look_puts_under_the_name_that_was_said(self, at_s3, stub, moto_s3, bucket):
        for method, part in (("GET", "list-type"), ("HEAD", "/drop"), ("GET", "/drop")):
            stub.answer(method, part, 403, "AccessDenied")
        (at_s3.cwd / "a").write_text("1")
        (at_s3.cwd / "tree" / "empty").mkdir(parents=True)
        (at_s3.cwd / "tree" / "b").write_text("2")
        at_s3("-P", "store", "put", "a", f"{bucket}/drop/x", check=0)
        at_s3("-P", "store", "put", "-r", "tree", f"{bucket}/drop/", check=0)
        listing = moto_s3.client().list_objects_v2(Bucket=bucket, Prefix="drop/")
        assert [item["Key"] for item in listing["Contents"]] == ["drop/tree/b", "drop/tree/empty/", "drop/x"]
        assert all("if-none-match" in asked.headers for asked in stub.requests("PUT") if "empty" not in asked.target)
        (at_s3.cwd / "a").write_text("another")
        at_s3("-P", "store", "put", "a", f"{bucket}/drop/x", check=4)
        assert moto_s3.client().get_object(Bucket=bucket, Key="drop/x")["Body"].read() == b"1"

    def test_one_file_into_a_crowded_directory_lists_none_of_it(self, at_s3, stub, moto_s3, bucket):
        for name in ("1", "2"):
            moto_s3.client().put_object(Bucket=bucket, Key=f"crowd/{name}", Body=b"x")
        (at_s3.cwd / "3").write_text("3")
        at_s3("-P", "store", "put", "3", f"{bucket}/crowd/", check=0)
        assert not [asked for asked in stub.requests("GET", "list-type") if "max-keys=1000" in asked.target]
        assert "1 file skipped" in at_s3("-P", "store", "put", "3", f"{bucket}/crowd/", check=0).err

    def test_two_stores_may_have_a_bucket_of_one_name(self, at_s3, stub, moto_s3, bucket):
        moto_s3.client().put_object(Bucket=bucket, Key="same/a", Body=b"x")
        settings = at_s3.cwd.parent / "settings.toml"
        at_s3.env.delenv("CTADATA_ENDPOINT")
        with settings.open("a") as more:
            more.write(f'[profiles.other]\nkind = "s3"\nendpoint = "{stub.url}"\nregion = "{moto_s3.region}"\n')
        there = (f"store:{bucket}/same/a", f"other:{bucket}/same/a")
        assert "equal already" in at_s3("copy", "--through", *there, check=0).err
        same = ("-r", f"store:{bucket}/mine", "mine:below/")
        moto_s3.client().put_object(Bucket=bucket, Key="mine/a", Body=b"x")
        assert "onto itself" in at_s3("copy", "--through", *same, check=2).err


def test_a_url_of_the_endpoint_is_a_place_there(at_s3, moto_s3, bucket):
    moto_s3.client().put_object(Bucket=bucket, Key="by url/a", Body=b"x")
    at_s3("-P", "store", "sync", f"{moto_s3.url}/{bucket}/by%20url", "by-url", check=0)
    assert (at_s3.cwd / "by-url" / "a").read_text() == "x"
    elsewhere = at_s3("-P", "store", "sync", f"https://elsewhere.example/{bucket}/x", "by-url", check=2)
    assert "not the endpoint of the profile store" in elsewhere.err


@pytest.mark.parametrize("command", [["start-agent"], ["agent-status"], ["env"], ["exec", "true"], ["logout"]])
def test_nobody_logs_in_to_an_s3_store(at_s3, command):
    assert "credentials import" in at_s3("-P", "store", *command, check=2).err


def test_what_only_a_door_has_is_told_in_words(at_s3, bucket):
    for command in (["quota"], ["qos", f"store:{bucket}/x"]):
        assert "no WebDAV door" in at_s3("-P", "store", *command, check=2).err


class TestDoctor:
    """What works and what does not."""

    def found(self, ended):
        return {row["what"]: (row["verdict"], row["words"]) for row in map(json.loads, ended.out.splitlines())}

    def test_all_of_it(self, at_s3, moto_s3, bucket):
        moto_s3.client().put_object(Bucket=bucket, Key="doctor/a", Body=b"x")
        found = self.found(at_s3("doctor", "--json", "--write", f"store:{bucket}/doctor", check=0))
        assert {what: verdict for what, (verdict, _) in found.items()} == {
            "tls": "warn", "key": "ok", "listing": "ok", "download": "ok", "checksums": "ok", "upload": "ok",
            "delete": "ok",
        }  # fmt: skip
        assert "AWS_ACCESS_KEY_ID in the environment" in found["key"][1]
        listing = moto_s3.client().list_objects_v2(Bucket=bucket, Prefix="doctor/")
        assert [item["Key"] for item in listing["Contents"]] == ["doctor/a"]

    def test_the_profile_says_where(self, at_s3, moto_s3, bucket):
        moto_s3.client().put_object(Bucket=bucket, Key="mine/doctor", Body=b"x")
        assert self.found(at_s3("-P", "mine", "doctor", "--json", check=0))["download"][0] == "ok"

    def test_no_bucket_is_guessed(self, at_s3):
        assert self.found(at_s3("-P", "store", "doctor", "--json", check=0))["bucket"][0] == "warn"

    def test_what_does_not_work(self, at_s3):
        at_s3.env.delenv("AWS_ACCESS_KEY_ID")
        found = self.found(at_s3("doctor", "--json", "store:no-such-bucket-here", check=1))
        assert found["key"][0] == "warn"
        assert found["listing"][0] == "fail"
        assert "there is no such bucket" in found["listing"][1]

    def test_an_expired_key_ends_it(self, at_s3, monkeypatch):
        monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z")
        found = self.found(at_s3("doctor", "--json", "store:some-bucket", check=1))
        assert list(found) == ["tls", "key"]
        assert "have expired" in found["key"][1]


class TestCredentials:
    def test_pasted_shown_and_forgotten(self, at_s3):
        kept = at_s3("-P", "store", "credentials", "import", "--lifetime", "8h", stdin=PASTED, check=0)
        assert "AKIAPASTED kept for the profile store, good for 8:00 h more" in kept.err
        shown = at_s3("-P", "store", "credentials", "show", check=0)
        assert shown.out.startswith("temporary access key AKIAPASTED from credentials import, good for ")
        fields = json.loads(at_s3("-P", "store", "credentials", "show", "--json", check=0).out)
        assert (fields["access_key_id"], fields["temporary"]) == ("AKIAPASTED", True)
        assert "removed" in at_s3("-P", "store", "credentials", "forget", check=0).err
        assert "in the environment" in at_s3("-P", "store", "credentials", "show", check=0).out
        everything = kept.err + shown.out + shown.err
        assert "5ecret" not in everything
        assert "t0ken" not in everything

    def test_what_was_not_pasted_whole(self, at_s3):
        ended = at_s3("-P", "store", "credentials", "import", stdin="AWS_SECRET_ACCESS_KEY=5ecret", check=2)
        assert ended.err.count("\n") == 1
        assert "5ecret" not in ended.err

    def test_those_of_another_kind_of_profile(self, at_s3):
        assert "no S3 store" in at_s3("-P", "cscs", "credentials", "show", check=2).err

    @pytest.mark.parametrize(
        ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("3h", 10800), ("7d", 604800)]
    )
    def test_a_time(self, text, seconds):
        assert credentials.seconds_in(text) == seconds

    @pytest.mark.parametrize("text", ["", "h", "-1h", "1.5h", "0s", "1w", "٣h"])
    def test_no_time(self, text):
        with pytest.raises(Exception, match="is no time"):
            credentials.seconds_in(text)


class TestShare:
    def test_a_link_opens_the_file_without_a_key(self, at_s3, bucket):
        (at_s3.cwd / "a").write_text("shared")
        at_s3("put", "a", f"store:{bucket}/share/ä b#", check=0)
        shared = at_s3("share", "--expires", "3h", f"store:{bucket}/share/ä b#", check=0)
        with urllib.request.urlopen(shared.out.strip()) as answer:
            assert answer.read() == b"shared"
        assert "X-Amz-Expires=10800" in shared.out
        assert "can use it until" in shared.err
        coded = at_s3("share", "--qr", f"store:{bucket}/share/ä b#", check=0)
        assert coded.err.count("\n") > 20
        fields = json.loads(at_s3("share", "--json", f"store:{bucket}/share/ä b#", check=0).out)
        assert fields["url"].startswith("http://127.0.0.1")
        assert fields["expires"].endswith("Z")

    def test_the_link_to_an_alias_opens_its_file(self, at_s3, moto_s3, bucket):
        moto_s3.client().put_object(Bucket=bucket, Key="share/file", Body=b"bytes")
        moto_s3.client().put_object(Bucket=bucket, Key="share/alias", WebsiteRedirectLocation="/share/file")
        with urllib.request.urlopen(at_s3("share", f"store:{bucket}/share/alias", check=0).out.strip()) as answer:
            assert answer.read() == b"bytes"

    @pytest.mark.parametrize(
        ("more", "words", "code"),
        [
            (["--expires", "8d"], "7 days at most", 2),
            (["--activity", "delete"], "one activity: download or upload", 2),
            (["--ip", "192.0.2.0/24"], "cannot be limited to addresses", 2),
        ],
    )
    def test_what_a_link_cannot_do(self, at_s3, bucket, more, words, code):
        assert words in at_s3("share", *more, "--activity", "upload", f"store:{bucket}/share/x", check=code).err

    def test_only_what_is_there_is_shared_for_download(self, at_s3, bucket):
        at_s3("share", f"store:{bucket}/share/nothing", check=3)
        assert "directory" in at_s3("share", f"store:{bucket}", check=2).err


ODD_ADDRESSES = ["a//b", "/a", "a//", "./a", "a/./b", "a/../b", "../a"]


@pytest.mark.parametrize(
    ("form", "key"),
    [
        *(("s3://{bucket}/{key}", key) for key in ODD_ADDRESSES),
        *((form, "a//b") for form in ("{bucket}/{key}", "/{bucket}/{key}", "store:{bucket}/{key}")),
    ],
)
def test_an_address_is_never_that_of_another_key(at_s3, moto_s3, bucket, key, form):
    client = moto_s3.client()
    for other in ("a/b", "a", "b"):
        client.put_object(Bucket=bucket, Key=other, Body=b"another")
    client.put_object(Bucket=bucket, Key=key, Body=b"odd")
    address = form.format(bucket=bucket, key=key)
    where = () if form.startswith("store:") else ("-P", "store")
    for command in (["cat"], ["stat"], ["rm"], ["list"], ["du"], ["mkdir"], ["mv", f"{bucket}/b"]):
        assert at_s3(*where, *command, address, check=2).out == ""
    assert not at_s3(*where, "get", address, "y", check=2).out
    (at_s3.cwd / "z").write_text("z")
    at_s3(*where, "put", "z", address, check=2)
    for other in ("a/b", "a", "b"):
        assert client.get_object(Bucket=bucket, Key=other)["Body"].read() == b"another"
    assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == b"odd"


def test_a_line_of_a_list_is_never_another_key(at_s3, moto_s3, bucket):
    moto_s3.client().put_object(Bucket=bucket, Key="lines/a/b", Body=b"another")
    (at_s3.cwd / "list").write_text("a//b\na/./b\na/b\n")
    ended = at_s3("-P", "store", "get", "--files-from", "list", f"{bucket}/lines", "out", check=6)
    assert ended.err.count("no path can name this key") == 2
    assert (at_s3.cwd / "out/a/b").read_bytes() == b"another"


def test_a_raw_key_is_sent_as_it_is_written(at_s3, moto_s3, bucket):
    client = moto_s3.client()
    client.put_object(Bucket=bucket, Key="raw/a//b", Body=b"odd")
    client.put_object(Bucket=bucket, Key="raw/a/b", Body=b"another")
    client.put_object(Bucket=bucket, Key="raw/full/", Body=b"bytes")
    address = f"s3://{bucket}/raw/a//b"
    assert at_s3("-P", "store", "cat", "--raw-key", address, check=0).out == "odd"
    assert json.loads(at_s3("-P", "store", "stat", "--raw-key", "--json", address, check=0).out)["size"] == 3
    at_s3("-P", "store", "get", "--raw-key", address, "copy", check=0)
    at_s3("-P", "store", "get", "--raw-key", f"s3://{bucket}/raw/full/", "full", check=0)
    assert [(at_s3.cwd / name).read_bytes() for name in ("copy", "full")] == [b"odd", b"bytes"]
    at_s3("-P", "store", "get", "--raw-key", "-r", address, "x", check=2)
    at_s3("-P", "store", "rm", "--raw-key", address, check=0)
    at_s3("-P", "store", "rm", "--raw-key", address, check=3)
    assert client.get_object(Bucket=bucket, Key="raw/a/b")["Body"].read() == b"another"


def test_odd_keys_are_told_of_by_quiet_runs_and_by_a_check_of_the_receipt(at_s3, moto_s3, bucket):
    client = moto_s3.client()
    odd = ("told/a//b", "told/a//c", "told/a/./d", "told/full/")
    for key in (*odd, "told/fine"):
        client.put_object(Bucket=bucket, Key=key, Body=b"bytes")
    ended = at_s3("-q", "-P", "store", "get", "-r", f"{bucket}/told/", "told", "--receipt", "told.r", check=6)
    assert ended.err.count("\n") == len(odd)
    assert all(f"passed over s3://{bucket}/{key} (" in ended.err for key in odd)
    records = [json.loads(line) for line in (at_s3.cwd / "told.r").read_text().splitlines()]
    assert sorted(record["state"] for record in records) == ["done", *["passed"] * len(odd)]
    assert {record["key"] for record in records} == {None, *(f"s3://{bucket}/{key}" for key in odd)}
    checked = at_s3("-q", "-P", "store", "verify", "told.r", check=6).err
    assert all(f"passed over s3://{bucket}/{key} (" in checked for key in odd)
    for key in odd:
        client.delete_object(Bucket=bucket, Key=key)


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_sync_deletes_beside_odd_keys_here(at_s3, moto_s3, bucket):
    client, here = moto_s3.client(), at_s3.cwd / "s"
    for key in ("s/a//b", "s/a/keep", "s/full/", "s/full/x", "s/fine", "s/d/./e", "s/d/f/g", "s/file//b", "s/mark/"):
        client.put_object(Bucket=bucket, Key=key, Body=b"bytes")
    stays = ("a/b", "d/e", "file", "mark")  # what the keys could stand for
    mine = ("gone", "a/mine", "a/c/mine", "full/gone", "d/mine", "d/f/mine", "other/gone", *stays)
    for name in mine:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("mine")
    sync = ("-P", "store", "sync", "--delete", "--yes", f":/{bucket}/s", "s", "--receipt", "s.r")
    ended = at_s3(*sync, check=6)
    fetched = ["a/keep", "fine", "full/x", "d/f/g"]
    assert files_below(here) == sorted([*fetched, *stays])
    assert not (here / "other").exists()
    assert not (here / "a" / "c").exists()
    for key in ("s/a//b", "s/full/", "s/d/./e", "s/file//b", "s/mark/"):
        assert f"passed over s3://{bucket}/{key} (" in ended.err
    assert "9 names deleted" in ended.err
    again = at_s3(*sync, check=6)
    assert "deleted" not in again.err


def test_a_sync_deletes_beside_odd_keys_there(at_s3, moto_s3, bucket):
    client, here = moto_s3.client(), at_s3.cwd / "up"
    odd = ["up/a//b", "up/full/", "up/d/./e", "up/only//z"]
    gone = ["up/a/b", "up/a/mine", "up/a/c/mine", "up/d/f/mine", "up/only/mine"]
    for key in (*odd, *gone, "up/gone", "up/full/gone", "up/other/gone"):
        client.put_object(Bucket=bucket, Key=key, Body=b"bytes")
    for name in ("fine", "a/c/new", "d/new"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("new")
    ended = at_s3("-P", "store", "sync", "--delete", "--yes", "up", f":/{bucket}/up", check=6)
    left = {item["Key"] for item in client.list_objects_v2(Bucket=bucket, Prefix="up/")["Contents"]}
    assert left == {*odd, "up/fine", "up/a/c/new", "up/d/new"}
    for key in odd:
        assert f"passed over s3://{bucket}/{key} (" in ended.err
    assert "10 names deleted" in ended.err
    for key in odd:
        client.delete_object(Bucket=bucket, Key=key)


def test_a_tree_with_odd_keys(at_s3, moto_s3, bucket):
    client = moto_s3.client()
    for key in ("odd/a//b", "odd/fine", "odd/both", "odd/both/child", "odd/full/"):
        client.put_object(Bucket=bucket, Key=key, Body=b"bytes")
    ended = at_s3("-P", "store", "get", "-r", f"{bucket}/odd", "out", check=6)
    for named in ("odd/a//b", "odd/full/", f"/{bucket}/odd/both:", f"/{bucket}/odd/both/:"):
        assert named in ended.err
    assert sorted(path.name for path in (at_s3.cwd / "out").rglob("*") if path.is_file()) == ["fine"]
    (at_s3.cwd / "out" / "odd" / "mine").write_text("kept")
    ended = at_s3("-P", "store", "sync", "--delete", "--yes", f":/{bucket}/odd", "out/odd", check=6)
    assert "nothing was deleted" in ended.err  # because of `both`, which is refused
    assert (at_s3.cwd / "out" / "odd" / "mine").exists()
    for command in ("find", "du"):
        assert "odd/a//b" in at_s3("-P", "store", command, f"{bucket}/odd", check=6).err
    ended = at_s3("-P", "store", "list", "-r", f"{bucket}/odd", check=6)
    assert f"{bucket}/odd/fine\n" in ended.out
    assert "odd/a//b" in ended.err
    ended = at_s3("-P", "store", "rm", "-r", "-n", f"{bucket}/odd", check=0)
    assert "(5 files" in ended.out
    assert f"with s3://{bucket}/odd/a//b" in ended.out
