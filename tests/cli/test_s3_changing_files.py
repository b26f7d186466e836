"""Uploads to S3 of a file that another program changes meanwhile: one content is stored, or none."""

from __future__ import annotations

import os
import random
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
from servers import s3_quirks
from servers.moto import PART, MotoS3
from servers.s3_stub import Asked, S3Stub, s3_stub

CONTENT = random.Random(5).randbytes(PART * 5 // 2)
CHANGED = "local: the file changed while it was read"
NAME = Path("u/f")


@dataclass
class Site:
    """A bucket at a stub, a file to upload, and the command.

    Attributes:
        at: The PUT with this in its target changes the file. The server has the earlier parts, and no byte of the later
            parts was read.
        begun: How many uploads in parts have begun before that, at least.
        changes: How it changes the file.
    """

    stub: S3Stub
    moto: MotoS3
    bucket: str
    run: Callable[..., Any]
    at: str = "partNumber=2"
    begun: int = 0
    changes: list[Callable[[], object]] = field(default_factory=list)

    def put(self, *changes: Callable[[], object], check: int, command: str = "put") -> str:
        """Upload the file, which is changed meanwhile, and return what the command says."""
        self.changes = list(changes)
        said = self.run(command, *(["-r"] if command == "put" else []), "u", f"s3://{self.bucket}/d", check=check).err
        assert not self.changes
        return said

    def change_at(self, asked: Asked) -> None:
        is_next = asked.method == "PUT" and self.at in asked.target
        if is_next and len(self.stub.requests("POST", "?uploads=")) >= self.begun:
            while self.changes:
                self.changes.pop(0)()

    def stored(self) -> list[bytes]:
        client = self.moto.client()
        found = client.list_objects_v2(Bucket=self.bucket).get("Contents", ())
        return [client.get_object(Bucket=self.bucket, Key=each["Key"])["Body"].read() for each in found]

    def unfinished(self) -> int:
        return len(self.moto.client().list_multipart_uploads(Bucket=self.bucket).get("Uploads", ()))


@pytest.fixture(params=["http", "https"])
def site(request, moto_s3: MotoS3, run, monkeypatch, tmp_path: Path) -> Iterator[Site]:
    """Yield a site where one part is sent after the other; over https a part is read once."""
    tls, settings = None, [f'region = "{moto_s3.region}"', 'kind = "s3"']
    if request.param == "https":
        authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        settings.append(f'ca = "{tmp_path / "ca.pem"}"')
    with s3_stub(moto_s3.url, tls) as stub:
        profile = "\n".join([*settings, f'endpoint = "{stub.url}"'])
        (tmp_path / "s3.toml").write_text(f'default = "store"\n[profiles.store]\n{profile}\n')
        monkeypatch.setenv("CTADATA_CONFIG", str(tmp_path / "s3.toml"))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_s3.key.id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_s3.key.secret)
        monkeypatch.setattr("ctadata.stores.s3.multipart.DEFAULT_PART_SIZE", PART)
        monkeypatch.setattr("ctadata.stores.s3.multipart.PARALLEL_PARTS", 1)
        monkeypatch.chdir(tmp_path)
        NAME.parent.mkdir()
        NAME.write_bytes(CONTENT)
        os.utime(NAME, (1e9, 1e9))
        site, fault_for = Site(stub, moto_s3, moto_s3.bucket(), run), stub.fault_for
        stub.fault_for = lambda asked: (site.change_at(asked), fault_for(asked))[1]  # type: ignore[method-assign]
        yield site


def edit() -> None:
    """Change the first byte and the last one, and set the mtime back."""
    status = NAME.stat()
    with NAME.open("r+b") as file:
        file.write(bytes([CONTENT[0] ^ 1]))
        file.seek(-1, os.SEEK_END)
        file.write(bytes([CONTENT[-1] ^ 1]))
    os.utime(NAME, ns=(status.st_atime_ns, status.st_mtime_ns))


def chmod() -> None:
    NAME.chmod(0o600)


def link() -> None:
    os.link(NAME, "other")


def nothing() -> None:
    """Leave the file as it is."""


@pytest.mark.parametrize("cover", [nothing, chmod, link])
def test_an_edit_between_two_parts_is_noticed_whatever_else_moves_the_ctime(site: Site, cover) -> None:
    assert CHANGED in site.put(edit, cover, check=11)
    assert (site.stored(), site.unfinished()) == ([], 0)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_edit_is_noticed_if_the_tags_are_no_md5(site: Site, at: int) -> None:
    s3_quirks.encrypt_with_kms(site.stub)
    site.at, site.begun = f"partNumber={at}", 2  # the first upload shows what the tags are
    assert CHANGED in site.put(edit, chmod, check=11)
    assert (site.stored(), site.unfinished()) == ([], 0)


WITHOUT_EFFECT = {
    "chmod": chmod,
    "link": link,
    "rename": lambda: NAME.rename("other"),
    "unlink": NAME.unlink,
    "another file in its place": lambda: Path("s3.toml").rename(NAME),
}


@pytest.mark.parametrize("change", WITHOUT_EFFECT.values(), ids=WITHOUT_EFFECT)
def test_what_changes_no_byte_between_two_parts_is_no_error(site: Site, change) -> None:
    assert "1 file done" in site.put(change, check=0)
    assert (site.stored(), site.unfinished()) == ([CONTENT], 0)


SIZES = {
    "shorter": lambda: os.truncate(NAME, 1000),
    "empty": lambda: os.truncate(NAME, 0),
    "longer": lambda: NAME.write_bytes(CONTENT + b"more"),
    "other bytes": lambda: NAME.write_bytes(CONTENT[::-1]),
}


@pytest.mark.parametrize("command", ["put", "sync"])
@pytest.mark.parametrize("change", SIZES.values(), ids=SIZES)
def test_a_file_that_gets_another_size_or_mtime_is_a_local_error(site: Site, change, command) -> None:
    assert CHANGED in site.put(change, check=11, command=command)
    assert (site.stored(), site.unfinished()) == ([], 0)


def test_parts_of_an_earlier_run_are_no_parts_of_a_file_that_is_edited_now(site: Site) -> None:
    fault = site.stub.answer("PUT", "partNumber=3", 500, "InternalError")
    site.put(check=5)
    assert site.unfinished() == 1
    fault.times, site.at = 0, "partNumber=3"
    assert CHANGED in site.put(edit, chmod, check=11)
    assert (site.stored(), site.unfinished()) == ([], 0)


class TestOnePiece:
    @pytest.fixture(autouse=True)
    def sent_twice(self, site: Site, monkeypatch) -> None:
        """Refuse the file after its last byte; it is sent again from its first byte."""
        monkeypatch.setattr("ctadata.stores.s3.multipart.DEFAULT_PART_SIZE", 4 * PART)
        site.at = "/f"
        site.stub.answer("PUT", "/f", 500, "InternalError", times=1)

    @pytest.mark.parametrize("cover", [nothing, chmod, link])
    def test_an_edit_is_noticed_before_the_last_bytes_are_sent(self, site: Site, cover) -> None:
        assert CHANGED in site.put(edit, cover, check=11)
        assert site.stored() == []

    @pytest.mark.parametrize("change", WITHOUT_EFFECT.values(), ids=WITHOUT_EFFECT)
    def test_what_changes_no_byte_is_no_error(self, site: Site, change) -> None:
        assert "1 file done" in site.put(change, check=0)
        assert site.stored() == [CONTENT]

    @pytest.mark.parametrize("change", SIZES.values(), ids=SIZES)
    def test_another_size_or_mtime_is_a_local_error(self, site: Site, change) -> None:
        assert CHANGED in site.put(change, check=11)
        assert site.stored() == []
