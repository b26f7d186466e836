"""`copy --through`, `cat` and `get X -` compare the bytes that pass with what both servers state of them."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
from servers.plain_dav import plain_dav

from ctadata.retry import Retries

CONTENT = b"content"
ADLER32 = f"adler32:{zlib.adler32(CONTENT):08x}"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No pause before another try."""
    monkeypatch.setattr(Retries, "pause", lambda self, attempt, *_: 0.0 if attempt < self.attempts else None)


@pytest.fixture
def target(at_dav, tmp_path):
    """Another plain WebDAV server, of the profile `y`."""
    with plain_dav() as server:
        server.nodes["/run"] = None
        with (tmp_path / "settings.toml").open("a") as settings:
            settings.write(f'[profiles.y]\nkind = "webdav"\ndoor = "{server.url}"\nhome = ["/"]\n')
        yield server


def receipt() -> dict[str, object]:
    return json.loads(Path("r").read_text().splitlines()[-1])


COPIES = {
    "copy": ("copy", "-q", "--through", "--receipt", "r", "x:/run/a.dat", "y:/run/a.dat"),
    "copy -r": ("copy", "-q", "-r", "--through", "--receipt", "r", "x:/run/", "y:/run/"),
}


@pytest.mark.parametrize("command", COPIES.values(), ids=COPIES)
class TestCopy:
    @pytest.mark.parametrize("stated", [False, True])
    def test_it_is_compared_with_the_targets_digest(self, dav, target, at_dav, command, stated):
        dav.digests, target.digests = stated, True
        at_dav(*command)
        assert target.read("/run/a.dat") == CONTENT
        assert (receipt()["verified"], receipt()["digest"]) == ("size, adler32", ADLER32)

    def test_damage_on_the_way_to_the_target_is_noticed(self, target, at_dav, command):
        target.digests, target.damages = True, {"PUT"}
        at_dav(*command, check=7)
        assert list(target.nodes) == ["/", "/run"]
        assert receipt()["state"] == "failed"

    def test_damage_on_the_way_from_the_source_is_noticed(self, dav, target, at_dav, command):
        dav.digests, dav.damages = True, {"GET"}
        at_dav(*command, check=7)
        assert "PUT" not in target.methods()
        assert list(target.nodes) == ["/", "/run"]

    def test_a_target_without_digests_leaves_the_size(self, target, at_dav, command):
        at_dav(*command)
        assert target.read("/run/a.dat") == CONTENT
        assert (receipt()["verified"], receipt()["digest"]) == ("size", ADLER32)


@pytest.fixture
def bucket(moto_s3, target, tmp_path, monkeypatch):
    """A bucket of the profile `s`, with an object `a.dat`."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_s3.key.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_s3.key.secret)
    with (tmp_path / "settings.toml").open("a") as settings:
        settings.write(f'[profiles.s]\nkind = "s3"\nendpoint = "{moto_s3.url}"\nregion = "{moto_s3.region}"\n')
    name = moto_s3.bucket()
    moto_s3.client().put_object(Bucket=name, Key="a.dat", Body=CONTENT)
    return name


@pytest.mark.parametrize("damaged", [False, True])
def test_an_object_is_compared_with_the_targets_other_kind_of_digest(target, at_dav, bucket, damaged):
    target.digests, target.damages = True, {"PUT"} if damaged else set()
    words = ["copy", "-q", "--through", "--receipt", "r"]
    at_dav(*words, f"s:{bucket}/a.dat", "y:/run/a.dat", check=7 if damaged else 0)
    assert ("/run/a.dat" in target.nodes) is not damaged
    if not damaged:
        assert (receipt()["verified"], receipt()["digest"]) == ("size, adler32", ADLER32)


def test_a_copy_to_s3_is_compared_by_the_store(dav, at_dav, bucket, moto_s3):
    dav.digests = True
    at_dav("copy", "-q", "--through", "--receipt", "r", "x:/run/a.dat", f"s:{bucket}/b.dat")
    assert moto_s3.client().get_object(Bucket=bucket, Key="b.dat")["Body"].read() == CONTENT
    assert (receipt()["verified"], str(receipt()["digest"])[:4]) == ("size, md5", "md5:")


@pytest.mark.parametrize("command", ["cat /run/a.dat", "get -q /run/a.dat -"])
@pytest.mark.parametrize("damaged", [False, True])
def test_a_file_for_a_pipe_is_compared_with_the_digest_of_head(dav, at_dav, command, damaged):
    dav.digests, dav.damages = True, {"GET"} if damaged else set()
    assert at_dav(*command.split(), check=7 if damaged else 0) == dav.carried("GET", CONTENT).decode()


@pytest.mark.parametrize("status", [405, 501])
@pytest.mark.parametrize("command", [("cat", "/run/a.dat"), ("get", "/run/a.dat")], ids=["cat", "get"])
def test_a_server_without_head_states_no_digest(dav, at_dav, command, status):
    dav.idle["HEAD"] = status, b""
    assert at_dav(*command) == ("content" if command[0] == "cat" else "")
