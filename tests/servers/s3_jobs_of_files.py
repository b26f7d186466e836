"""The jobs with a few files that the matrix of S3 servers does: by our command, and by boto3 where ours fails."""

from __future__ import annotations

import contextlib
import json
import random
import urllib.request

from servers.s3_jobs import PART, Cannot, Job, Visit
from servers.s3_names import ODD_NAMES

ODD = "größe 50% #1 & so.txt"
TREE = {"a.txt": b"first", f"sub/{ODD}": b"second", "sub/large": random.Random(5).randbytes(11_000_000)}


def tree(at: Visit) -> None:
    for name, content in TREE.items():
        at.write(f"tree/{name}", content)


def same(at: Visit, prefix: str = "tree/") -> bool:
    return all(at.stored(f"{prefix}{name}") == content for name, content in TREE.items())


def put_by_boto3(at: Visit, prefix: str = "tree/") -> None:
    from boto3.s3.transfer import TransferConfig

    parts = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    for name in TREE:
        at.boto3.upload_file(str(at.home / "tree" / name), at.bucket, f"{prefix}{name}", Config=parts)


def put(at: Visit) -> None:
    tree(at)
    at.run("put", "-r", "tree", "@", "--receipt", "up.jsonl")
    assert same(at), "other bytes"


def listed(at: Visit) -> None:
    found = at.run("list", "-r", "@tree").splitlines()
    assert {f"{at.bucket}/tree/{name}" for name in TREE} <= set(found), "files are missing"


def list_by_boto3(at: Visit) -> None:
    assert at.keys_below("tree/") == sorted(f"tree/{name}" for name in TREE)


def got(at: Visit) -> None:
    at.run("get", "-r", "@tree", "down", "--receipt", "down.jsonl")
    assert all((at.home / "down/tree" / name).read_bytes() == content for name, content in TREE.items()), "other bytes"


def get_by_boto3(at: Visit) -> None:
    for name, content in TREE.items():
        at.boto3.download_file(at.bucket, f"tree/{name}", str(at.home / "got"))
        assert (at.home / "got").read_bytes() == content


def verified(at: Visit) -> None:
    at.run("verify", "down.jsonl")
    at.run("verify", "--remote", "up.jsonl")
    at.boto3.put_object(Bucket=at.bucket, Key="tree/a.txt", Body=b"worse")
    assert at.refused("verify", "--remote", "up.jsonl"), "another file of the same size is verified"
    at.boto3.put_object(Bucket=at.bucket, Key="tree/a.txt", Body=TREE["a.txt"])


def heads_by_boto3(at: Visit) -> None:
    for name, content in TREE.items():
        assert at.boto3.head_object(Bucket=at.bucket, Key=f"tree/{name}")["ContentLength"] == len(content)


def removed(at: Visit) -> None:
    at.run("rm", "-r", "--yes", "@tree")
    assert at.keys_below("tree") == [], "still there"


def delete_by_boto3(at: Visit) -> None:
    for key in at.keys_below("tree/"):
        at.boto3.delete_object(Bucket=at.bucket, Key=key)
    assert at.keys_below("tree") == []


def again(at: Visit) -> None:
    put(at)
    assert at.states("put", "-r", "tree", "@") == {"skipped"}, "put moves them again"
    at.run("get", "-r", "@tree", "down2")
    assert at.states("get", "-r", "@tree", "down2") == {"skipped"}, "get moves them again"


def parts_read(at: Visit) -> None:
    assert at.run("cat", "--range", "1-3", "@tree/a.txt") == "irs", "other bytes"


def range_by_boto3(at: Visit) -> None:
    answer = at.boto3.get_object(Bucket=at.bucket, Key="tree/a.txt", Range="bytes=1-3")
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Body"].read()) == (206, b"irs")


def digest(at: Visit) -> None:
    said = at.run("checksum", "@tree/a.txt")
    assert "8b04d5e3775d298e78455efc5ca404d5" in said or "06570229" in said, f"another checksum: {said}"


def digest_by_boto3(at: Visit) -> None:
    head = at.boto3.head_object(Bucket=at.bucket, Key="tree/a.txt", ChecksumMode="ENABLED")
    assert head["ETag"] == '"8b04d5e3775d298e78455efc5ca404d5"' or any(name.startswith("Checksum") for name in head)


def shown(at: Visit) -> None:
    assert "5" in at.run("stat", "@tree/a.txt"), "another size"
    assert ODD in at.run("find", "@tree", "--name", "gr*"), "not found"
    assert "11000011" in at.run("du", "--json", "@tree"), "another sum"
    assert ODD in at.run("tree", "@tree"), "not shown"


def kept(at: Visit) -> None:
    at.write("other", b"another size")
    assert at.refused("put", "--no-clobber", "other", "@tree/a.txt"), "not told"
    assert at.stored("tree/a.txt") == b"first", "the file was replaced"


def condition_by_boto3(at: Visit) -> None:
    try:
        at.boto3.put_object(Bucket=at.bucket, Key="tree/a.txt", Body=TREE["a.txt"], IfNoneMatch="*")
    except at.boto3.exceptions.ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 412


def directories(at: Visit) -> None:
    at.run("mkdir", "@made")
    at.run("mkdir", "@made/deeper")
    assert f"{at.bucket}/made/deeper/" in at.run("list", "-r", "@made").splitlines(), "not listed"
    assert at.refused("rmdir", "@made"), "a full directory was removed"
    at.run("rmdir", "@made/deeper")
    at.run("rmdir", "@made")
    assert at.keys_below("made") == [], "still there"


def markers_by_boto3(at: Visit) -> None:
    for key in ("marked/", "marked/deeper/"):
        at.boto3.put_object(Bucket=at.bucket, Key=key, Body=b"")
        assert key in at.keys_below("marked"), "an empty object is not listed"
    for key in ("marked/deeper/", "marked/"):
        at.boto3.delete_object(Bucket=at.bucket, Key=key)
        assert key not in at.keys_below("marked"), "a deleted object is listed"


def twins(at: Visit) -> None:
    """A file `twin`, and a directory of this name."""
    try:
        twins_by_boto3(at)
    except AssertionError as wrong:  # no command has run, so none has reported a success
        raise Cannot(1, str(wrong)) from wrong
    at.run("get", "@twin/below", "below")
    assert (at.home / "below").read_bytes() == b"below", "other bytes"
    assert at.run("cat", "@twin") == "file", "other bytes"
    lines = at.run("list", "@").splitlines()
    assert {f"{at.bucket}/twin", f"{at.bucket}/twin/"} <= set(lines), "one of them is not listed"


def twins_by_boto3(at: Visit) -> None:
    at.boto3.put_object(Bucket=at.bucket, Key="twin", Body=b"file")
    at.boto3.put_object(Bucket=at.bucket, Key="twin/below", Body=b"below")
    assert at.stored("twin") == b"file", "other bytes"
    page = at.boto3.list_objects_v2(Bucket=at.bucket, Delimiter="/")
    assert "twin" in [each["Key"] for each in page.get("Contents", [])], "the file is not listed"
    assert "twin/" in [each["Prefix"] for each in page.get("CommonPrefixes", [])], "the directory is not listed"


def synced(at: Visit) -> None:
    at.run("sync", "tree", "at:@synced")
    assert same(at, "synced/"), "other bytes"
    assert at.states("sync", "tree", "at:@synced") <= {"skipped"}, "moved again"
    at.run("sync", "at:@synced", "back")
    (at.home / "back/a.txt").unlink()
    at.run("sync", "--delete", "--yes", "back", "at:@synced")
    assert at.stored("synced/a.txt") is None, "not deleted"
    assert at.stored(f"synced/sub/{ODD}") == b"second", "deleted"


def sync_by_boto3(at: Visit) -> None:
    put_by_boto3(at, "synced/")
    at.boto3.delete_object(Bucket=at.bucket, Key="synced/a.txt")
    assert at.stored("synced/a.txt") is None


def renamed(at: Visit) -> None:
    at.run("mv", "@tree/a.txt", "@tree/b.txt")
    assert (at.stored("tree/b.txt"), at.stored("tree/a.txt")) == (b"first", None), "not renamed"
    at.run("mv", "@tree/sub/large", "@tree/sub/larger")
    at.run("mv", "@tree/sub/larger", "@tree/sub/large")
    at.run("mv", "@tree/b.txt", "@tree/a.txt")
    assert same(at), "other bytes"


def copy_by_boto3(at: Visit) -> None:
    at.boto3.put_object(Bucket=at.bucket, Key=f"source/{ODD}", Body=b"source")
    at.boto3.copy_object(Bucket=at.bucket, Key="copied", CopySource={"Bucket": at.bucket, "Key": f"source/{ODD}"})
    assert at.stored("copied") == b"source", "other bytes"


def directory_renamed(at: Visit) -> None:
    at.run("mv", "@tree", "@renamed")
    assert same(at, "renamed/"), "other bytes"
    assert at.keys_below("tree/") == [], "the old names stay"


def copied(at: Visit) -> None:
    at.run("copy", "-r", "at:@tree", "at:@copies")
    assert same(at, "copies/tree/"), "other bytes"
    assert same(at), "the source has changed"


def shared(at: Visit) -> None:
    link = at.run("share", f"@tree/sub/{ODD}").strip()
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"second", "other bytes"


def share_by_boto3(at: Visit) -> None:
    asked = {"Bucket": at.bucket, "Key": f"tree/sub/{ODD}"}
    with urllib.request.urlopen(at.boto3.generate_presigned_url("get_object", asked)) as answer:
        assert answer.read() == b"second"


def odd_names(at: Visit) -> None:
    failed, told = [], True
    for number, name in enumerate(ODD_NAMES):
        at.write(f"odd/{number}/{name}", str(number).encode())
        done = put = not at.refused("put", f"odd/{number}/{name}", f"@odd/{number}/{name}")
        try:
            done = done and f"odd/{number}/{name}" in at.keys_below(f"odd/{number}/")
        except at.boto3.exceptions.ClientError:  # s3rver stores a bell, and its listing is no XML from then on
            done = False
        done = done and not at.refused("get", f"@odd/{number}/{name}", f"got-{number}")
        if not (done and (at.home / f"got-{number}").read_bytes() == str(number).encode()):
            failed.append(name)
            told = told and not put
    at.notes["odd"] = failed
    if failed and told:
        raise Cannot(1, f"not put: {shown_names(failed)}")
    assert not failed, f"not there and back: {shown_names(failed)}"


def odd_names_by_boto3(at: Visit) -> None:
    """Those that failed; one that boto3 has there and back shows that the server can."""
    failed = at.notes.pop("odd", ODD_NAMES)
    for number, name in enumerate(failed):
        with contextlib.suppress(Exception):
            at.boto3.put_object(Bucket=at.bucket, Key=f"theirs/{number}/{name}", Body=b"x")
            listed = at.keys_below(f"theirs/{number}/") == [f"theirs/{number}/{name}"]
            if listed and at.stored(f"theirs/{number}/{name}") == b"x":
                return
    raise AssertionError(f"it refuses {shown_names(failed)}")


def shown_names(names: list[str]) -> str:
    return ", ".join(f"{len(name)} letters" if len(name) > 40 else json.dumps(name) for name in names)


JOBS = (
    Job("`put -r`, with a multipart upload", put, put_by_boto3, short=True),
    Job("`list -r`", listed, list_by_boto3, short=True),
    Job("`get -r`", got, get_by_boto3, short=True),
    Job("`verify` and `verify --remote`", verified, heads_by_boto3, short=True),
    Job("`rm -r`", removed, delete_by_boto3, short=True),
    Job("`put -r` and `get -r` again move nothing", again, put_by_boto3),
    Job("`stat`, `find`, `du`, `tree`", shown, list_by_boto3),
    Job("`cat --range`", parts_read, range_by_boto3),
    Job("`checksum`", digest, digest_by_boto3),
    Job("`put --no-clobber` keeps what differs", kept, condition_by_boto3),
    Job("`mkdir`, `rmdir`", directories, markers_by_boto3),
    Job("a file and a directory of the same name", twins, twins_by_boto3),
    Job("`sync` up, down, with `--delete`", synced, sync_by_boto3),
    Job("`mv` of a file", renamed, copy_by_boto3),
    Job("`copy -r` inside the store", copied, copy_by_boto3),
    Job("`share`", shared, share_by_boto3),
    Job("`mv` of a directory", directory_renamed, copy_by_boto3),
)
LAST = (Job("26 odd names", odd_names, odd_names_by_boto3),)
"""A name of 255 letters ends s3rver."""
